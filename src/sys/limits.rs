//! What the process may use: descriptors, threads and memory maps, and the number of connections they allow.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are not connections: standard streams, listeners, the log, signals (8), and those of clients who are
/// being accepted or refused (12 per port).
const RESERVED_DESCRIPTORS: u64 = 32;
/// Memory maps of the program itself, its libraries and heaps.
const RESERVED_MAPS: u64 = 1_000;
/// A connection that is tunnelled holds one descriptor per side.
const DESCRIPTORS_PER_CONNECTION: u64 = 2;
/// A stack, its guard page, and std's signal stack with its guard page. When the last of them cannot be had, std ends the
/// process: this limit must never be met.
const MAPS_PER_THREAD: u64 = 4;
/// Half of what may run is left to others under the same user or in the same machine.
const SHARE_OF_THREADS: u64 = 2;

/// What connections cost in threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One each, and a second one for every other connection: those that are busy at the same time.
    Tunnels,
    /// Two each.
    Rooms,
}

impl Kind {
    fn threads_of_two(self) -> u64 {
        match self {
            Self::Tunnels => 3,
            Self::Rooms => 4,
        }
    }
}

/// What may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Connections at once.
    pub connections: usize,
    /// Threads beside the one that each connection has.
    pub helpers: usize,
}

/// How many connections fit, and what would run out first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Most connections at once, at least 1.
    pub connections: usize,
    /// Name of the limit that this number comes from.
    pub limited_by: &'static str,
}

/// Raises the soft limit of open files to the hard one, and answers the limit in force.
///
/// It is no error when that is refused: fewer connections are allowed then.
pub fn raise_descriptors() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

/// Reads the process's limits and works out how many connections they allow. A limit that cannot be read does not count.
pub fn capacity(kind: Kind) -> Capacity {
    let descriptors = getrlimit(Resource::Nofile).current;
    let processes = getrlimit(Resource::Nproc).current;
    let root = rustix::process::geteuid().is_root();
    let threads = kind.threads_of_two();
    // Costs are those of two connections.
    from_limits(&[
        (descriptors, RESERVED_DESCRIPTORS, DESCRIPTORS_PER_CONNECTION * 2, "open files (ulimit -n)"),
        (
            read_number("/proc/sys/vm/max_map_count"),
            RESERVED_MAPS,
            MAPS_PER_THREAD * threads,
            "memory maps (vm.max_map_count)",
        ),
        // RLIMIT_NPROC does not bind root.
        (if root { None } else { processes }, 64, threads * SHARE_OF_THREADS, "processes (ulimit -u)"),
        (read_number("/proc/sys/kernel/threads-max"), 256, threads * SHARE_OF_THREADS, "threads (kernel.threads-max)"),
        (cgroup_pids(), 64, threads, "threads (cgroup pids.max)"),
    ])
}

/// How many connections there may be at once, `wanted` or as many as the limits allow, and how many threads beside theirs.
pub fn allowance(kind: Kind, wanted: Option<usize>) -> Allowance {
    let capacity = capacity(kind);
    let wanted = wanted.unwrap_or(capacity.connections);
    if wanted > capacity.connections {
        log::warn!(
            "--max_connections {wanted} is more than this process may have; the limit is {} by {}",
            capacity.connections,
            capacity.limited_by
        );
    }
    let connections = wanted.min(capacity.connections);
    let cause = if connections < capacity.connections { "--max_connections" } else { capacity.limited_by };
    log::info!("at most {connections} connections at once (limited by {cause})");
    // What connections leave of the threads that were counted for them.
    let threads = capacity.connections + capacity.connections / 2;
    Allowance { connections, helpers: (threads - connections).clamp(1, connections) }
}

/// Of each limit: its value, what of it is reserved, and what two connections cost.
fn from_limits(limits: &[(Option<u64>, u64, u64, &'static str)]) -> Capacity {
    limits
        .iter()
        .filter_map(|&(limit, reserved, two, name)| {
            let limit = limit?;
            let connections = limit.saturating_sub(reserved).saturating_mul(2) / two;
            log::debug!("{name}: {limit}, enough for {connections} connections");
            Some(Capacity { connections: usize::try_from(connections).unwrap_or(usize::MAX).max(1), limited_by: name })
        })
        .min_by_key(|capacity| capacity.connections)
        .unwrap_or(Capacity { connections: 4_096, limited_by: "no limit is known" })
}

fn read_number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// `pids.max` of this process's own control group (cgroup v2).
fn cgroup_pids() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    read_number(&format!("/sys/fs/cgroup{own}/pids.max"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scarcest_limit_counts() {
        let capacity =
            from_limits(&[(Some(64), 24, 4, "files"), (Some(65_530), 1_000, 12, "maps"), (None, 0, 1, "unknown")]);
        assert_eq!(capacity, Capacity { connections: 20, limited_by: "files" });
    }

    #[test]
    fn there_is_always_room_for_one() {
        assert_eq!(from_limits(&[(Some(3), 24, 2, "files")]).connections, 1);
        assert_eq!(from_limits(&[]).connections, 4_096);
    }

    #[test]
    fn this_machine_has_limits() {
        assert!(capacity(Kind::Tunnels).connections > 1);
        assert!(capacity(Kind::Rooms).connections <= capacity(Kind::Tunnels).connections);
    }

    #[test]
    fn no_thread_is_promised_that_was_not_counted() {
        let all = capacity(Kind::Tunnels).connections;
        for wanted in [None, Some(1), Some(all / 2), Some(all), Some(all + 1)] {
            let Allowance { connections, helpers } = allowance(Kind::Tunnels, wanted);
            assert!(connections <= all && helpers >= 1);
            assert!(connections + helpers <= all + all / 2 + 1, "{connections} and {helpers} of {all}");
        }
    }
}
