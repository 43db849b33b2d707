//! Named threads with small stacks, whose panics end in the log and not in silence.

use std::any::Any;
use std::fmt::Display;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

/// Bytes of stack of every thread. Only touched pages count as memory; the deepest path (TLS handshake,
/// directory listing) was measured below 64 KiB in release and below 160 KiB in debug builds.
pub const STACK: usize = 512 * 1024;

/// Runs `body` on a thread of its own.
///
/// # Errors
/// No thread can be made now (limits of processes or memory maps).
pub fn spawn<F>(name: &str, body: F) -> io::Result<JoinHandle<()>>
where
    F: FnOnce() + Send + 'static,
{
    let label = name.to_owned();
    builder(name).spawn(move || {
        contain(&label, body);
    })
}

/// Runs `body` on a thread that ends before `scope` does.
///
/// # Errors
/// As for [`spawn`].
pub fn spawn_scoped<'scope, 'env, F>(
    scope: &'scope Scope<'scope, 'env>,
    name: &str,
    body: F,
) -> io::Result<ScopedJoinHandle<'scope, ()>>
where
    F: FnOnce() + Send + 'scope,
{
    let label = name.to_owned();
    builder(name).spawn_scoped(scope, move || {
        contain(&label, body);
    })
}

fn builder(name: &str) -> Builder {
    // The kernel keeps 15 bytes of a name.
    let short: String = name.chars().take(15).collect();
    Builder::new().name(short).stack_size(STACK)
}

/// Runs `body` here. A panic is a fault of ours: it is logged with `name` and ends this work only. Guards still run.
pub fn contain<T>(name: impl Display, body: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(body))
        .inspect_err(|panic| log::error!("thread {name} failed: {}", message(&**panic)))
        .ok()
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// Sends the text and place of panics to the log instead of standard error.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|info| log::error!("internal error: {info}")));
}
