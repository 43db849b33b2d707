//! `websocketserver` as its users meet it: the real binary, real browsers, desktops and clients.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test says what is wrong by panicking, and prints what helps to find out why"
)]

mod backpressure;
mod builtin;
mod closing;
mod command_line;
mod crowd;
mod desktop;
mod desktop_service;
#[cfg(feature = "ensight")]
mod ensight;
mod files;
mod first_steps;
mod groundwork;
mod heartbeat;
mod hostile;
mod interop;
mod keys;
mod limits;
mod logs;
mod loss;
mod metrics;
mod origins;
mod orphans;
mod paint;
mod protocol;
mod rest;
mod services;
mod sixty_four;
mod slow_launch;
mod smuggling;
mod status_view;
mod stopping;
mod threads;
mod tls;
mod transfer;
mod upgrade;

#[path = "../support/mod.rs"]
mod support;
