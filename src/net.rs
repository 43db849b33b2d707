//! Connections, TLS, HTTP and websockets: what both products share.
pub mod tls;
