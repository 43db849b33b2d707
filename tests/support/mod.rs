//! What the integration tests stand on: the real server, a real desktop, a real browser, raw clients and
//! small backends. Everything ends when it is dropped, and everything that went wrong is printed.
//!
//! Tests never sleep and never name a port: they wait with [`wait::eventually`], which returns as soon as
//! its condition holds, and they let the system choose the ports.
#![allow(dead_code, reason = "each test binary uses a part of the shared support")]
#![allow(unreachable_pub, reason = "shared by #[path] between binaries; `pub` is its outer face in each")]

pub mod backend;
pub mod browser;
pub mod cdp;
pub mod cycle;
pub mod desktop;
pub mod door;
pub mod duplex;
pub mod ensight;
pub mod http;
pub mod image;
pub mod keyboard;
pub mod netstat;
pub mod nginx;
pub mod process;
pub mod python;
pub mod random;
pub mod server;
pub mod stream;
pub mod tls;
pub mod wait;
pub mod ws;
pub mod yard;
