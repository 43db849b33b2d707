//! The upper pump: from the client to the backend, and the client's health.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::time::Instant;

use rustix::event::PollFlags;

use super::ending::{End, Pump};
use super::{BACKEND_LINGER, CLOSE_REPLY_WAIT, Tunnel, watch};
use crate::net::buffer::Buffer;
use crate::net::transport::{Progress, send_all, timed_out};
use crate::net::websocket::codec::{Decoder, MAX_PIECES, Pieces, Signal, Stop};
use crate::net::websocket::pulse::Pulse;

/// What is known of the client's stream, whether one thread carries both ways or two do.
pub(super) struct Up<'a> {
    tunnel: &'a Tunnel,
    decoder: Decoder,
    pulse: Pulse,
    /// Payload bytes, both ways, when nothing had come for a while.
    carried: u64,
}

impl Tunnel {
    /// The backend gets an end after everything sent; what it has still to say is heard out by the lower pump, for a
    /// bounded time.
    pub(super) fn client_is_done<G>(&self, end: &End, client_gone: G) {
        self.ending.done(Pump::Up);
        self.stop_client(end);
        let _ = self.backend.shutdown(Shutdown::Write);
        if let End::ClientClosed(_) | End::ClientEnded = end {
            self.ending.wait(Pump::Down, CLOSE_REPLY_WAIT);
        }
        self.answer_client(end);
        drop(client_gone);
        if !self.ending.wait(Pump::Down, BACKEND_LINGER) {
            self.cut_backend(Shutdown::Both);
            // A client that takes nothing may hold the lower pump in a write.
            if !self.ending.wait(Pump::Down, CLOSE_REPLY_WAIT) {
                self.transport().abort();
            }
        }
    }

    /// A client that is lost or broke the protocol is told so before the backend is heard out.
    pub(super) fn stop_client(&self, end: &End) {
        match end {
            End::ClientLost(_) | End::ClientSilent(_) => self.transport().abort(),
            End::Violation(_) => drop(self.sink.post_close(end.goodbye())),
            _ => {}
        }
    }

    /// A client that has ended is answered when the backend was heard out.
    pub(super) fn answer_client(&self, end: &End) {
        match end {
            End::ClientClosed(_) => drop(self.sink.post_close(end.goodbye())),
            End::ClientEnded => self.transport().abort(),
            _ => {}
        }
    }
}

/// The end of a client that has hung up while its bytes could not be passed on.
pub(super) fn gone_meanwhile() -> End {
    End::ClientLost("gone while the backend took nothing".to_owned())
}

impl<'a> Up<'a> {
    pub(super) fn new(tunnel: &'a Tunnel) -> Self {
        Self { tunnel, decoder: Decoder::default(), pulse: tunnel.pulse(), carried: 0 }
    }
}

