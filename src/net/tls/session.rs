//! A TLS connection on memory buffers: rustls never touches the socket.

use std::io::{self, IoSlice, Read};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic};
use rustls::{Error, ServerConfig};

use super::incoming::Incoming;
use crate::net::transport::{no_patience, retry, send_all, send_now, timed_out};

/// Bytes of plain text in a record (RFC 8446 section 5.1).
const RECORD: usize = 16 * 1024;
/// Bytes that a record has more on the wire than in plain text: header, nonce (TLS 1.2), type (TLS 1.3), tag.
const RECORD_OVERHEAD: usize = 5 + 8 + 1 + 16;
/// Room for a message of TLS's own; one that needs more says so.
const MESSAGE: usize = 256;
/// Bytes of decrypted text that stay allocated when they have been read.
const LARGEST_IDLE_PLAIN: usize = 1_024;

/// One connection's TLS state, shared by its reading and its writing thread.
pub(crate) struct TlsSession {
    state: Mutex<State>,
}

struct State {
    connection: UnbufferedServerConnection,
    incoming: Incoming,
    /// Decrypted, but there was no room for it at the reader's.
    plain: Vec<u8>,
    /// How much of that was read since.
    plain_read: usize,
    /// To be sent.
    outgoing: Vec<u8>,
    /// The peer has said that it sends nothing more.
    closed: bool,
    /// The peer's end of the socket is closed.
    ended: bool,
    /// What has broken the connection.
    fault: Option<Error>,
}

/// What came of letting TLS look at what has come.
enum Step {
    /// Something was done, and so many bytes were decrypted to where they were wanted: none, if it was TLS's own business.
    Done(usize),
    /// It needs more.
    Starved,
    /// The peer has said goodbye.
    Closed,
}

impl TlsSession {
    /// Does the handshake, which must be complete at `deadline`. What is to be sent at the end (session tickets; with TLS
    /// 1.2 the last word of the handshake) is left to whoever reads or writes first.
    #[inline(never)] // or a plain connection's thread would have its locals on the stack, too
    pub(crate) fn handshake(socket: &TcpStream, config: Arc<ServerConfig>, deadline: Instant) -> io::Result<Box<Self>> {
        let session = Box::new(Self { state: Mutex::new(State::new(config)?) });
        loop {
            socket.set_read_timeout(Some(remaining(deadline)?))?;
            session.fill_from(socket)?;
            let mut state = session.state();
            if state.ended {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed during the TLS handshake"));
            }
            let done = state.shake();
            if let Ok(true) = done {
                drop(state);
                return Ok(session);
            }
            // An alert that says why the handshake failed is sent too.
            let wire = std::mem::take(&mut state.outgoing);
            drop(state);
            send(socket, &wire, deadline)?;
            done?;
        }
    }

    /// Decrypts as much as there is and fits; `None` when ciphertext has to be read first, 0 at the end.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let mut state = self.state();
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match state.step(rest) {
                Ok(Step::Done(count)) => filled += count,
                Ok(Step::Closed) => return Ok(Some(filled)),
                // Many clients hang up without close_notify. What protects the data stands above: lengths, Close frames.
                Ok(Step::Starved) if state.ended => return Ok(Some(filled)),
                Ok(Step::Starved) => break,
                // What was decrypted before comes first; the fault shows again at the next read.
                Err(_) if filled > 0 => break,
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok((filled > 0 || buffer.is_empty()).then_some(filled))
    }

    /// Waits for ciphertext from the socket.
    pub(crate) fn fill_from(&self, mut socket: &TcpStream) -> io::Result<()> {
        let Some((mut buffer, kept)) = self.state().incoming.lend() else {
            return Ok(());
        };
        let result = retry(|| socket.read(buffer.space().get_mut(kept..).unwrap_or_default()));
        let idle = result.as_ref().is_err_and(timed_out);
        let mut state = self.state();
        state.incoming.give_back(buffer, *result.as_ref().unwrap_or(&0), idle);
        state.ended |= result? == 0;
        Ok(())
    }

    /// Nothing comes: gives back what a burst has left allocated.
    pub(crate) fn shrink(&self) {
        self.state().incoming.shrink();
    }

