//! What a proxy uses: it and all its descendants, since some peers take a process per tunnel.
use std::fs;
use std::io;

use rustix::time::{ClockId, clock_gettime};

use crate::support::lab::Variant;

/// Memory, threads and CPU time at one moment.
#[derive(Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Resident KiB; a page that several processes share counts once, in parts.
    pub(crate) kib: f64,
    /// Threads, of all processes together.
    pub(crate) threads: f64,
    /// CPU seconds, user and system, with those of children that have ended.
    pub(crate) cpu: f64,
}

/// What a way uses now; nothing where there is no proxy.
pub(crate) fn of(variant: &Variant) -> io::Result<Usage> {
    let mut usage = cpu_only(variant)?;
    for id in tree(variant) {
        let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
        usage.kib += number_after(&rollup, "Pss:");
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        usage.threads += number_after(&status, "Threads:");
    }
    Ok(usage)
}

/// The part that costs the kernel little to find.
pub(crate) fn cpu_only(variant: &Variant) -> io::Result<Usage> {
    let ticks_per_second = rustix::param::clock_ticks_per_second() as f64;
    let mut ticks = 0;
    for id in tree(variant) {
        // One that has ended since is in the time of its parent, or will be.
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let times = after_name.split_ascii_whitespace().skip(11).take(4);
        ticks += times.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
    }
    if ticks == 0 && variant.process.is_some() && tree(variant).is_empty() {
        return Err(io::Error::other("the proxy has ended"));
    }
    Ok(Usage { cpu: ticks as f64 / ticks_per_second, ..Usage::default() })
}

/// CPU seconds of this process: that is both ends of all tunnels.
pub(crate) fn own_cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The proxy's process and its descendants.
fn tree(variant: &Variant) -> Vec<u32> {
    let mut found: Vec<u32> = variant.id().into_iter().collect();
    let mut next = 0;
    while let Some(id) = found.get(next) {
        // Children are listed by the thread that made them.
        for task in fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            found.extend(children.split_ascii_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        next += 1;
    }
    found
}

fn number_after(text: &str, word: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(word));
    line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok()).unwrap_or_default()
}
