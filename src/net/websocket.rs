//! RFC 6455 as a server: handshake, frames, the shared sending side.

pub mod codec;
pub mod handshake;
pub mod sink;
