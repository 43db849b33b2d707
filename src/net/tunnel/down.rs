//! The lower pump: from the backend to the client.

use std::io::{self, Read};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use tungstenite::protocol::frame::coding::{Data, OpCode};

use super::ending::{End, Pump};
use super::{CLIENT_LINGER, HEAR_AGAIN, Tunnel};
use crate::net::buffer::Buffer;
use crate::net::transport::{Progress, receive_now, retry, timed_out};
use crate::net::websocket::codec::{SERVER_HEADER, header_before};

/// How long the upper pump may take to say what the kernel told it.
const REFUSAL_WAIT: Duration = Duration::from_millis(200);
/// Bytes that are read at a time to be dropped.
const SCRAP: usize = 16 * 1024;

impl Tunnel {
    /// Runs until the backend ends, then says goodbye to the client and waits for its answer; or until it is not needed.
    pub(super) fn pump_down(&self) {
        let Some(end) = self.carry_down() else { return };
        // The reason stands before the client hears of it: its answer may be quick.
        let reason = self.ending.because(self.hear_epitaph(end));
        let deadline = Instant::now() + CLIENT_LINGER;
        let _ = self.sink.close(reason.goodbye(), &mut |progress| {
            self.note_progress(progress);
            if Instant::now() < deadline { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
        });
        self.ending.done(Pump::Down);
        self.await_client();
    }

    /// A backend that was launched may have ended for a reason that its last bytes do not tell.
    pub(super) fn hear_epitaph(&self, end: End) -> End {
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
        let (mut seen, mut alive) = (self.bytes().0, Instant::now());
        while !self.ending.wait(Pump::Up, self.hear_out()) {
            let now = self.bytes().0;
            if now != seen {
                (seen, alive) = (now, Instant::now());
            } else if alive.elapsed() >= CLIENT_LINGER {
                // The upper pump may be held in a write to a backend that takes nothing.
                self.abort_both();
                return;
            }
        }
    }

    /// After an end from outside the backend may be in the middle of a word, and take nothing before that is out: the
    /// upper pump would wait for it and never see the client's answer. Says when to come back.
    fn hear_out(&self) -> Duration {
        if !self.was_closed() {
            return CLIENT_LINGER;
        }
        if self.hear_scraps() { Duration::ZERO } else { HEAR_AGAIN }
    }

    /// Reads something of what the backend says after an end from outside, and drops it; true when there was something.
    pub(super) fn hear_scraps(&self) -> bool {
        // Not on the stack: whole pages of it would be touched, and stay, in a thread that may only idle.
        let said = matches!(receive_now(&self.backend, &mut vec![0; SCRAP]), Ok(1..));
        if said {
            self.was_unheard();
        }
        said
    }

    /// `None` when the upper pump goes on alone.
    fn carry_down(&self) -> Option<End> {
        let mut buffer = Buffer::new(SERVER_HEADER);
        let mut client_takes = true;
        loop {
            let count = match retry(|| (&self.backend).read(buffer.space())) {
                Ok(0) => return Some(self.how_backend_ended(REFUSAL_WAIT)),
                Ok(count) => count,
                Err(error) if timed_out(&error) => {
                    buffer.shrink();
                    if client_takes && self.ending.leave() {
                        return None;
                    }
                    continue;
                }
                Err(error) => return Some(Self::how_backend_broke(&error)),
            };
            if client_takes {
                client_takes = self.forward(buffer.bytes(), count);
            }
            if !client_takes {
                self.was_unheard();
            }
            buffer.adapt(count);
        }
    }

    /// What a failed read says of the backend.
    pub(super) fn how_backend_broke(error: &io::Error) -> End {
        match error.kind() {
            io::ErrorKind::ConnectionReset => End::BackendLost("backend: connection reset".to_owned()),
            _ => End::BackendLost(format!("backend: {}", error.to_string().to_lowercase())),
        }
    }

    /// The kernel tells a reset once, to whoever asks first, who may be about to write and takes at most `wait` to tell;
    /// the other one reads an end.
    pub(super) fn how_backend_ended(&self, wait: Duration) -> End {
        // Alone, nobody else is about to write: what is not known is not so.
        let lost = |wait| self.ending.refusal(wait) == Some(io::ErrorKind::ConnectionReset);
        let may_be_lost = !wait.is_zero() || lost(Duration::ZERO);
        // A socket that was reset has no peer any more.
        if may_be_lost && self.backend.peer_addr().is_err() && lost(wait) {
            return Self::how_backend_broke(&io::ErrorKind::ConnectionReset.into());
        }
        End::BackendClosed
    }

    /// The `count` bytes behind the reserve as one frame, its header right before them.
    pub(super) fn frame(bytes: &mut [u8], count: usize) -> &[u8] {
        let Some((space, _)) = bytes.split_first_chunk_mut::<SERVER_HEADER>() else {
            return &[];
        };
        let size = header_before(space, OpCode::Data(Data::Binary), count);
        bytes.get(SERVER_HEADER - size..SERVER_HEADER + count).unwrap_or_default()
    }

    /// Sends the `count` bytes behind the reserve as one frame.
    ///
    /// False when the client takes no more; the backend is then read to its end, so that what was sent to it is not
    /// lost in a reset (closing with unread bytes resets a TCP connection).
    fn forward(&self, bytes: &mut [u8], count: usize) -> bool {
        let frame = Self::frame(bytes, count);
        let sent = self.sink.send(frame, &mut |progress| {
            self.note_progress(progress);
            let hopeless = progress == Progress::Stalled && self.sink.is_closing();
            if hopeless { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
        });
        if sent.is_ok() {
            self.client_took(count);
            return true;
        }
        if !self.sink.is_closing() {
            // The upper pump, blocked in a read, learns it too.
            let _ = self.transport().socket().shutdown(Shutdown::Both);
        }
        false
    }
}
