//! What tests that start processes share.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::table::Table;
use super::{COOKIE, Processes};

/// How long a test waits before it gives up; every wait ends when its condition holds.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The one [`Processes`] of this test program: a second one would reap the children of the first.
pub(crate) fn processes() -> Arc<Processes> {
    static PROCESSES: OnceLock<Arc<Processes>> = OnceLock::new();
    Arc::clone(PROCESSES.get_or_init(|| Arc::new(Processes::start(None).unwrap())))
}

/// Waits until `look` finds something.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "did not happen: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Ids of what carries `cookie` or is a child of such a process, dead or not.
pub(crate) fn carriers(cookie: &str) -> Vec<i32> {
    let table = Table::read(COOKIE).unwrap();
    let with = table.processes.iter().filter(|process| process.cookie.as_deref() == Some(cookie));
    with.map(|process| process.pid).collect()
}

/// Ids and command lines of all that carry the same cookie as the process whose command line holds `word`.
pub(crate) fn names_below(cookie: &str, word: &str) -> Vec<(i32, String)> {
    let table = Table::read(cookie).unwrap();
    let name = |pid: i32| {
        String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).replace('\0', " ")
    };
    let carrying = || table.processes.iter().filter(|process| process.cookie.is_some());
    let Some(found) = carrying().find(|process| name(process.pid).contains(word)) else { return Vec::new() };
    carrying()
        .filter(|process| process.cookie == found.cookie)
        .map(|process| (process.pid, name(process.pid)))
        .collect()
}

/// Whether the process is there and not dead.
pub(crate) fn runs(pid: i32) -> bool {
    super::table::stat(pid).is_some_and(|process| !process.dead)
}

/// Whether the id is in use, be it by a zombie.
pub(crate) fn exists(pid: i32) -> bool {
    super::table::stat(pid).is_some()
}
