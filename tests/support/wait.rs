//! Waiting for something to become true, without guessing how long that takes.

use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits before it gives up: generous, because the machine may be busy with other tests.
/// It costs nothing when things go well, since every wait returns when its condition holds.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(5);

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not hold within `deadline`; the message is `what`.
#[track_caller]
pub fn eventually(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let held = eventually_some(deadline, || condition().then_some(()));
    assert!(held.is_some(), "did not happen within {deadline:?}: {what}");
}

/// Waits until `look` returns something, and returns that; `None` when `deadline` passes first.
pub fn eventually_some<T>(deadline: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(POLL);
    }
}

/// Starts a named thread of a test.
///
/// # Panics
/// When the system gives no thread.
pub fn spawn<T: Send + 'static>(name: &str, body: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    thread::Builder::new().name(name.to_owned()).spawn(body).expect("a thread for the test")
}

/// Lets time pass on purpose: the pace of a slow client, never a way to wait for something.
pub fn pace(step: Duration) {
    thread::sleep(step);
}
