//! A TLS connection on memory buffers: the engine never touches the socket.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::net::buffer::Buffer;
use crate::net::transport::{no_patience, retry, send_all, send_now, timed_out};

/// Ciphertext on its way between the engine and the socket. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    buffers: Arc<Mutex<Buffers>>,
}

#[derive(Default)]
struct Buffers {
    /// What the engine reads. Lent to the reading thread while that waits: the engine has had everything then.
    incoming: Option<Buffer>,
    /// How much of `incoming` is ciphertext.
    filled: usize,
    /// How much of that the engine has had.
    taken: usize,
    outgoing: Vec<u8>,
    /// The peer sends nothing more.
    end: bool,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Buffers> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for ciphertext from the socket.
    fn fill_from(&self, mut socket: &TcpStream) -> io::Result<()> {
        let mut buffer = {
            let mut buffers = self.lock();
            if buffers.taken < buffers.filled {
                return Ok(());
            }
            let mut buffer = buffers.incoming.take().unwrap_or_else(|| Buffer::new(0));
            buffer.adapt(buffers.filled);
            (buffers.taken, buffers.filled) = (0, 0);
            buffer
        };
        let result = retry(|| socket.read(buffer.space()));
        if result.as_ref().is_err_and(timed_out) {
            buffer.shrink();
        }
        let mut buffers = self.lock();
        buffers.incoming = Some(buffer);
        buffers.filled = result?;
        buffers.end |= buffers.filled == 0;
        Ok(())
    }

    /// Sends what is to be sent, waiting for the peer until `deadline`.
    fn send_to(&self, socket: &TcpStream, deadline: Instant) -> io::Result<()> {
        let wire = std::mem::take(&mut self.lock().outgoing);
        // Few clients are so slow that a timeout has to be set for them.
        let sent = if wire.is_empty() { 0 } else { send_now(socket, &wire)? };
        let rest = wire.get(sent..).unwrap_or_default();
        if !rest.is_empty() {
            socket.set_write_timeout(Some(remaining(deadline)?))?;
            send_all(socket, &mut [IoSlice::new(rest)], &mut no_patience)?;
        }
        Ok(())
    }
}

impl Read for Memory {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffers = self.lock();
        let (taken, filled) = (buffers.taken, buffers.filled);
        let bytes = buffers.incoming.as_mut().map(Buffer::space).unwrap_or_default();
        let mut rest: &[u8] = bytes.get(taken..filled).unwrap_or_default();
        let count = rest.read(buffer)?;
        if count == 0 && !buffers.end {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buffers.taken += count;
        Ok(count)
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().outgoing.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A TLS implementation, working on [`Memory`].
pub(crate) trait Engine: Sized {
    /// A certificate with its key, ready for handshakes.
    type Acceptor;

    /// The server's side of one connection.
    fn new(acceptor: &Self::Acceptor, memory: Memory) -> io::Result<Self>;
    /// Goes on with the handshake; true when it is complete, false when it needs more input.
    fn handshake(&mut self) -> io::Result<bool>;
    /// Decrypts; `None` when more input is needed, 0 when the peer has closed.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>>;
    /// Encrypts all of `bytes`; the memory takes everything.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Says goodbye (`close_notify`).
    fn close(&mut self);
}

/// One connection's TLS state, shared by its reading and its writing thread.
pub(crate) struct TlsSession<E> {
    engine: Mutex<E>,
    memory: Memory,
}

impl<E: Engine> TlsSession<E> {
    /// Does the handshake, which must be complete at `deadline`. What is to be sent at the end (session tickets; with TLS
    /// 1.2 the last word of the handshake) is left to whoever reads or writes first.
    pub(crate) fn handshake(socket: &TcpStream, acceptor: &E::Acceptor, deadline: Instant) -> io::Result<Self> {
        let memory = Memory::default();
        let mut engine = E::new(acceptor, memory.clone())?;
        loop {
            socket.set_read_timeout(Some(remaining(deadline)?))?;
            memory.fill_from(socket)?;
            if memory.lock().end {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed during the TLS handshake"));
            }
            let done = engine.handshake();
            if let Ok(true) = done {
                return Ok(Self { engine: Mutex::new(engine), memory });
            }
            // An alert that says why the handshake failed is sent too.
            memory.send_to(socket, deadline)?;
            done?;
        }
    }

    /// Decrypts as much as there is and fits; `None` when ciphertext has to be read first, 0 at the end.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let mut engine = self.engine();
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match engine.read(rest) {
                Ok(None) => break,
                Ok(Some(0)) => return Ok(Some(filled)),
                Ok(Some(count)) => filled += count,
                // What was decrypted before comes first; the fault shows again at the next read.
                Err(_) if filled > 0 => break,
                // Many clients hang up without close_notify. What protects the data stands above: lengths, Close frames.
                Err(_) if self.memory.lock().end => return Ok(Some(0)),
                Err(error) => return Err(error),
            }
        }
        Ok((filled > 0 || buffer.is_empty()).then_some(filled))
    }

    /// Waits for ciphertext from the socket and hands it to the engine.
    pub(crate) fn fill_from(&self, socket: &TcpStream) -> io::Result<()> {
        self.memory.fill_from(socket)
    }

    /// Nothing comes: gives back what a burst has left allocated.
    pub(crate) fn shrink(&self) {
        let mut buffers = self.memory.lock();
        if buffers.taken == buffers.filled
            && let Some(buffer) = &mut buffers.incoming
        {
            buffer.shrink();
        }
    }

    /// Encrypts `bytes` and appends all that is to be sent to `wire`.
    pub(crate) fn write(&self, bytes: &[u8], wire: &mut Vec<u8>) -> io::Result<()> {
        let result = self.engine().write(bytes);
        self.take_output(wire);
        result
    }

    /// How much there is to send.
    pub(crate) fn output_length(&self) -> usize {
        self.memory.lock().outgoing.len()
    }

    /// Appends what is to be sent to `wire`.
    pub(crate) fn take_output(&self, wire: &mut Vec<u8>) {
        let mut buffers = self.memory.lock();
        if wire.is_empty() {
            std::mem::swap(wire, &mut buffers.outgoing);
        } else {
            wire.append(&mut buffers.outgoing);
        }
    }

    /// Appends the goodbye (`close_notify`) to `wire`.
    pub(crate) fn close(&self, wire: &mut Vec<u8>) {
        self.engine().close();
        self.take_output(wire);
    }

    fn engine(&self) -> MutexGuard<'_, E> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remaining(deadline: Instant) -> io::Result<Duration> {
    deadline
        .checked_duration_since(Instant::now())
        .filter(|rest| !rest.is_zero())
        .ok_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took too long"))
}

#[cfg(test)]
mod tests;
