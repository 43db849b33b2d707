//! Connections, TLS, HTTP and websockets: what both products share.

pub mod acceptor;
pub mod backend;
pub mod buffer;
pub mod http;
pub mod live;
pub mod tls;
pub mod transport;
pub mod tunnel;
pub mod upkeep;
pub mod websocket;
