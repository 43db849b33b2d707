//! TLS for a connection that two threads share.
//!
//! rustls reads from and writes to byte vectors under a short lock; the blocking socket calls stay outside it, so neither
//! thread waits for the other's peer.

mod config;
mod incoming;
mod session;

use std::fs;
use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use rustls::ServerConfig;

pub(crate) use session::TlsSession;

/// First byte of a TLS client (RFC 8446 section 5.1: record type handshake).
pub(crate) const TLS_HANDSHAKE: u8 = 0x16;

/// PEM files of a server certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain, leaf first; may hold the key too.
    pub cert: PathBuf,
    /// Private key; `None` means it stands in `cert`.
    pub key: Option<PathBuf>,
}

/// The certificate in force, which can be read anew while the server runs.
pub struct TlsSource {
    files: TlsFiles,
    current: RwLock<Arc<ServerConfig>>,
}

impl TlsSource {
    /// Reads and checks the files.
    ///
    /// # Errors
    /// A sentence that names the file and the fault.
    pub fn load(files: TlsFiles) -> Result<Self, String> {
        let config = read(&files)?;
        Ok(Self { files, current: RwLock::new(Arc::new(config)) })
    }

    /// Reads the files again; keeps the certificate in force when they have a fault.
    ///
    /// # Errors
    /// As for [`TlsSource::load`].
    pub fn reload(&self) -> Result<(), String> {
        let config = Arc::new(read(&self.files)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// Does the handshake with the client behind `socket`, which must be complete at `deadline`. The server's last
    /// words of it are left to the first read or write.
    pub(crate) fn handshake(&self, socket: &TcpStream, deadline: Instant) -> io::Result<Box<TlsSession>> {
        let config = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        TlsSession::handshake(socket, config, deadline)
    }
}

fn read(files: &TlsFiles) -> Result<ServerConfig, String> {
    let cert = read_pem(&files.cert, "certificate")?;
    if !contains(&cert, b"-----BEGIN CERTIFICATE-----") {
        return Err(format!("the certificate file {} holds no PEM certificate", files.cert.display()));
    }
    let (key_path, key) = match &files.key {
        Some(path) => (path, read_pem(path, "key")?),
        None => (&files.cert, cert.clone()),
    };
    if contains(&key, b"ENCRYPTED") {
        return Err(format!("the key in {} is encrypted; give one without a passphrase", key_path.display()));
    }
    if !contains(&key, b"PRIVATE KEY-----") {
        return Err(format!("{} holds no PEM private key", key_path.display()));
    }
    config::server_config(&cert, &key).map_err(|fault| fault.describe(&files.cert, key_path))
}

fn read_pem(path: &Path, what: &str) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("cannot read the {what} file {}: {error}", path.display()))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// What is wrong with a certificate or its key.
enum Fault {
    /// The certificate's text cannot be used.
    Cert(String),
    /// The key's text cannot be used.
    Key(String),
    /// The key belongs to another certificate.
    Mismatch,
}

impl Fault {
    fn describe(self, cert: &Path, key: &Path) -> String {
        match self {
            Self::Cert(why) => format!("the certificate in {} cannot be used: {why}", cert.display()),
            Self::Key(why) => format!("the key in {} cannot be used: {why}", key.display()),
            Self::Mismatch => {
                format!("the key in {} does not belong to the certificate in {}", key.display(), cert.display())
            }
        }
    }
}
