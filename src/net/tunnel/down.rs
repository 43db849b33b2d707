//! The lower pump: from the backend to the client.

use std::io::{self, Read};
use std::net::Shutdown;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tungstenite::protocol::frame::coding::{Data, OpCode};

use super::ending::{End, Pump};
use super::{CLIENT_LINGER, Tunnel};
use crate::net::buffer::Buffer;
use crate::net::transport::{Progress, retry, timed_out};
use crate::net::websocket::codec::{SERVER_HEADER, header_before};

/// How long the upper pump may take to say what the kernel told it.
const REFUSAL_WAIT: Duration = Duration::from_millis(200);
/// Bytes that are read at a time to be dropped.
const SCRAP: usize = 16 * 1024;
/// How often a backend that is not listened to any more is asked whether it said something.
const HEAR_AGAIN: Duration = Duration::from_millis(20);

impl Tunnel {
    /// Runs until the backend ends, then says goodbye to the client and waits for its answer.
    pub(super) fn pump_down(&self) {
        // The reason stands before the client hears of it: its answer may be quick.
        let reason = self.ending.because(self.hear_epitaph(self.carry_down()));
        let deadline = Instant::now() + CLIENT_LINGER;
        let _ = self.sink.close(reason.goodbye(), &mut |progress| {
            self.note_progress(progress);
            if Instant::now() < deadline { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
        });
        self.ending.done(Pump::Down);
        self.await_client();
    }

    /// A backend that was launched may have ended for a reason that its last bytes do not tell.
    fn hear_epitaph(&self, end: End) -> End {
        let heard = match (&end, &self.epitaph) {
            (End::BackendClosed | End::BackendLost(_), Some(epitaph)) if !self.sink.is_closing() => epitaph(),
            _ => None,
        };
        match heard {
            Some((1000, _)) => End::BackendClosed,
            Some((_, reason)) => End::BackendLost(reason),
            None => end,
        }
    }

    /// What the client sent before it saw our close frame still goes to the backend, as long as it comes.
    fn await_client(&self) {
        let (mut seen, mut alive) = (self.activity.load(Ordering::Relaxed), Instant::now());
        while !self.ending.wait(Pump::Up, self.hear_out()) {
            let now = self.activity.load(Ordering::Relaxed);
            if now != seen && !self.backend_deaf.load(Ordering::Relaxed) {
                (seen, alive) = (now, Instant::now());
            } else if alive.elapsed() >= CLIENT_LINGER {
                self.transport().abort();
                // The upper pump may be held in a write to a backend that takes nothing.
                self.cut_backend(Shutdown::Both);
                return;
            }
        }
    }

    /// After an end from outside the backend may be in the middle of a word, and take nothing before that is out: the
    /// upper pump would wait for it and never see the client's answer. Says when to come back.
    fn hear_out(&self) -> Duration {
        if !matches!(self.ending.reason(), End::Closed { .. }) {
            return CLIENT_LINGER;
        }
        // The socket was shut for reading, so this does not wait.
        // Not on the stack: whole pages of it would be touched, and stay, in a thread that may only idle.
        match (&self.backend).read(&mut vec![0; SCRAP]) {
            Ok(1..) => {
                self.unheard.store(true, Ordering::Relaxed);
                Duration::ZERO
            }
            _ => HEAR_AGAIN,
        }
    }

    fn carry_down(&self) -> End {
        let mut buffer = Buffer::new(SERVER_HEADER);
        let mut client_takes = true;
        loop {
            let count = match retry(|| (&self.backend).read(buffer.space())) {
                Ok(0) => return self.how_backend_ended(),
                Ok(count) => count,
                Err(error) if timed_out(&error) => {
                    buffer.shrink();
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return End::BackendLost("backend: connection reset".to_owned());
                }
                Err(error) => return End::BackendLost(format!("backend: {}", error.to_string().to_lowercase())),
            };
            if client_takes {
                client_takes = self.forward(buffer.bytes(), count);
            }
            if !client_takes {
                self.unheard.store(true, Ordering::Relaxed);
            }
            buffer.adapt(count);
        }
    }

    /// The kernel tells a reset once, to whichever pump asks first; the other one reads an end.
    fn how_backend_ended(&self) -> End {
        let connected = self.backend.peer_addr().is_ok();
        if !connected && self.ending.refusal(REFUSAL_WAIT) == Some(io::ErrorKind::ConnectionReset) {
            return End::BackendLost("backend: connection reset".to_owned());
        }
        End::BackendClosed
    }

    /// Sends the `count` bytes behind the reserve as one frame, its header right before them.
    ///
    /// False when the client takes no more; the backend is then read to its end, so that what was sent to it is not
    /// lost in a reset (closing with unread bytes resets a TCP connection).
    fn forward(&self, bytes: &mut [u8], count: usize) -> bool {
        let Some((space, _)) = bytes.split_first_chunk_mut::<SERVER_HEADER>() else {
            return false;
        };
        let size = header_before(space, OpCode::Data(Data::Binary), count);
        let frame = bytes.get(SERVER_HEADER - size..SERVER_HEADER + count).unwrap_or_default();
        let sent = self.sink.send(frame, &mut |progress| {
            self.note_progress(progress);
            let hopeless = progress == Progress::Stalled && self.sink.is_closing();
            if hopeless { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
        });
        if sent.is_ok() {
            self.down_bytes.fetch_add(count as u64, Ordering::Relaxed);
            return true;
        }
        if !self.sink.is_closing() {
            // The upper pump, blocked in a read, learns it too.
            let _ = self.transport().socket().shutdown(Shutdown::Both);
        }
        false
    }
}
