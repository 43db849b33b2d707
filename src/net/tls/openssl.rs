//! The engine on Linux: OpenSSL through the `openssl` crate.

use std::io;

use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{ErrorCode, Ssl, SslAcceptor, SslMethod, SslMode, SslOptions, SslStream};
use openssl::x509::X509;

use super::Fault;
use super::session::{self, Memory};

/// A certificate with its key, ready for handshakes.
pub(crate) type Acceptor = SslAcceptor;

/// AES-128 first: the fastest with AES instructions. Clients without them put `ChaCha20` first and get it.
const SUITES: &str = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

/// Sessions that are remembered for clients of TLS 1.2 without tickets, about 1 KiB each. All others bring theirs along.
const SESSIONS: i32 = 1_024;

/// Builds an acceptor from PEM texts. PKCS#8, PKCS#1 and SEC1 keys alike.
pub(crate) fn acceptor(cert: &[u8], key: &[u8]) -> Result<Acceptor, Fault> {
    let chain = X509::stack_from_pem(cert).map_err(|error| Fault::Cert(first(&error)))?;
    // A callback, or OpenSSL would ask for a passphrase at the terminal.
    let key = PKey::private_key_from_pem_callback(key, |_| Ok(0)).map_err(|error| Fault::Key(first(&error)))?;
    let cert_fault = |error: ErrorStack| Fault::Cert(first(&error));
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).map_err(cert_fault)?;
    builder.set_ciphersuites(SUITES).map_err(cert_fault)?;
    builder.set_options(
        SslOptions::CIPHER_SERVER_PREFERENCE | SslOptions::PRIORITIZE_CHACHA | SslOptions::NO_RENEGOTIATION,
    );
    // Idle connections hold no record buffers.
    builder.set_mode(SslMode::RELEASE_BUFFERS);
    builder.set_session_id_context(b"berth").map_err(cert_fault)?;
    builder.set_session_cache_size(SESSIONS);
    let mut certs = chain.into_iter();
    let leaf = certs.next().ok_or_else(|| Fault::Cert("no certificate in it".to_owned()))?;
    builder.set_certificate(&leaf).map_err(cert_fault)?;
    for more in certs {
        builder.add_extra_chain_cert(more).map_err(cert_fault)?;
    }
    builder.set_private_key(&key).map_err(|_| Fault::Mismatch)?;
    builder.check_private_key().map_err(|_| Fault::Mismatch)?;
    Ok(builder.build())
}

/// The last error of the stack says what went wrong; those before it say where in OpenSSL.
fn first(error: &ErrorStack) -> String {
    error
        .errors()
        .last()
        .and_then(openssl::error::Error::reason)
        .unwrap_or("not in a form that is understood")
        .to_ascii_lowercase()
}

/// One connection's TLS state, on memory buffers.
pub(crate) struct Engine {
    stream: SslStream<Memory>,
}

impl session::Engine for Engine {
    type Acceptor = Acceptor;

    fn new(acceptor: &Acceptor, memory: Memory) -> io::Result<Self> {
        let ssl = Ssl::new(acceptor.context())?;
        let stream = SslStream::new(ssl, memory)?;
        Ok(Self { stream })
    }

    fn handshake(&mut self) -> io::Result<bool> {
        match self.stream.accept() {
            Ok(()) => Ok(true),
            Err(error) if error.code() == ErrorCode::WANT_READ => Ok(false),
            Err(error) => Err(plain_error(error)),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.stream.ssl_read(buffer) {
            Ok(count) => Ok(Some(count)),
            Err(error) if error.code() == ErrorCode::WANT_READ => Ok(None),
            Err(error) if error.code() == ErrorCode::ZERO_RETURN => Ok(Some(0)),
            Err(error) => Err(plain_error(error)),
        }
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = self.stream.ssl_write(bytes).map_err(plain_error)?;
            bytes = bytes.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    fn close(&mut self) {
        // An error means that the peer is gone or the session broken, which is the end all the same.
        let _ = self.stream.shutdown();
    }
}

fn plain_error(error: openssl::ssl::Error) -> io::Error {
    let text = error.ssl_error().map(first);
    error
        .into_io_error()
        .unwrap_or_else(|_| io::Error::other(text.unwrap_or_else(|| "the connection broke off".to_owned())))
}
