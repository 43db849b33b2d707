//! A TLS client that costs as little as possible: rustls decrypts where the bytes lie, and the socket is asked for many
//! records at a time. Its AES is the one that browsers have.
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::client::{ClientConnectionData, Resumption, UnbufferedClientConnection};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};

/// Bytes for what comes at first; a bit more than a record.
const SMALL: usize = 17 * 1024;
/// Bytes for what comes once a read has filled the small buffer.
const LARGE: usize = 256 * 1024;
/// Plain bytes that are encrypted and sent at a time.
const CHUNK: usize = 64 * 1024;
/// What a message of TLS's own, or the records of a chunk, need beside their content.
const SPARE: usize = 4 * 1024;

/// A client that trusts one certificate and remembers the sessions of one server.
pub(crate) struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    /// One that knows no session yet; and never will unless it `resumes`.
    pub(crate) fn new(certificate: &Path, resumes: bool) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(certificate).map_err(io::Error::other)?;
        roots.add(certificate).map_err(io::Error::other)?;
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        if !resumes {
            config.resumption = Resumption::disabled();
        }
        Ok(Self(Arc::new(config)))
    }

    /// A session, and whether it is one that was known.
    pub(crate) fn connect(&self, socket: TcpStream) -> io::Result<(TlsStream, bool)> {
        let name = ServerName::try_from("127.0.0.1").map_err(io::Error::other)?;
        let connection = UnbufferedClientConnection::new(Arc::clone(&self.0), name).map_err(io::Error::other)?;
        let mut stream = TlsStream {
            socket,
            connection,
            incoming: Vec::new(),
            start: 0,
            end: 0,
            plain: Vec::new(),
            plain_read: 0,
            outgoing: Vec::new(),
            wire: Vec::new(),
        };
        while stream.connection.is_handshaking() {
            if stream.step(&mut [])?.is_none() && stream.connection.is_handshaking() {
                stream.flush()?;
                if stream.fill()? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
        stream.flush()?;
        let resumed = stream.connection.handshake_kind() == Some(HandshakeKind::Resumed);
        Ok((stream, resumed))
    }
}

/// An open session.
pub(crate) struct TlsStream {
    socket: TcpStream,
    connection: UnbufferedClientConnection,
    /// Ciphertext; what counts of it lies between `start` and `end`.
    incoming: Vec<u8>,
    start: usize,
    end: usize,
    /// Decrypted, but not yet asked for.
    plain: Vec<u8>,
    plain_read: usize,
    /// Messages of TLS's own.
    outgoing: Vec<u8>,
    /// Records on their way out.
    wire: Vec<u8>,
}

impl TlsStream {
    /// The socket below.
    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Reads decrypted bytes; 0 is the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.step(&mut buffer[filled..])? {
                Some(count) => filled += count,
                None if filled > 0 => break,
                None => {
                    self.flush()?;
                    if self.fill()? == 0 {
                        break;
                    }
                }
            }
        }
        Ok(filled)
    }

    /// Encrypts and sends all.
    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        while self.step(&mut [])?.is_some() {}
        self.flush()?;
        for chunk in bytes.chunks(CHUNK) {
            // It keeps its length, so that nothing is cleared twice.
            if self.wire.len() < chunk.len() + SPARE {
                self.wire.resize(chunk.len() + SPARE, 0);
            }
            let seen = &mut self.incoming[self.start..self.end];
            let UnbufferedStatus { state, .. } = self.connection.process_tls_records(seen);
            let Ok(ConnectionState::WriteTraffic(mut traffic)) = state else {
                return Err(io::ErrorKind::NotConnected.into());
            };
            let count = traffic.encrypt(chunk, &mut self.wire).map_err(io::Error::other)?;
            self.socket.write_all(&self.wire[..count])?;
        }
        if bytes.len() < CHUNK {
            // Of ten thousand idle clients none keeps one.
            self.wire = Vec::new();
        }
        Ok(())
    }

    /// One step: so many bytes were decrypted, or something else was done; `None` when more has to come.
    fn step(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        if self.plain_read < self.plain.len() && !into.is_empty() {
            let count = (&self.plain[self.plain_read..]).read(into)?;
            self.plain_read += count;
            if self.plain_read == self.plain.len() {
                self.plain_read = 0;
                self.plain = Vec::new();
            }
            return Ok(Some(count));
        }
        let UnbufferedStatus { discard, state } =
            self.connection.process_tls_records(&mut self.incoming[self.start..self.end]);
        let step = match state.map_err(io::Error::other)? {
            ConnectionState::ReadTraffic(mut traffic) => {
                let mut filled = 0;
                while let Some(record) = traffic.next_record() {
                    let mut rest = record.map_err(io::Error::other)?.payload;
                    filled += rest.read(&mut into[filled..])?;
                    self.plain.extend_from_slice(rest);
                }
                Some(filled)
            }
            ConnectionState::EncodeTlsData(mut message) => {
                encode(&mut message, &mut self.outgoing)?;
                Some(0)
            }
            ConnectionState::TransmitTlsData(sent) => {
                sent.done();
                Some(0)
            }
            _ => None,
        };
        self.start += discard;
        Ok(step)
    }

    /// Reads ciphertext once; 0 at the end.
    fn fill(&mut self) -> io::Result<usize> {
        self.incoming.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end + 1 >= self.incoming.len() {
            let larger = if self.incoming.is_empty() { SMALL } else { LARGE };
            self.incoming.resize(larger, 0);
        }
        let count = self.socket.read(&mut self.incoming[self.end..])?;
        self.end += count;
        if self.end == self.incoming.len() {
            self.incoming.resize(LARGE, 0);
        }
        Ok(count)
    }

    /// Sends messages of TLS's own.
    fn flush(&mut self) -> io::Result<()> {
        self.socket.write_all(&self.outgoing)?;
        self.outgoing = Vec::new();
        Ok(())
    }
}

fn encode(message: &mut EncodeTlsData<'_, ClientConnectionData>, outgoing: &mut Vec<u8>) -> io::Result<()> {
    let start = outgoing.len();
    outgoing.resize(start + SPARE, 0);
    let count = message.encode(&mut outgoing[start..]).map_err(|error: EncodeError| io::Error::other(error))?;
    outgoing.truncate(start + count);
    Ok(())
}
