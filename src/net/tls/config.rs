//! A certificate and its key, as rustls takes them.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ServerSessionMemoryCache;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, Error, InconsistentKeys, ServerConfig};

use super::Fault;

/// Sessions that are remembered for clients of TLS 1.2 without tickets, about 1 KiB each. All others bring theirs along.
const SESSIONS: usize = 1_024;

/// Said of a key that ring does not sign with.
const OTHER_KEY: &str = "it is none of RSA of 2048 to 4096 bits, ECDSA over P-256 or P-384, Ed25519";

/// Builds from PEM texts what handshakes need. PKCS#8, PKCS#1 and SEC1 keys alike.
pub(super) fn server_config(cert: &[u8], key: &[u8]) -> Result<ServerConfig, Fault> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(cert).collect();
    let chain = chain.map_err(|error| Fault::Cert(plain(&error)))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| Fault::Key(plain(&error)))?;
    let provider = Arc::new(ring::default_provider());
    let key = provider.key_provider.load_private_key(key).map_err(|_| Fault::Key(OTHER_KEY.to_owned()))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        // A certificate of version 1 cannot be looked into here; whether to trust it is the client's decision.
        Ok(()) | Err(Error::InvalidCertificate(CertificateError::Other(_))) => {}
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => return Err(Fault::Mismatch),
        Err(error) => return Err(Fault::Cert(error.to_string())),
    }
    // The client's order of ciphers counts: browsers put ChaCha20 first where the processor has no AES.
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .map_err(|error| Fault::Cert(error.to_string()))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    config.ticketer = ring::Ticketer::new().map_err(|error| Fault::Key(error.to_string()))?;
    Ok(config)
}

fn plain(error: &pem::Error) -> String {
    match error {
        pem::Error::Base64Decode(_) | pem::Error::MissingSectionEnd { .. } => {
            "a part of its PEM text is damaged".into()
        }
        other => other.to_string(),
    }
}
