//! What the operating system gives: threads, signals, logs, limits.
pub mod logging;
