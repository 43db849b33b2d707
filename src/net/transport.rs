//! The client's side of a connection, plain or TLS, read by one thread and written by another.
//!
//! Both threads share one descriptor. Reads need no lock (plain) or a short one (TLS); a whole frame is written under
//! the outbox lock, so frames never interleave. The reading thread never waits for output: it uses
//! [`Transport::try_write`], which takes a small frame whole or not at all.

mod farewell;
mod outcome;
mod patience;
mod wire;

use std::cell::Cell;
use std::io::{self, IoSlice, Read};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::tls::{TlsSession, TlsSource};
pub(super) use farewell::has_hung_up;
pub use outcome::{Offered, Placed, Progress, Watch, no_patience};
use patience::Patience;
use wire::{look, send_file_plain};
pub use wire::{receive_now, retry, send_all, send_now, timed_out};

/// Bytes that are encrypted and sent at a time: few lock rounds, yet the reader is not kept from its session for long.
const TLS_CHUNK: usize = 64 * 1024;

/// Bytes of TLS's own messages that may wait for a client that does not read. It can ask for new keys without end
/// (RFC 8446 section 4.6.3), and each time there is an answer. A chunk that a writer has just encrypted may be among them.
const TLS_BACKLOG: usize = 4 * TLS_CHUNK;

/// Bytes of the carry that stay allocated while it is empty: enough for what is said now and then.
const LARGEST_IDLE_CARRY: usize = 4 * 1024;

/// One connection to a client.
pub struct Transport {
    socket: Arc<TcpStream>,
    patience: Patience,
    outbox: Mutex<Outbox>,
    /// Boxed: most connections have none, and it is large.
    tls: Option<Box<TlsSession>>,
}

/// The state of the sending side.
#[derive(Default)]
struct Outbox {
    /// Wire bytes that a non-blocking write could not place; they go first.
    carry: Vec<u8>,
    /// The last frame is out, or an error has cut one in two: nothing may follow.
    closed: bool,
}

impl Transport {
    /// A connection in plain text.
    pub fn plain(socket: impl Into<Arc<TcpStream>>) -> Self {
        Self { socket: socket.into(), patience: Patience::default(), outbox: Mutex::default(), tls: None }
    }

    /// A connection in plain text, whose reads are known to wait for `time`.
    pub fn plain_with_read_timeout(socket: impl Into<Arc<TcpStream>>, time: Option<Duration>) -> Self {
        Self { patience: Patience::of_read(time), ..Self::plain(socket) }
    }

    /// Does the TLS handshake as the server, which must be complete at `deadline`.
    ///
    /// # Errors
    /// The handshake failed, timed out, or the connection was lost.
    pub fn tls(socket: impl Into<Arc<TcpStream>>, source: &TlsSource, deadline: Instant) -> io::Result<Self> {
        let socket = socket.into();
        let session = source.handshake(&socket, deadline)?;
        Ok(Self { socket, patience: Patience::default(), outbox: Mutex::default(), tls: Some(session) })
    }