    /// Encrypts `bytes` and appends all that is to be sent to `wire`.
    pub(crate) fn write(&self, bytes: &[u8], wire: &mut Vec<u8>) -> io::Result<()> {
        self.state().with_writer(|traffic, outgoing| {
            take(outgoing, wire);
            encrypt(traffic, bytes, wire)
        })
    }

    /// How much there is to send.
    pub(crate) fn output_length(&self) -> usize {
        self.state().outgoing.len()
    }

    /// Appends what is to be sent to `wire`.
    pub(crate) fn take_output(&self, wire: &mut Vec<u8>) {
        take(&mut self.state().outgoing, wire);
    }

    /// Appends the goodbye (`close_notify`) to `wire`, or what was to be sent before if the session is broken.
    pub(crate) fn close(&self, wire: &mut Vec<u8>) {
        let mut state = self.state();
        let said = state.with_writer(|traffic, outgoing| {
            take(outgoing, wire);
            let start = wire.len();
            wire.resize(start + MESSAGE, 0);
            let count = traffic.queue_close_notify(wire.get_mut(start..).unwrap_or_default());
            wire.truncate(start + count.as_ref().unwrap_or(&0));
            count.map(drop).map_err(io::Error::other)
        });
        if said.is_err() {
            take(&mut state.outgoing, wire);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn new(config: Arc<ServerConfig>) -> io::Result<Self> {
        Ok(Self {
            connection: UnbufferedServerConnection::new(config).map_err(io::Error::other)?,
            incoming: Incoming::default(),
            plain: Vec::new(),
            plain_read: 0,
            outgoing: Vec::new(),
            closed: false,
            ended: false,
            fault: None,
        })
    }

    /// Goes on with the handshake; true when it is complete, false when it needs more input.
    fn shake(&mut self) -> io::Result<bool> {
        loop {
            match self.step(&mut []).map_err(io::Error::other)? {
                Step::Starved => return Ok(!self.connection.is_handshaking()),
                Step::Closed => return Err(io::Error::other("the client took leave during it")),
                Step::Done(_) => {}
            }
        }
    }

    /// Decrypts the next record to `into`, or does what else is next.
    fn step(&mut self, into: &mut [u8]) -> Result<Step, Error> {
        if self.plain_read < self.plain.len() && !into.is_empty() {
            return Ok(Step::Done(self.read_plain(into)));
        }
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if self.closed {
            return Ok(Step::Closed);
        }
        let UnbufferedStatus { discard, state } = self.connection.process_tls_records(self.incoming.rest());
        let step = match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                let mut filled = 0;
                while let Some(record) = traffic.next_record() {
                    filled += place(record?.payload, into.get_mut(filled..).unwrap_or_default(), &mut self.plain);
                }
                Ok(Step::Done(filled))
            }
            Ok(ConnectionState::EncodeTlsData(mut message)) => {
                encode(&mut message, &mut self.outgoing);
                Ok(Step::Done(0))
            }
            Ok(ConnectionState::TransmitTlsData(sent)) => {
                sent.done();
                Ok(Step::Done(0))
            }
            Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Ok(Step::Closed),
            Ok(_) => Ok(Step::Starved),
            Err(fault) => Err(fault),
        };
        self.incoming.discard(discard);
        match &step {
            Ok(Step::Starved) => self.incoming.mark_seen(),
            Ok(Step::Closed) => self.closed = true,
            Err(fault) => self.fail(fault.clone()),
            Ok(_) => {}
        }
        step
    }

    /// Reads what there was no room for before.
    fn read_plain(&mut self, into: &mut [u8]) -> usize {
        let mut rest = self.plain.get(self.plain_read..).unwrap_or_default();
        let count = rest.read(into).unwrap_or(0);
        self.plain_read += count;
        if self.plain_read == self.plain.len() {
            self.plain_read = 0;
            self.plain.clear();
            self.plain.shrink_to(LARGEST_IDLE_PLAIN);
        }
        count
    }

