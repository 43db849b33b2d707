//! A TLS connection on memory buffers: the engine never touches the socket.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::net::transport::{no_patience, retry, send_all};

/// Ciphertext read from the socket at a time: sixteen full records.
const READ: usize = 256 * 1024;
/// The first reads are smaller, so that an idle connection holds little memory.
const FIRST_READ: usize = 8 * 1024;

/// Ciphertext on its way between the engine and the socket. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    buffers: Arc<Mutex<Buffers>>,
}

#[derive(Default)]
struct Buffers {
    incoming: Vec<u8>,
    /// How much of `incoming` is ciphertext; what is behind it is kept, so that it is cleared once only.
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
}

impl Read for Memory {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffers = self.lock();
        let mut rest = buffers.incoming.get(buffers.taken..buffers.filled).unwrap_or_default();
        if rest.is_empty() && !buffers.end {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = rest.read(buffer)?;
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
    receive: Mutex<Receive>,
}

/// Where the reading thread receives ciphertext.
#[derive(Default)]
struct Receive {
    /// Swapped with the engine's input, so nothing is copied.
    bytes: Vec<u8>,
    /// The last read was full: more is likely there, and the next takes it in one call.
    eager: bool,
}

impl<E: Engine> TlsSession<E> {
    /// Does the handshake, which must be complete at `deadline`.
    pub(crate) fn handshake(socket: &TcpStream, acceptor: &E::Acceptor, deadline: Instant) -> io::Result<Self> {
        let memory = Memory::default();
        let session = Self { engine: Mutex::new(E::new(acceptor, memory.clone())?), memory, receive: Mutex::default() };
        loop {
            let done = session.engine().handshake();
            let mut reply = Vec::new();
            session.take_output(&mut reply);
            let rest = remaining(deadline)?;
            socket.set_write_timeout(Some(rest))?;
            // An alert that says why the handshake failed is sent too.
            send_all(socket, &mut [IoSlice::new(&reply)], &mut no_patience)?;
            if done? {
                return Ok(session);
            }
            socket.set_read_timeout(Some(remaining(deadline)?))?;
            session.fill_from(socket)?;
            if session.memory.lock().end {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed during the TLS handshake"));
            }
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
        Ok((filled > 0).then_some(filled))
    }

    /// Waits for ciphertext from the socket and hands it to the engine.
    pub(crate) fn fill_from(&self, mut socket: &TcpStream) -> io::Result<()> {
        let mut receive = self.receive.lock().unwrap_or_else(PoisonError::into_inner);
        let Receive { bytes, eager } = &mut *receive;
        let size = if *eager { READ } else { FIRST_READ };
        if bytes.len() < size {
            // A new vector: growing would copy bytes that nobody needs.
            *bytes = vec![0; size];
        }
        let count = retry(|| socket.read(bytes.get_mut(..size).unwrap_or_default()))?;
        let mut buffers = self.memory.lock();
        buffers.end |= count == 0;
        if buffers.taken == buffers.filled {
            (buffers.taken, buffers.filled) = (0, count);
            std::mem::swap(&mut buffers.incoming, bytes);
        } else {
            // The engine asks only when it has had everything, so this is a rare few bytes.
            let filled = buffers.filled;
            buffers.incoming.truncate(filled);
            buffers.incoming.extend_from_slice(bytes.get(..count).unwrap_or_default());
            buffers.filled += count;
        }
        *eager = count == size || (*eager && count >= FIRST_READ);
        if !*eager && bytes.len() > FIRST_READ {
            *bytes = Vec::new();
        }
        Ok(())
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