    /// The socket beneath, for shutdown and options; its timeouts are set here only.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Whether this is TLS.
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Reads what is there, or waits for the socket's read timeout. 0 is the end.
    ///
    /// # Errors
    /// `WouldBlock` or `TimedOut` at the timeout; anything else is the end of the connection.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_after(buffer, || Ok(()))
    }

    /// Reads like [`Transport::read`], but returns as well (`WouldBlock`) when the peer takes bytes again.
    ///
    /// # Errors
    /// As for [`Transport::read`].
    pub fn read_or_room(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_after(buffer, || {
            let time = self.socket.read_timeout()?;
            let found = look(&self.socket, PollFlags::IN | PollFlags::OUT, time)?;
            // Whatever is not room alone can be read: bytes, an end, an error.
            if found.is_empty() || found == PollFlags::OUT { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        })
    }

    /// Reads what is there without waiting. `polled` says that the socket is known to have something.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing; anything else is the end of the connection.
    pub fn read_now(&self, buffer: &mut [u8], polled: bool) -> io::Result<usize> {
        if self.tls.is_none() {
            return receive_now(&self.socket, buffer);
        }
        // What there is may be less than TLS needs to make sense of it.
        let polled = Cell::new(polled);
        self.read_after(buffer, || {
            if polled.take() || self.has_bytes() { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
        })
    }

    /// Calls `wait` before each read from the socket.
    fn read_after(&self, buffer: &mut [u8], wait: impl Fn() -> io::Result<()>) -> io::Result<usize> {
        let Some(session) = &self.tls else {
            wait()?;
            return retry(|| (&*self.socket).read(buffer));
        };
        loop {
            // Session tickets, key updates and alerts come out of reading. They go before anybody waits, and until then
            // with what is written.
            if let Some(count) = session.read(buffer)? {
                return Ok(count);
            }
            if session.output_length() > 0 {
                self.flush_output(session)?;
            }
            // Whoever only looks, and finds nothing, comes to no read that could time out.
            wait().inspect_err(|_| session.shrink())?;
            session.fill_from(&self.socket)?;
        }
    }

    /// Writes all of `parts`, waiting for the peer. `watch` is called at each step and may give up.
    ///
    /// # Errors
    /// The connection is lost, nothing may be written any more, or `watch` gave up; the connection is of no use then.
    pub fn write_all(&self, parts: [&[u8]; 2], last: bool, watch: Watch<'_>) -> io::Result<()> {
        self.write_holding(self.lock(), parts, last, watch)
    }

    /// Writes the frame that `next` chooses, waiting for the peer; nothing else is written between choice and frame.
    /// It also says whether nothing may follow. False when it chooses none.
    ///
    /// # Errors
    /// As for [`Transport::write_all`].
    pub fn write_chosen<F>(&self, next: F, watch: Watch<'_>) -> io::Result<bool>
    where
        F: FnOnce() -> Option<(Vec<u8>, bool)>,
    {
        let outbox = self.lock();
        match next() {
            Some((frame, last)) => self.write_holding(outbox, [&frame, &[]], last, watch).map(|()| true),
            None => Ok(false),
        }
    }

    fn write_holding(
        &self,
        mut outbox: MutexGuard<'_, Outbox>,
        parts: [&[u8]; 2],
        last: bool,
        watch: Watch<'_>,
    ) -> io::Result<()> {
        if outbox.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let result = self.write_locked(&mut outbox, parts, watch);
        outbox.closed = last || result.is_err();
        drop(outbox);
        self.flush_late_output()?;
        result
    }

    fn write_locked(&self, outbox: &mut Outbox, parts: [&[u8]; 2], watch: Watch<'_>) -> io::Result<()> {
        if !outbox.carry.is_empty() {
            send_all(&self.socket, &mut [IoSlice::new(&outbox.carry)], watch)?;
            outbox.carry.clear();
        }
        let Some(session) = &self.tls else {
            return send_all(&self.socket, &mut parts.map(IoSlice::new), watch);
        };
        for part in parts {
            for chunk in part.chunks(TLS_CHUNK) {
                session.write(chunk, &mut outbox.carry)?;
                // Small parts travel together with the first chunk of the next.
                if outbox.carry.len() >= TLS_CHUNK {
                    send_all(&self.socket, &mut [IoSlice::new(&outbox.carry)], watch)?;
                    outbox.carry.clear();
                }
            }
        }
        send_all(&self.socket, &mut [IoSlice::new(&outbox.carry)], watch)?;
        outbox.carry.clear();
        // A full line goes on with it; who has said a word may be silent from now on.
        if outbox.carry.capacity() < TLS_CHUNK {
            outbox.carry = Vec::new();
        }
        Ok(())
    }

    /// Writes a small frame now or not at all: not while another thread is writing or the peer is not reading.
    /// With `last`, nothing can be written after it.
    ///
    /// # Errors
    /// The connection is lost, or nothing may be written any more.
    pub fn try_write(&self, frame: &[u8], last: bool) -> io::Result<Placed> {
        let Ok(mut outbox) = self.outbox.try_lock() else {
            return Ok(Placed::Busy);
        };
        if outbox.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.drain_carry(&mut outbox)?;
        if !outbox.carry.is_empty() {
            return Ok(Placed::Full);
        }
        match &self.tls {
            Some(session) => {
                // What TLS has encrypted could not be taken back. Where there is room there is enough for a small frame.
                if look(&self.socket, PollFlags::OUT, Some(Duration::ZERO))?.is_empty() {
                    return Ok(Placed::Full);
                }
                session.write(frame, &mut outbox.carry)?;
                self.drain_carry(&mut outbox)?;
            }
            None if !self.begin(&mut outbox, frame)? => return Ok(Placed::Full),
            None => {}
        }
        outbox.closed = last;
        drop(outbox);
        self.flush_late_output()?;
        Ok(Placed::Sent)
    }

    /// Writes as much of `bytes` as goes without waiting.
    ///
    /// # Errors
    /// The connection is lost, or nothing may be written any more.
    pub fn offer(&self, bytes: &[u8]) -> io::Result<Offered> {
        let Ok(mut outbox) = self.outbox.try_lock() else {
            return Ok(Offered::Refused);
        };
        if outbox.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.drain_carry(&mut outbox)?;
        if !outbox.carry.is_empty() {
            return Ok(Offered::Refused);
        }
        match &self.tls {
            Some(session) => {
                session.write(bytes, &mut outbox.carry)?;
                self.drain_carry(&mut outbox)?;
            }
            None if !self.begin(&mut outbox, bytes)? => return Ok(Offered::Refused),
            None => {}
        }
        let offered = if outbox.carry.is_empty() { Offered::Taken } else { Offered::Begun };
        drop(outbox);
        self.flush_late_output()?;
        Ok(offered)
    }

    /// Sends what the socket takes of `bytes` without waiting, in plain text, and carries the rest. False when it takes nothing.
    fn begin(&self, outbox: &mut Outbox, bytes: &[u8]) -> io::Result<bool> {
        let sent = send_now(&self.socket, bytes).inspect_err(|_| outbox.closed = true)?;
        if sent > 0 {
            outbox.carry.extend_from_slice(bytes.get(sent..).unwrap_or_default());
        }
        Ok(sent > 0 || bytes.is_empty())
    }

    /// Sends as much of the carry as the socket takes without waiting.
    fn drain_carry(&self, outbox: &mut Outbox) -> io::Result<()> {
        while !outbox.carry.is_empty() {
            match send_now(&self.socket, &outbox.carry) {
                Ok(0) => return Ok(()),
                Ok(sent) => drop(outbox.carry.drain(..sent)),
                Err(error) => {
                    outbox.closed = true;
                    return Err(error);
                }
            }
        }
        if outbox.carry.capacity() > LARGEST_IDLE_CARRY {
            outbox.carry = Vec::new();
        }
        Ok(())
    }

    /// Sends what TLS itself wants to say, without waiting. A writer at work does it otherwise.
    fn flush_output(&self, session: &TlsSession) -> io::Result<()> {
        let waiting = if let Ok(mut outbox) = self.outbox.try_lock() {
            session.take_output(&mut outbox.carry);
            self.drain_carry(&mut outbox)?;
            outbox.carry.len()
        } else {
            session.output_length()
        };
        if waiting > TLS_BACKLOG {
            return Err(io::Error::other("the client asks TLS for more than it reads"));
        }
        Ok(())
    }

    /// The reader may have left output while the lock was held; whoever releases the lock looks once more.
    fn flush_late_output(&self) -> io::Result<()> {
        match &self.tls {
            Some(session) if session.output_length() > 0 => self.flush_output(session),
            _ => Ok(()),
        }
    }

    /// Sends a file's bytes `offset..offset + length`: by `sendfile` in plain text, through a buffer in TLS.
    ///
    /// # Errors
    /// As for [`Transport::write_all`]; `UnexpectedEof` when the file has become shorter.
    pub fn send_file(&self, file: &std::fs::File, offset: u64, length: u64, watch: Watch<'_>) -> io::Result<()> {
        if self.is_tls() {
            super::http::files::copy_through(self, file, offset, length, watch)
        } else {
            let _outbox = self.lock();
            send_file_plain(&self.socket, file, offset, length, watch)
        }
    }

    /// Whether there is something to read at the socket.
    pub fn has_bytes(&self) -> bool {
        look(&self.socket, PollFlags::IN, Some(Duration::ZERO)).is_ok_and(|found| !found.is_empty())
    }

    /// Sets how long a read waits; `None` is for ever.
    ///
    /// # Errors
    /// The socket is of no use any more.
    pub fn set_read_timeout(&self, time: Option<Duration>) -> io::Result<()> {
        self.patience.set_read(&self.socket, time)
    }

    /// Sets how long a write waits without any progress; `None` is for ever.
    ///
    /// # Errors
    /// The socket is of no use any more.
    pub fn set_write_timeout(&self, time: Option<Duration>) -> io::Result<()> {
        self.patience.set_write(&self.socket, time)
    }

    fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
