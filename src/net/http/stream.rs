//! An answer that is sent bit by bit, until either side has enough.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select_biased};

use crate::net::live::Endable;
use crate::net::transport::{Transport, no_patience};

/// How often the client is looked at while there is nothing to send.
const LOOK: Duration = Duration::from_millis(500);

/// The sending side of a streamed answer.
pub struct Outgoing {
    transport: Arc<Transport>,
    /// Nothing is ever sent: it is disconnected when the server ends.
    ended: Receiver<()>,
}

/// What came next to a streamed answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<T> {
    /// Something to send.
    Item(T),
    /// Nothing for as long as was asked.
    Quiet,
    /// The client is gone, the server ends, or there will be no more items.
    Over,
}

/// How a streamed answer is told to end.
pub(super) struct Streaming {
    transport: Arc<Transport>,
    open: Mutex<Option<Sender<()>>>,
}

impl Streaming {
    pub(super) fn new(transport: &Arc<Transport>) -> (Self, Outgoing) {
        let (open, ended) = bounded(0);
        let streaming = Self { transport: Arc::clone(transport), open: Mutex::new(Some(open)) };
        (streaming, Outgoing { transport: Arc::clone(transport), ended })
    }
}

impl Endable for Streaming {
    fn end(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn abort(&self) {
        self.transport.abort();
    }
}

impl Outgoing {
    /// Sends these bytes now.
    ///
    /// # Errors
    /// The client is gone, or does not read.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.transport.write_all([bytes, &[]], false, &mut no_patience)
    }

    /// Waits for the next of `items`, `quiet` at most.
    pub fn next<T>(&self, items: &Receiver<T>, quiet: Duration) -> Next<T> {
        let mut waited = Duration::ZERO;
        while waited < quiet {
            select_biased! {
                recv(self.ended) -> _ => return Next::Over,
                recv(items) -> item => return item.map_or(Next::Over, Next::Item),
                default(LOOK) => waited += LOOK,
            }
            // A client that has ended its side reads no more: that is how browsers leave.
            if self.transport.peer_has_hung_up() {
                return Next::Over;
            }
        }
        Next::Quiet
    }
}
