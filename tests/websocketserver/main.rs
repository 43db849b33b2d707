//! `websocketserver` as its users meet it: the real binary, real browsers, desktops and clients.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test says what is wrong by panicking, and prints what helps to find out why"
)]

mod backpressure;
mod closing;
mod crowd;
mod desktop;
mod first_steps;
mod groundwork;
mod heartbeat;
mod interop;
mod keys;
mod loss;
mod protocol;
mod stopping;
mod transfer;

#[path = "../support/mod.rs"]
mod support;
