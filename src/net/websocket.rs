//! RFC 6455 as a server: handshake, frames, the shared sending side, the heartbeat.

pub mod codec;
pub mod handshake;
pub mod pulse;
pub mod sink;
