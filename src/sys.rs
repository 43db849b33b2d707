//! What the operating system gives: threads, processes, signals, logs, limits.

pub mod ask;
pub mod bell;
pub mod limits;
pub mod logging;
pub mod process;
pub mod signals;
pub mod stop;
pub mod thread;