    /// Calls `write` when TLS lets us write, with what is to be sent before.
    fn with_writer(&mut self, write: impl FnOnce(&mut Writer<'_>, &mut Vec<u8>) -> io::Result<()>) -> io::Result<()> {
        loop {
            if let Some(fault) = &self.fault {
                return Err(io::Error::other(fault.clone()));
            }
            // Nothing new is shown to it: what has come is the reader's business.
            let UnbufferedStatus { state, .. } = self.connection.process_tls_records(self.incoming.seen());
            match state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => return write(&mut traffic, &mut self.outgoing),
                Ok(ConnectionState::EncodeTlsData(mut message)) => encode(&mut message, &mut self.outgoing),
                Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
                Ok(ConnectionState::PeerClosed) => self.closed = true,
                Ok(_) => return Err(io::ErrorKind::NotConnected.into()),
                Err(fault) => self.fail(fault),
            }
        }
    }

    /// Remembers what is wrong, and takes the alert that tells the peer.
    fn fail(&mut self, fault: Error) {
        self.fault = Some(fault);
        let UnbufferedStatus { state, .. } = self.connection.process_tls_records(self.incoming.rest());
        if let Ok(ConnectionState::EncodeTlsData(mut alert)) = state {
            encode(&mut alert, &mut self.outgoing);
        }
    }
}

type Writer<'a> = WriteTraffic<'a, rustls::server::ServerConnectionData>;
type Message<'a> = EncodeTlsData<'a, rustls::server::ServerConnectionData>;

/// Puts what fits of `payload` to `into`, and what does not behind `later`. Answers how much fitted.
fn place(payload: &[u8], into: &mut [u8], later: &mut Vec<u8>) -> usize {
    let mut rest = payload;
    let count = rest.read(into).unwrap_or(0);
    later.extend_from_slice(rest);
    count
}

/// Appends a message of TLS's own to `outgoing`.
fn encode(message: &mut Message<'_>, outgoing: &mut Vec<u8>) {
    let start = outgoing.len();
    let mut room = MESSAGE;
    let count = loop {
        outgoing.resize(start + room, 0);
        match message.encode(outgoing.get_mut(start..).unwrap_or_default()) {
            Ok(count) => break count,
            Err(EncodeError::InsufficientSize(needed)) => room = needed.required_size,
            Err(EncodeError::AlreadyEncoded) => break 0,
        }
    };
    outgoing.truncate(start + count);
}

/// Appends `bytes` to `wire` as records.
fn encrypt(traffic: &mut Writer<'_>, bytes: &[u8], wire: &mut Vec<u8>) -> io::Result<()> {
    let start = wire.len();
    let mut room = bytes.len() + bytes.len().div_ceil(RECORD) * RECORD_OVERHEAD;
    loop {
        wire.resize(start + room, 0);
        let result = traffic.encrypt(bytes, wire.get_mut(start..).unwrap_or_default());
        wire.truncate(start + result.as_ref().unwrap_or(&0));
        match result {
            Ok(_) => return Ok(()),
            // An answer to a request for new keys goes first.
            Err(EncryptError::InsufficientSize(needed)) => room = needed.required_size,
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}

/// Moves all of `from` behind `to`.
fn take(from: &mut Vec<u8>, to: &mut Vec<u8>) {
    let bytes = std::mem::take(from);
    if to.is_empty() && !bytes.is_empty() {
        *to = bytes;
    } else {
        to.extend_from_slice(&bytes);
    }
}

/// Sends `wire`, waiting for the peer until `deadline`.
fn send(socket: &TcpStream, wire: &[u8], deadline: Instant) -> io::Result<()> {
    // Few clients are so slow that a timeout has to be set for them.
    let sent = if wire.is_empty() { 0 } else { send_now(socket, wire)? };
    let rest = wire.get(sent..).unwrap_or_default();
    if !rest.is_empty() {
        socket.set_write_timeout(Some(remaining(deadline)?))?;
        send_all(socket, &mut [IoSlice::new(rest)], &mut no_patience)?;
    }
    Ok(())
}

fn remaining(deadline: Instant) -> io::Result<Duration> {
    deadline
        .checked_duration_since(Instant::now())
        .filter(|rest| !rest.is_zero())
        .ok_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took too long"))
}

#[cfg(test)]
mod tests;
