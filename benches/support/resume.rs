//! A TLS client that takes sessions up again. OpenSSL's would do so only through a call that Rust holds to be unsafe.
use std::io;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};

use super::client::Wire;

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
    pub(crate) fn connect(&self, stream: TcpStream) -> io::Result<(Wire, bool)> {
        let name = ServerName::try_from("127.0.0.1").map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::clone(&self.0), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        let resumed = stream.conn.handshake_kind() == Some(HandshakeKind::Resumed);
        Ok((Wire::Resuming(Box::new(stream)), resumed))
    }
}
