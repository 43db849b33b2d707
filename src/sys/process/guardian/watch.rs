//! The guardian's own side: it listens, and at the end of its input it ends what is left.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, setsid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

use super::super::COOKIE;
use super::super::Orphaned;
use super::super::ladder::{Body, Descent, Ladder, Next, ask, terminate};
use super::super::table::{self, Table};
use super::super::tree::Tree;
use super::READY;

/// How long those that end by themselves are left alone.
const LEFT_ALONE: Duration = Duration::from_secs(2);
/// From SIGTERM to SIGKILL for them, and for the others: everything is gone within 5 s.
const LEFT_ALONE_GRACE: Duration = Duration::from_secs(2);
const GRACE: Duration = Duration::from_secs(4);
/// When even that did not help the rest is left to whom it belongs.
const UNTIL_GIVEN_UP: Duration = Duration::from_secs(30);
/// Bytes of a line; ours are below a hundred.
const LONGEST_LINE: u64 = 512;

/// Listens on `input` until its end, then ends every tree it was told of and was not told to forget.
///
/// # Errors
/// The other end cannot be told that this one is ready.
pub fn watch(mut input: impl BufRead, mut answer: impl Write) -> io::Result<()> {
    // Fails for the leader of a group, who is then alone in it anyway.
    let _ = setsid();
    // Deaf: a handler that does nothing but set a flag. SIG_IGN would need `unsafe`, and would be inherited.
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    // Wherever the server was started, that folder can be unmounted.
    let _ = std::env::set_current_dir("/");
    writeln!(answer, "{READY}")?;
    answer.flush()?;
    drop(answer);
    let mut trees = BTreeMap::new();
    let mut line = String::new();
    loop {
        line.clear();
        match input.by_ref().take(LONGEST_LINE).read_line(&mut line) {
            Ok(1..) => hear(&mut trees, &line),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
        }
    }
    end_all(trees);
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    orphaned: Orphaned,
    group: Option<Pid>,
}

/// Takes in one line. What makes no sense is passed over: there is nobody to complain to.
fn hear(trees: &mut BTreeMap<String, Entry>, line: &str) {
    let mut words = line.split_ascii_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some("add"), Some(cookie), Some(kind)) => {
            let orphaned = if kind == "ends" { Orphaned::EndsByItself } else { Orphaned::Terminate };
            trees.insert(cookie.to_owned(), Entry { orphaned, group: None });
        }
        (Some("leads"), Some(cookie), Some(group)) => {
            if let Some(entry) = trees.get_mut(cookie) {
                entry.group = group.parse().ok().filter(|id| *id > 1).and_then(Pid::from_raw);
            }
        }
        (Some("remove"), Some(cookie), None) => {
            trees.remove(cookie);
        }
        _ => {}
    }
}

fn ladder(orphaned: Orphaned) -> Ladder {
    match orphaned {
        Orphaned::Terminate => terminate(GRACE),
        Orphaned::EndsByItself => ask(LEFT_ALONE, LEFT_ALONE_GRACE),
    }
}

fn end_all(trees: BTreeMap<String, Entry>) {
    let began = Instant::now();
    let start =
        |(cookie, entry): (String, Entry)| (Orphan::new(cookie, entry.group), Descent::new(ladder(entry.orphaned)));
    let mut falling: Vec<_> = trees.into_iter().map(start).collect();
    while !falling.is_empty() && began.elapsed() < UNTIL_GIVEN_UP {
        let now = Instant::now();
        let Ok(table) = Table::read(COOKIE) else { return };
        let table = Arc::new(table);
        let mut pause = Duration::from_millis(100);
        falling.retain_mut(|(orphan, descent)| {
            orphan.table = Some(Arc::clone(&table));
            match descent.advance(now, orphan) {
                Next::Gone => false,
                Next::LookAfter(time) => {
                    pause = pause.min(time);
                    true
                }
            }
        });
        if !falling.is_empty() {
            std::thread::sleep(pause);
        }
    }
}

/// A tree whose server is gone. It is not ours: its dead are reaped by whom they came to.
struct Orphan {
    tree: Tree,
    leader: Option<(Pid, u64)>,
    table: Option<Arc<Table>>,
}

impl Orphan {
    fn new(cookie: String, group: Option<Pid>) -> Self {
        let leader = group.and_then(|pid| Some((pid, table::stat(pid.as_raw_pid())?.start)));
        Self { tree: Tree::new(group, cookie), leader, table: None }
    }
}

impl Body for Orphan {
    fn leader_is_gone(&mut self) -> bool {
        let now = self.leader.and_then(|(pid, start)| table::stat(pid.as_raw_pid()).filter(|it| it.start == start));
        now.is_none_or(|process| process.dead)
    }

    fn count(&mut self, now: Instant) -> usize {
        let Some(table) = &self.table else { return 0 };
        let members = self.tree.members(table);
        let living = members.iter().filter(|process| !process.dead);
        let count = living.clone().count();
        living.for_each(|process| self.tree.catch_up(process));
        if !members.iter().any(|process| Some(process.group) == self.tree.group.map(Pid::as_raw_pid)) {
            // An empty group's id may become somebody else's.
            self.tree.group = None;
        }
        if count > 0 { count } else { self.tree.doubtful(now, table.processes.iter()) }
    }

    fn signal(&mut self, signal: Signal, _now: Instant) {
        if let Some(table) = &self.table {
            self.tree.signal(table, signal, None);
        }
    }

    fn name(&self) -> String {
        format!("orphans of {}", self.tree.cookie)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_remembered_until_it_is_gone() {
        let mut trees = BTreeMap::new();
        for line in ["add a terminate\n", "add b ends\n", "leads b 77\n", "leads c 78\n", "junk\n", "add\n", "\n"] {
            hear(&mut trees, line);
        }
        let entry = |orphaned, group| Entry { orphaned, group };
        assert_eq!(trees.get("a"), Some(&entry(Orphaned::Terminate, None)));
        assert_eq!(trees.get("b"), Some(&entry(Orphaned::EndsByItself, Pid::from_raw(77))));
        hear(&mut trees, "leads b 1\n");
        assert_eq!(trees.get("b"), Some(&entry(Orphaned::EndsByItself, None)), "init is nobody's to end");
        hear(&mut trees, "remove a\n");
        hear(&mut trees, "remove b\n");
        assert!(trees.is_empty());
    }
}
