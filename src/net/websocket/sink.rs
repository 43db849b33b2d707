//! The sending side of a websocket, shared by the thread that reads and the thread that writes.
//!
//! Data waits for the client; signals never do. A signal that cannot go out now stays in a slot (the latest pong wins,
//! RFC 6455 section 5.5.3) and leaves right behind the frame that is being written.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tungstenite::protocol::frame::coding::Control;

use super::codec::{close_frame, control_frame};
use crate::net::live::Endable;
use crate::net::transport::{Offered, Placed, Transport, Watch};

/// How long a client may take to close after it was sent away.
const DISMISSAL: Duration = Duration::from_secs(2);

/// Sends frames on one websocket.
pub struct Sink {
    transport: Arc<Transport>,
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    pong: Option<Vec<u8>>,
    ping: Option<Vec<u8>>,
    close: Option<Vec<u8>>,
    /// A close frame is in its slot or out: the first one counts.
    closing: bool,
    /// A signal waits because the client takes nothing, and no thread is writing.
    stuck: bool,
}

impl Slots {
    /// The slot of the signal that goes next, and whether nothing may follow it.
    fn next(&mut self) -> Option<(&mut Option<Vec<u8>>, bool)> {
        let slots = [(&mut self.pong, false), (&mut self.ping, false), (&mut self.close, true)];
        slots.into_iter().find(|(slot, _)| slot.is_some())
    }

    /// Takes the signal that goes next.
    fn take(&mut self) -> Option<(Vec<u8>, bool)> {
        self.next().and_then(|(slot, last)| Some((slot.take()?, last)))
    }
}

impl Sink {
    /// The sending side of `transport`.
    pub fn new(transport: Arc<Transport>) -> Self {
        Self { transport, slots: Mutex::default() }
    }

    /// The connection beneath.
    pub fn transport(&self) -> &Arc<Transport> {
        &self.transport
    }

    /// Writes a data frame, waiting for the client; `watch` sees each step.
    ///
    /// # Errors
    /// The connection is lost, a close frame is out, or `watch` gave up.
    pub fn send(&self, frame: &[u8], watch: Watch<'_>) -> io::Result<()> {
        self.transport.write_all([frame, &[]], false, watch)?;
        // What came up meanwhile goes right behind. This thread may wait; when a full line keeps a signal back and
        // nothing more comes from the backend, nobody else would send it.
        while !self.send_slots()? {
            // Chosen under the outbox lock, or a newer pong could overtake.
            if !self.transport.write_chosen(|| self.lock().take(), watch)? {
                break;
            }
        }
        Ok(())
    }

    /// Writes data frames without waiting, as far as that goes.
    ///
    /// # Errors
    /// The connection is lost, or a close frame is out.
    pub fn offer(&self, frames: &[u8]) -> io::Result<Offered> {
        let offered = self.transport.offer(frames)?;
        // A signal that came up while this thread held the outbox.
        self.flush()?;
        Ok(offered)
    }

    /// Answers a ping.
    ///
    /// # Errors
    /// The connection is lost or closed.
    pub fn pong(&self, payload: &[u8]) -> io::Result<()> {
        self.lock().pong = Some(control_frame(Control::Pong, payload));
        self.flush()
    }

    /// Asks the client whether it is there.
    ///
    /// # Errors
    /// The connection is lost or closed.
    pub fn ping(&self) -> io::Result<()> {
        self.lock().ping = Some(control_frame(Control::Ping, b""));
        self.flush()
    }

    /// Says goodbye without waiting. The first goodbye counts.
    ///
    /// # Errors
    /// The connection is lost or closed.
    pub fn post_close(&self, close: Option<(u16, &str)>) -> io::Result<()> {
        self.prepare_close(close);
        self.flush()
    }

    /// Says goodbye, waiting for the client to take it.
    ///
    /// # Errors
    /// The connection is lost, or `watch` gave up.
    pub fn close(&self, close: Option<(u16, &str)>, watch: Watch<'_>) -> io::Result<()> {
        self.prepare_close(close);
        let frame = self.lock().close.take();
        match frame {
            Some(frame) => self.transport.write_all([&frame, &[]], true, watch),
            None => Ok(()),
        }
    }

    /// Says goodbye to a client that no tunnel will serve, and waits a moment for its answer.
    pub fn dismiss(&self, code: u16, reason: &str) {
        let _ = self.post_close(Some((code, reason)));
        self.transport.farewell(DISMISSAL);
    }

    /// Whether a goodbye was said or is about to be.
    pub fn is_closing(&self) -> bool {
        self.lock().closing
    }

    fn prepare_close(&self, close: Option<(u16, &str)>) {
        let mut slots = self.lock();
        if !std::mem::replace(&mut slots.closing, true) {
            slots.close = Some(close_frame(close));
        }
    }

    /// Whether a signal waits for the client alone: the reading thread then has to look out for room too.
    pub fn is_stuck(&self) -> bool {
        self.lock().stuck
    }

    /// Sends what is in the slots without waiting. A thread that is writing looks here when it is done; when the client
    /// takes nothing, [`Sink::is_stuck`].
    ///
    /// # Errors
    /// The connection is lost or closed.
    pub fn flush(&self) -> io::Result<()> {
        self.send_slots().map(drop)
    }

    /// True when the slots are empty.
    fn send_slots(&self) -> io::Result<bool> {
        let mut slots = self.lock();
        slots.stuck = false;
        while let Some((slot, last)) = slots.next() {
            let placed = match slot {
                Some(frame) => self.transport.try_write(frame, last)?,
                None => Placed::Sent,
            };
            if placed != Placed::Sent {
                slots.stuck = placed == Placed::Full;
                return Ok(false);
            }
            *slot = None;
        }
        Ok(true)
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A websocket that no tunnel serves yet.
pub struct Unjoined(pub Arc<Sink>);

impl Endable for Unjoined {
    fn end(&self) {
        let _ = self.0.post_close(Some((1001, "the server is stopping")));
    }

    fn abort(&self) {
        self.0.transport.abort();
    }
}
