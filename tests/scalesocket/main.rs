//! `scalesocket` as its users meet it: the real binary, real commands, raw clients and a real browser.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test says what is wrong by panicking, and prints what helps to find out why"
)]

mod examples;
mod rooms;

#[path = "../support/mod.rs"]
mod support;
