//! The upper pump: from the client to the backend, and the client's health.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::ending::{End, Pump};
use super::{BACKEND_LINGER, CLOSE_REPLY_WAIT, Tunnel};
use crate::net::buffer::Buffer;
use crate::net::transport::{Progress, send_all, timed_out};
use crate::net::websocket::codec::{Decoder, MAX_PIECES, Pieces, Signal, Stop};
use crate::net::websocket::pulse::Pulse;

/// The upper pump's own state.
struct Up<'a> {
    tunnel: &'a Tunnel,
    decoder: Decoder,
    pulse: Pulse,
}

impl Tunnel {
    /// Runs until the client is done or gone, then sees to the end of the tunnel.
    pub(super) fn pump_up<G>(&self, mut early: Vec<u8>, client_gone: G) {
        let mut up = Up { tunnel: self, decoder: Decoder::default(), pulse: self.pulse() };
        let end = match up.pass(&mut early) {
            Ok(()) => {
                drop(early);
                up.run()
            }
            Err(end) => end,
        };
        self.ending.because(end.clone());
        self.client_is_done(&end, client_gone);
    }

    /// The backend gets an end after everything sent; what it has still to say is heard out for a bounded time.
    fn client_is_done<G>(&self, end: &End, client_gone: G) {
        self.ending.done(Pump::Up);
        match end {
            End::ClientLost(_) | End::ClientSilent(_) => self.transport().abort(),
            End::Violation(_) => drop(self.sink.post_close(end.goodbye())),
            _ => {}
        }
        let _ = self.backend.shutdown(Shutdown::Write);
        if let End::ClientClosed(_) | End::ClientEnded = end {
            self.ending.wait(Pump::Down, CLOSE_REPLY_WAIT);
        }
        match end {
            End::ClientClosed(_) => drop(self.sink.post_close(end.goodbye())),
            End::ClientEnded => self.transport().abort(),
            _ => {}
        }
        drop(client_gone);
        if !self.ending.wait(Pump::Down, BACKEND_LINGER) {
            self.cut_backend(Shutdown::Both);
            // A client that takes nothing may hold the lower pump in a write.
            if !self.ending.wait(Pump::Down, CLOSE_REPLY_WAIT) {
                self.transport().abort();
            }
        }
    }
}

impl Up<'_> {
    fn run(&mut self) -> End {
        let mut buffer = Buffer::new(0);
        loop {
            match self.read(buffer.space()) {
                Ok(0) => return End::ClientEnded,
                Ok(count) => {
                    self.tunnel.client_is_alive();
                    let bytes = buffer.space().get_mut(..count).unwrap_or_default();
                    if let Err(end) = self.pass(bytes) {
                        return end;
                    }
                    buffer.adapt(count);
                }
                Err(error) if timed_out(&error) => {
                    buffer.shrink();
                    let activity = self.tunnel.activity.load(Ordering::Relaxed);
                    if let Some(silence) = self.pulse.silence(activity, Instant::now()) {
                        return End::ClientSilent(silence);
                    }
                }
                Err(error) => return End::ClientLost(error.to_string().to_lowercase()),
            }
            self.beat();
        }
    }

    fn read(&self, space: &mut [u8]) -> io::Result<usize> {
        let sink = &self.tunnel.sink;
        // A lost connection shows at the read.
        let stuck = sink.is_stuck() && sink.flush().is_ok() && sink.is_stuck();
        if stuck { sink.transport().read_or_room(space) } else { sink.transport().read(space) }
    }

    fn beat(&mut self) {
        if self.pulse.ping_is_due(Instant::now()) {
            // A lost connection shows at the next read.
            let _ = self.tunnel.sink.ping();
        }
    }

    /// Decodes what was read and passes it on.
    fn pass(&mut self, mut bytes: &mut [u8]) -> Result<(), End> {
        while !bytes.is_empty() {
            let decoded = self.decoder.decode(bytes);
            self.forward(bytes, &decoded.payload)?;
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
        if payload.is_empty() || self.tunnel.backend_deaf.load(Ordering::Relaxed) {
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
                tunnel.up_bytes.fetch_add(count as u64, Ordering::Relaxed);
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
            self.pulse.renew(Instant::now());
        }
        match result {
            Ok(()) => Ok(()),
            Err(error) if timed_out(&error) => Err(End::ClientLost("gone while the backend took nothing".to_owned())),
            Err(error) => {
                // The lower pump reads what the backend said before.
                tunnel.ending.refused(&error);
                tunnel.backend_deaf.store(true, Ordering::Relaxed);
                Ok(())
            }
        }
    }
}
