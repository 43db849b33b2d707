//! `scalesocket`: a command behind websockets, one process per room, shared by the room's members.

pub mod config;
pub mod framing;

pub use config::Config;
