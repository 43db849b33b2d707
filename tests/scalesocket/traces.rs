//! Everything that runs because a server has started it, found by a variable of its environment.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::support::server::{Builder, Server};
use crate::support::wait::{DEADLINE, eventually_some};

const NAME: &str = "BERTH_TEST_TRACE";

/// The mark of one server's processes.
pub(crate) struct Traces(String);

impl Traces {
    /// One that nobody else has.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        Self(format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    /// A server that marks what it starts.
    pub(crate) fn server(&self) -> Builder {
        Server::scalesocket_builder().args(&["--passenv", &format!("PATH,{NAME}")]).env(NAME, &self.0)
    }

    /// Command lines of everything that runs, but for the server and its guardian.
    pub(crate) fn processes(&self) -> Vec<String> {
        let mark = format!("{NAME}={}", self.0);
        let entries = fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.path());
        let has_mark = |path: &Path| {
            let environment = fs::read(path.join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
        };
        let is_server = |path: &Path| {
            fs::read_link(path.join("exe")).is_ok_and(|exe| exe == Path::new(env!("CARGO_BIN_EXE_scalesocket")))
        };
        let words = |path: &Path| {
            String::from_utf8_lossy(&fs::read(path.join("cmdline")).unwrap_or_default()).replace('\0', " ")
        };
        let marked = entries.filter(|path| has_mark(path) && !is_server(path));
        // What has ended and is not reaped has no words.
        marked.map(|path| words(&path)).filter(|words| !words.is_empty()).collect()
    }

    /// Waits until there are so many.
    #[track_caller]
    pub(crate) fn wait_count(&self, count: usize) {
        let done = eventually_some(DEADLINE, || (self.processes().len() == count).then_some(()));
        assert!(done.is_some(), "{count} processes were expected: {:?}", self.processes());
    }

    /// Waits until there are none.
    #[track_caller]
    pub(crate) fn wait_gone(&self, deadline: Duration) {
        let gone = eventually_some(deadline, || self.processes().is_empty().then_some(()));
        assert!(gone.is_some(), "still there after {deadline:?}: {:?}", self.processes());
    }
}
