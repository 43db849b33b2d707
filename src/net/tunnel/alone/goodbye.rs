//! How a tunnel with one thread ends.

use std::net::Shutdown;
use std::time::{Duration, Instant};

use super::{Alone, Client};
use crate::net::tunnel::ending::End;
use crate::net::tunnel::{BACKEND_LINGER, CLIENT_LINGER, CLOSE_REPLY_WAIT};

/// Reads of the backend, in which nobody else waits for this thread.
const SCRAPS: usize = 64;

impl Alone<'_> {
    /// The reason stands before the client hears of it: its answer may be quick.
    pub(super) fn backend_is_done(&mut self, end: End) {
        let reason = self.tunnel.ending.because(self.tunnel.hear_epitaph(end));
        let _ = self.tunnel.sink.post_close(reason.goodbye());
        self.awaiting = Some(Instant::now());
        self.seen = self.tunnel.bytes().0;
    }

    /// What the client sent before it saw our close frame still goes to the backend, as long as it comes.
    pub(super) fn await_client(&mut self, since: Instant, now: Instant) -> Result<(), End> {
        if self.tunnel.was_closed() {
            // The backend may be in the middle of a word, and take nothing before that is out.
            (0..SCRAPS).all(|_| self.tunnel.hear_scraps());
        }
        let up = self.tunnel.bytes().0;
        if up != self.seen {
            (self.seen, self.awaiting) = (up, Some(now));
        } else if now.duration_since(since) >= CLIENT_LINGER {
            self.tunnel.abort_both();
            return Err(self.tunnel.ending.reason());
        }
        Ok(())
    }

    /// The backend gets an end after everything sent; what it has still to say is heard out for a bounded time.
    pub(in crate::net::tunnel) fn client_is_done<G>(&mut self, end: &End, client_gone: G) {
        let tunnel = self.tunnel;
        tunnel.stop_client(end);
        let _ = tunnel.backend.shutdown(Shutdown::Write);
        self.to_backend = Vec::new();
        if let End::ClientClosed(_) | End::ClientEnded = end {
            self.hear_backend_out(CLOSE_REPLY_WAIT);
        }
        tunnel.answer_client(end);
        drop(client_gone);
        self.hear_backend_out(BACKEND_LINGER);
        if self.awaiting.is_none() {
            tunnel.cut_backend(Shutdown::Both);
            if self.client == Client::Full || tunnel.sink.is_stuck() {
                tunnel.transport().abort();
            }
        }
    }

    /// Carries down until the backend has ended and the goodbye is out, for `time` at most.
    fn hear_backend_out(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        while (self.awaiting.is_none() || self.tunnel.sink.is_stuck()) && Instant::now() < deadline {
            if self.turn(None, Some(deadline)).is_err() {
                return;
            }
        }
    }
}
