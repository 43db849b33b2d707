//! What the operating system gives: threads, signals, logs, limits.

pub mod limits;
pub mod logging;
pub mod signals;
pub mod stop;
pub mod thread;
