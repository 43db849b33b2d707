//! TLS for a connection that two threads share.
use std::path::PathBuf;

/// PEM files of a server certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain, leaf first; may hold the key too.
    pub cert: PathBuf,
    /// Private key; `None` means it stands in `cert`.
    pub key: Option<PathBuf>,
}
