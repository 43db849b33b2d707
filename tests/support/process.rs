//! Child processes that cannot outlive the test, and what they print.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

use super::wait;

/// A child in a process group of its own. Dropping it kills the whole group and reaps the child.
#[derive(Debug)]
pub struct Group {
    child: Child,
    /// Also the group's id: the child leads it.
    pid: Pid,
}

impl Group {
    /// Starts `command` as the leader of a new process group.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn(command: &mut Command) -> Self {
        use std::os::unix::process::CommandExt as _;
        let child = command.process_group(0).spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        let pid = Pid::from_child(&child);
        Self { child, pid }
    }

    /// The child itself, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Process id of the leader.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends `signal` to everything in the group.
    pub fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.pid, signal); // an error only means that nobody is left
    }

    /// How the leader ended, if it has.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("waiting for a child of our own")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        drop(self.child.wait());
        // The rest is reaped by init; its files (a browser's profile) must not be in use after this.
        let gone = || test_kill_process_group(self.pid).is_err().then_some(());
        if wait::eventually_some(Duration::from_secs(5), gone).is_none() {
            println!("process group {} is still there after SIGKILL", self.pid());
        }
    }
}

/// Text that is being printed by a child, copied into the test's own output line by line.
#[derive(Debug, Clone, Default)]
pub struct Output(Arc<Mutex<String>>);

impl Output {
    /// Goes on collecting from `pipe` on a thread, until its end. Each line is also printed after `label`;
    /// the test runner shows that when the test fails. The handle is for who must have it all.
    pub fn collect(&self, label: &'static str, pipe: impl Read + Send + 'static) -> thread::JoinHandle<()> {
        let text = Arc::clone(&self.0);
        wait::spawn(label, move || {
            let mut lines = BufReader::new(pipe);
            let mut line = Vec::new();
            while matches!(lines.read_until(b'\n', &mut line), Ok(1..)) {
                let shown = String::from_utf8_lossy(&line);
                println!("{label}| {}", shown.trim_end_matches('\n'));
                text.lock().expect("no panic while a line is added").push_str(&shown);
                line.clear();
            }
        })
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        self.0.lock().expect("no panic while a line is added").clone()
    }

    /// Adds a line that no pipe brought.
    pub fn note(&self, line: &str) {
        let mut text = self.0.lock().expect("no panic while a line is added");
        text.push_str(line);
        text.push('\n');
    }
}
