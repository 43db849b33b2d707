//! Everything that one process has started, directly or not, found again and signalled.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, PidfdFlags, Signal, getpid, kill_process, kill_process_group, pidfd_open, pidfd_send_signal,
};

use super::table::{self, Process, Table};

/// How long a process that shows no environment may turn out to be one of a tree: a program is loaded by then.
const DOUBT: Duration = Duration::from_millis(500);

/// A process, everything in its group, everything below those, and everything that carries its cookie.
///
/// What was once found stays known, so that whoever loses its parent, its group and its environment after that is still
/// found. Whoever lost all three before the first look is not.
#[derive(Debug)]
pub(super) struct Tree {
    /// Id of the group; `None` when it is not known to be still ours.
    pub(super) group: Option<Pid>,
    pub(super) cookie: String,
    seen: HashMap<i32, u64>,
    /// Processes of which it is not known whether they belong here, and since when.
    doubts: HashMap<(i32, u64), Instant>,
    /// What those of them that do have missed.
    missed: Option<(Signal, HashSet<(i32, u64)>)>,
}

impl Tree {
    pub(super) fn new(group: Option<Pid>, cookie: String) -> Self {
        Self { group, cookie, seen: HashMap::new(), doubts: HashMap::new(), missed: None }
    }

    /// All members in `table`, also dead ones.
    pub(super) fn members<'t>(&mut self, table: &'t Table) -> Vec<&'t Process> {
        let group = self.group.map(Pid::as_raw_pid);
        let mut below: HashMap<i32, Vec<&Process>> = HashMap::new();
        for process in &table.processes {
            below.entry(process.parent).or_default().push(process);
        }
        let is_root = |process: &&Process| {
            Some(process.group) == group
                || process.cookie.as_deref() == Some(&self.cookie)
                || self.seen.get(&process.pid) == Some(&process.start)
        };
        let mut found: Vec<&Process> = Vec::new();
        let mut ids: HashSet<i32> = HashSet::from([1, getpid().as_raw_pid()]);
        let mut waiting: Vec<&Process> = table.processes.iter().filter(is_root).collect();
        while let Some(process) = waiting.pop() {
            if ids.insert(process.pid) {
                waiting.extend(below.get(&process.pid).into_iter().flatten().copied());
                found.push(process);
            }
        }
        self.seen = found.iter().map(|process| (process.pid, process.start)).collect();
        found
    }

    /// Sends `signal` to every living member in `table`, but for those in the group `done`, which have it already.
    pub(super) fn signal(&mut self, table: &Table, signal: Signal, done: Option<Pid>) {
        for process in self.members(table) {
            if !process.dead && Some(process.group) != done.map(Pid::as_raw_pid) {
                to_process(process, signal);
            }
        }
        let blank = table.processes.iter().filter(|process| process.blank);
        self.missed = Some((signal, blank.map(|process| (process.pid, process.start)).collect()));
    }

    /// Sends the last signal to a member that could not be told for one when it was sent. Those that were started since,
    /// perhaps to clean up, are left alone.
    pub(super) fn catch_up(&mut self, process: &Process) {
        if let Some((signal, missed)) = &mut self.missed
            && missed.remove(&(process.pid, process.start))
        {
            to_process(process, *signal);
        }
    }

    /// How many of `candidates` may yet turn out to be members.
    pub(super) fn doubtful<'t>(&mut self, now: Instant, candidates: impl Iterator<Item = &'t Process>) -> usize {
        let mut doubts = HashMap::new();
        for process in candidates.filter(|process| process.blank && !self.seen.contains_key(&process.pid)) {
            let name = (process.pid, process.start);
            doubts.insert(name, self.doubts.get(&name).copied().unwrap_or(now));
        }
        self.doubts = doubts;
        self.doubts.values().filter(|since| now.duration_since(**since) < DOUBT).count()
    }
}

/// Signals a whole group; that nobody is left in it is no error.
pub(super) fn to_group(group: Pid, signal: Signal) {
    let _ = kill_process_group(group, signal);
    if signal == Signal::TERM {
        // A stopped process would not see the request.
        let _ = kill_process_group(group, Signal::CONT);
    }
}

/// Signals the very process that was seen, not one that has got its id since.
fn to_process(process: &Process, signal: Signal) {
    let Some(pid) = Pid::from_raw(process.pid) else { return };
    let handle = pidfd_open(pid, PidfdFlags::empty()).ok();
    // The handle is taken first: if the same process is there after that, the handle is its own. Kernels without
    // handles (before 5.3) leave an instant between this look and the signal.
    if table::stat(process.pid).is_none_or(|now| now.start != process.start) {
        return;
    }
    let send = |signal| match &handle {
        Some(handle) => pidfd_send_signal(handle, signal),
        None => kill_process(pid, signal),
    };
    let _ = send(signal); // it may just have ended
    if signal == Signal::TERM {
        let _ = send(Signal::CONT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, parent: i32, group: i32, cookie: &str) -> Process {
        let cookie = (!cookie.is_empty()).then(|| cookie.to_owned());
        Process { cookie, ..Process::plain(pid, parent, group) }
    }

    fn found(tree: &mut Tree, processes: Vec<Process>) -> Vec<i32> {
        let table = Table { processes };
        let mut ids: Vec<i32> = tree.members(&table).iter().map(|process| process.pid).collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn members_are_found_by_group_parents_and_cookie_and_stay_known() {
        let mut tree = Tree::new(Pid::from_raw(900_010), "ours".to_owned());
        let own = getpid().as_raw_pid();
        let all = vec![
            process(900_010, own, 900_010, ""),
            process(900_011, 900_010, 900_010, ""),
            process(900_012, 900_011, 900_012, ""),
            process(900_013, 900_012, 900_012, "inner"),
            process(900_020, own, 900_020, "ours"),
            process(900_021, 900_020, 900_021, ""),
            process(900_030, own, 900_030, "theirs"),
            process(own, 1, own, ""),
            process(1, 0, 1, ""),
        ];
        assert_eq!(found(&mut tree, all), [900_010, 900_011, 900_012, 900_013, 900_020, 900_021]);
        // All that tied this one to the tree is gone, but it was seen.
        let later = vec![process(900_013, own, 900_013, ""), process(900_014, 900_013, 900_013, "")];
        assert_eq!(found(&mut tree, later), [900_013, 900_014]);
        let mut reused = process(900_013, own, 900_013, "");
        reused.start = 5;
        assert_eq!(found(&mut tree, vec![reused]), [0; 0], "an id that is used again is another process");
    }

    #[test]
    fn who_shows_no_environment_is_waited_for_but_not_for_ever() {
        let mut tree = Tree::new(None, "ours".to_owned());
        let mut blank = process(900_040, 1, 900_040, "");
        blank.blank = true;
        let began = Instant::now();
        assert_eq!(tree.doubtful(began, [&blank].into_iter()), 1);
        assert_eq!(tree.doubtful(began + DOUBT / 2, [&blank].into_iter()), 1);
        assert_eq!(tree.doubtful(began + DOUBT, [&blank].into_iter()), 0);
        assert_eq!(tree.doubtful(began + DOUBT, [&process(900_041, 1, 900_041, "")].into_iter()), 0);
        assert_eq!(found(&mut tree, vec![process(900_040, 1, 900_040, "ours")]), [900_040]);
    }
}
