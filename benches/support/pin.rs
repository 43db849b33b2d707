//! Keeps all that takes part in a measurement on one core.
//!
//! A round trip, or a short connection, is mostly waking: on one core a hop takes a few microseconds, to a sleeping core in a virtual machine
//! ten times as long. Which of the two a connection gets is the scheduler's choice and stays for its whole life, so
//! free placement would compare lots drawn, not proxies. On one core what remains is the length of the path.
use std::fs;
use std::io;

use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

/// While this lives, the current thread and a proxy share one core. Threads made meanwhile inherit that.
pub(crate) struct OneCore {
    proxy: Option<u32>,
    before: CpuSet,
}

impl OneCore {
    /// Moves both to the last core that is allowed: the first tends to serve the interrupts.
    pub(crate) fn hold(proxy: Option<u32>) -> io::Result<Self> {
        let before = sched_getaffinity(None)?;
        let last = (0..CpuSet::MAX_CPU).rev().find(|core| before.is_set(*core));
        let mut one = CpuSet::new();
        one.set(last.unwrap_or_default());
        let held = Self { proxy, before };
        held.allow(&one)?;
        Ok(held)
    }

    fn allow(&self, cores: &CpuSet) -> io::Result<()> {
        sched_setaffinity(None, cores)?;
        let Some(proxy) = self.proxy else {
            return Ok(());
        };
        for entry in fs::read_dir(format!("/proc/{proxy}/task"))? {
            let thread = entry?.file_name().to_str().and_then(|id| id.parse().ok());
            if let Some(thread) = thread.and_then(Pid::from_raw) {
                // It fails for a thread that has ended since, which needs no core.
                let _ = sched_setaffinity(Some(thread), cores);
            }
        }
        Ok(())
    }
}

impl Drop for OneCore {
    fn drop(&mut self) {
        // It fails only when the proxy is gone; the next measurement will say so.
        let _ = self.allow(&self.before);
    }
}
