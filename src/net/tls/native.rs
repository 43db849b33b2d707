//! The engine elsewhere: the platform's TLS through `native-tls`.

use std::io::{self, Read, Write};

use native_tls::{HandshakeError, Identity, MidHandshakeTlsStream, TlsAcceptor, TlsStream};

use super::Fault;
use super::session::Memory;

/// A certificate with its key, ready for handshakes.
pub type Acceptor = TlsAcceptor;

/// Builds an acceptor from PEM texts. native-tls reads PKCS#8 keys only.
pub(super) fn acceptor(cert: &[u8], key: &[u8]) -> Result<Acceptor, Fault> {
    let identity = Identity::from_pkcs8(cert, key)
        .map_err(|error| Fault::Key(format!("{error}; on this platform it has to be in PKCS#8 form")))?;
    TlsAcceptor::new(identity).map_err(|error| Fault::Cert(error.to_string()))
}

/// One connection's TLS state, on memory buffers.
pub(super) struct Engine {
    state: State,
}

enum State {
    Start(TlsAcceptor, Memory),
    Handshake(MidHandshakeTlsStream<Memory>),
    Open(TlsStream<Memory>),
    Broken,
}

impl Engine {
    #[allow(clippy::unnecessary_wraps, reason = "the other engine can fail here")]
    pub(super) fn new(acceptor: &Acceptor, memory: Memory) -> io::Result<Self> {
        Ok(Self { state: State::Start(acceptor.clone(), memory) })
    }

    /// Goes on with the handshake; true when it is complete, false when it needs more input.
    pub(super) fn handshake(&mut self) -> io::Result<bool> {
        let result = match std::mem::replace(&mut self.state, State::Broken) {
            State::Start(acceptor, memory) => acceptor.accept(memory),
            State::Handshake(middle) => middle.handshake(),
            State::Open(stream) => Ok(stream),
            State::Broken => return Err(io::ErrorKind::NotConnected.into()),
        };
        match result {
            Ok(stream) => {
                self.state = State::Open(stream);
                Ok(true)
            }
            Err(HandshakeError::WouldBlock(middle)) => {
                self.state = State::Handshake(middle);
                Ok(false)
            }
            Err(HandshakeError::Failure(error)) => Err(io::Error::other(error.to_string())),
        }
    }

    /// Decrypts; `None` when more input is needed, 0 when the peer has closed.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.stream()?.read(buffer) {
            Ok(count) => Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Encrypts all of `bytes`; the memory takes everything.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream()?.write_all(bytes)
    }

    /// Says goodbye (close_notify).
    pub(super) fn close(&mut self) {
        if let State::Open(stream) = &mut self.state {
            // An error means that the peer is gone, which is the end all the same.
            let _ = stream.shutdown();
        }
    }

    fn stream(&mut self) -> io::Result<&mut TlsStream<Memory>> {
        match &mut self.state {
            State::Open(stream) => Ok(stream),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}
