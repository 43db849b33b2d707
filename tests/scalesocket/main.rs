//! `scalesocket` as its users meet it: the real binary, real commands, raw clients and a real browser.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test says what is wrong by panicking, and prints what helps to find out why"
)]

mod attach_delay;
mod binary_frames;
mod cache;
mod closing;
mod command_line;
mod crowd;
mod data;
mod endings;
mod environment;
mod examples;
mod files;
mod handshake;
mod heartbeat;
mod http;
mod json_frames;
mod logs;
mod members;
mod metrics;
mod notices;
mod oneshot;
mod origins;
mod rooms;
mod slow;
mod statistics;
mod tcp;
mod tcp_ends;
mod tls;
mod traces;
mod volume;

#[path = "../support/mod.rs"]
mod support;