impl Up<'_> {
    /// Carries up beside the lower pump, until the client is done or gone; `None` when so little moves that the lower pump
    /// has left.
    pub(super) fn run(&mut self) -> Option<End> {
        let mut buffer = Buffer::new(0);
        loop {
            match self.read(buffer.space()) {
                Ok(0) => return Some(End::ClientEnded),
                Ok(count) => {
                    self.tunnel.client_is_alive();
                    let bytes = buffer.space().get_mut(..count).unwrap_or_default();
                    if let Err(end) = self.decode(bytes, Self::forward) {
                        return Some(end);
                    }
                    buffer.adapt(count);
                }
                Err(error) if timed_out(&error) => {
                    buffer.shrink();
                    if let Err(end) = self.check_silence(Instant::now()) {
                        return Some(end);
                    }
                    if self.is_idle() && self.rest() {
                        return None;
                    }
                }
                Err(error) => return Some(End::ClientLost(error.to_string().to_lowercase())),
            }
            self.beat();
        }
    }

    /// Whether nothing was carried since the last time that this was asked.
    fn is_idle(&mut self) -> bool {
        let (up, down) = self.tunnel.bytes();
        let carried = std::mem::replace(&mut self.carried, up + down);
        carried == up + down && !self.tunnel.sink.is_stuck()
    }

    /// Watches both sides for a while, in which the lower pump may leave; true when it has. It is blocked in a read, and
    /// looks up within the time of a tick.
    fn rest(&self) -> bool {
        let ending = &self.tunnel.ending;
        ending.rest();
        let sides = [self.tunnel.transport().socket(), &self.tunnel.backend];
        let _ = watch::sides(sides, [PollFlags::IN; 2], self.tunnel.tick());
        ending.wake()
    }

    /// The client can be too quiet to be there.
    pub(super) fn check_silence(&mut self, now: Instant) -> Result<(), End> {
        self.pulse.silence(self.tunnel.signs_of_life(), now).map_or(Ok(()), |silence| Err(End::ClientSilent(silence)))
    }

    /// The client could not be heard for a while.
    pub(super) fn client_is_unread(&mut self, now: Instant) {
        self.pulse.renew(now);
    }

    fn read(&self, space: &mut [u8]) -> io::Result<usize> {
        let sink = &self.tunnel.sink;
        // A lost connection shows at the read.
        let stuck = sink.is_stuck() && sink.flush().is_ok() && sink.is_stuck();
        if stuck { sink.transport().read_or_room(space) } else { sink.transport().read(space) }
    }

    /// Asks the client whether it is there, when it is time to.
    pub(super) fn beat(&mut self) {
        if self.pulse.ping_is_due(Instant::now()) {
            // A lost connection shows at the next read.
            let _ = self.tunnel.sink.ping();
        }
    }

    /// Decodes what was read; payload goes to `forward`, which gets it in pieces of the bytes.
    pub(super) fn decode(
        &mut self,
        mut bytes: &mut [u8],
        mut forward: impl FnMut(&mut Self, &[u8], &Pieces) -> Result<(), End>,
    ) -> Result<(), End> {
        while !bytes.is_empty() {
            let decoded = self.decoder.decode(bytes);
            forward(self, bytes, &decoded.payload)?;
            match decoded.stop {
                Stop::Drained => return Ok(()),
                Stop::Signal(Signal::Ping(payload)) => drop(self.tunnel.sink.pong(&payload)),
                Stop::Full | Stop::Message { .. } | Stop::Signal(Signal::Pong) => {}
                Stop::Signal(Signal::Close(close)) => return Err(End::ClientClosed(close.map(|(code, _)| code))),
                Stop::Violation(violation) => return Err(End::Violation(violation)),
            }
            bytes = bytes.get_mut(decoded.used..).unwrap_or_default();
        }
        Ok(())
    }

    fn forward(&mut self, bytes: &[u8], payload: &Pieces) -> Result<(), End> {
        if payload.is_empty() || self.tunnel.is_backend_deaf() {
            return Ok(());
        }
        let tunnel = self.tunnel;
        let mut slices = [IoSlice::new(&[]); MAX_PIECES];
        let count = slices.iter_mut().zip(payload.of(bytes)).map(|(slice, piece)| *slice = IoSlice::new(piece)).count();
        let slices = slices.get_mut(..count).unwrap_or_default();
        let mut stalled = false;
        let mut gone = 0;
        let result = send_all(&tunnel.backend, slices, &mut |progress| match progress {
            Progress::Wrote(count) => {
                tunnel.backend_took(count);
                gone = 0;
                Ok(())
            }
            Progress::Stalled => {
                stalled = true;
                // The client is not read meanwhile; a proxy between must still see life.
                self.beat();
                gone += u32::from(tunnel.transport().peer_has_hung_up());
                if gone > 1 { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
            }
        });
        if stalled {
            self.client_is_unread(Instant::now());
        }
        match result {
            Ok(()) => Ok(()),
            Err(error) if timed_out(&error) => Err(gone_meanwhile()),
            Err(error) => {
                tunnel.backend_refused(&error);
                Ok(())
            }
        }
    }
}
