//! The engine elsewhere: the platform's TLS through `native-tls`.

use std::io::{self, Read, Write};

use native_tls::{HandshakeError, Identity, MidHandshakeTlsStream, TlsAcceptor, TlsStream};

use super::Fault;
use super::session::{self, Memory};

/// A certificate with its key, ready for handshakes.
#[allow(unreachable_pub, reason = "public where this engine is the one in use")]
pub type Acceptor = TlsAcceptor;

/// Builds an acceptor from PEM texts. native-tls reads PKCS#8 keys only.
pub(crate) fn acceptor(cert: &[u8], key: &[u8]) -> Result<Acceptor, Fault> {
    let identity = Identity::from_pkcs8(cert, key)
        .map_err(|error| Fault::Key(format!("{error}; on this platform it has to be in PKCS#8 form")))?;
    TlsAcceptor::new(identity).map_err(|error| Fault::Cert(error.to_string()))
}

/// One connection's TLS state, on memory buffers.
pub(crate) struct Engine {
    state: State,
}

enum State {
    Start(TlsAcceptor, Memory),
    Handshake(MidHandshakeTlsStream<Memory>),
    Open(TlsStream<Memory>),
    Broken,
}

impl session::Engine for Engine {
    type Acceptor = Acceptor;

    fn new(acceptor: &Acceptor, memory: Memory) -> io::Result<Self> {
        Ok(Self { state: State::Start(acceptor.clone(), memory) })
    }

    fn handshake(&mut self) -> io::Result<bool> {
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

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.stream()?.read(buffer) {
            Ok(count) => Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream()?.write_all(bytes)
    }

    fn close(&mut self) {
        if let State::Open(stream) = &mut self.state {
            // An error means that the peer is gone, which is the end all the same.
            let _ = stream.shutdown();
        }
    }
}

impl Engine {
    fn stream(&mut self) -> io::Result<&mut TlsStream<Memory>> {
        match &mut self.state {
            State::Open(stream) => Ok(stream),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}
