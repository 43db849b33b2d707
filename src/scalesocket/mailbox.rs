//! What waits for one member: a [`Backlog`] in front of its websocket.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::backlog::{Backlog, Offer, Outlet};
use crate::net::transport::{Offered, Progress};
use crate::net::websocket::sink::Sink;
use crate::sys::bell::Bell;

/// A member's mailbox.
pub(super) type Mailbox = Backlog<Mail>;

/// Why a member is told to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Farewell {
    /// The close frame's code and reason; `None` is a close frame without either.
    pub(super) close: Option<(u16, String)>,
}

impl Farewell {
    pub(super) fn new(code: u16, reason: impl Into<String>) -> Self {
        Self { close: Some((code, reason.into())) }
    }
}

/// A member's websocket, as far as its reader, its writer and its room have to know.
pub(super) struct Line {
    pub(super) sink: Arc<Sink>,
    /// Signs of life: what the client gave or took.
    pub(super) activity: AtomicU64,
    /// The first counts.
    pub(super) farewell: OnceLock<Farewell>,
}

impl Line {
    pub(super) fn is_alive(&self) {
        self.activity.fetch_add(1, Ordering::Relaxed);
    }
}

/// When a room that waits for its members goes on.
#[derive(Debug)]
pub(super) struct Pace {
    /// Wakes the room's thread.
    pub(super) bell: Bell,
    /// Bytes that may wait for a member that is waited for.
    pub(super) mark: usize,
    /// The room reads nothing until somebody has taken what waits.
    pub(super) paused: AtomicBool,
}

/// The outlet of a mailbox.
pub(super) struct Mail {
    pub(super) line: Arc<Line>,
    pub(super) pace: Arc<Pace>,
}

impl Outlet for Mail {
    fn offer(&self, bytes: &[u8]) -> io::Result<Offer> {
        Ok(match self.line.sink.offer(bytes)? {
            Offered::Taken => {
                self.line.is_alive();
                Offer::All
            }
            Offered::Begun => Offer::Kept,
            Offered::Refused => Offer::Part(0),
        })
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        // A client that takes nothing is watched by the thread that reads from it.
        self.line.sink.send(bytes, &mut |progress| {
            if let Progress::Wrote(_) = progress {
                self.line.is_alive();
            }
            Ok(())
        })
    }

    fn finish(&self) {
        if let Some(Farewell { close }) = self.line.farewell.get() {
            // A lost connection shows at the reader.
            let _ = self.line.sink.post_close(close.as_ref().map(|(code, reason)| (*code, reason.as_str())));
        }
    }

    fn drained(&self, waiting: usize) {
        if waiting <= self.pace.mark && self.pace.paused.load(Ordering::SeqCst) {
            self.pace.bell.ring();
        }
    }
}
