//! The helper that ends what we have started when we are killed before we could do it.
//!
//! One process per server, started by it: our own program with a hidden argument, in a session of its own, deaf to the signals
//! that a terminal or a service manager sends to everybody. It reads from a pipe which trees there are; the end of the
//! pipe tells it that the server is gone, however that came about. `PR_SET_PDEATHSIG` of `prctl(2)` would reach the child
//! alone and no further, and it follows the thread that made the child, not the process.

mod watch;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process};

use super::{Orphaned, Shared, lock, peek};
pub use watch::watch;

/// The argument that makes our program the guardian. It is not for people, and not in `--help`.
const ARGUMENT: &str = "--guard-children-of-the-process-at-the-other-end-of-standard-input";
/// What the guardian says once it is deaf to signals.
const READY: &str = "guarding";
/// How long its start may take.
const START_PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to end when it has nothing to do.
const END_PATIENCE: Duration = Duration::from_millis(500);
/// After a start that failed, the next is tried no sooner.
const TRY_AGAIN: Duration = Duration::from_secs(30);

/// The command line of the guardian: this very program, even if its file has been replaced since.
pub fn command() -> Vec<OsString> {
    vec!["/proc/self/exe".into(), ARGUMENT.into()]
}

/// Is the guardian, if the command line says so; the first thing that `main` does.
pub fn run_if_asked() -> Option<ExitCode> {
    let asked = std::env::args_os().nth(1).is_some_and(|first| first == OsStr::new(ARGUMENT));
    asked.then(|| match watch(io::stdin().lock(), io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE, // nobody is there who could be told
    })
}

/// The server's side of the guardian.
pub(super) struct Guardian {
    program: Vec<OsString>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    running: Option<Running>,
    /// What it has been told, so that a new one can be told the same. One entry per living tree.
    trees: BTreeMap<String, Entry>,
    failed: Option<Instant>,
}

struct Running {
    pid: Pid,
    pipe: File,
}

#[derive(Clone, Copy)]
struct Entry {
    orphaned: Orphaned,
    group: Option<Pid>,
}

impl Guardian {
    pub(super) fn new(program: Vec<OsString>) -> Self {
        Self { program, inner: Mutex::default() }
    }

    pub(super) fn pid(&self) -> Option<Pid> {
        lock(&self.inner).running.as_ref().map(|running| running.pid)
    }

    /// Starts the helper unless it runs. That it cannot be had is a warning: services work without it.
    pub(super) fn ensure(&self, shared: &Shared) {
        let mut inner = lock(&self.inner);
        if let Some(running) = &inner.running {
            if matches!(peek(running.pid), Ok(None)) {
                return;
            }
            log::warn!("the guardian has ended; a new one is started");
            inner.end(shared);
        }
        if inner.failed.is_some_and(|at| at.elapsed() < TRY_AGAIN) {
            return;
        }
        match launch(&self.program, shared) {
            Ok(running) => {
                inner.running = Some(running);
                let known: Vec<_> = inner.trees.iter().map(|(cookie, entry)| (cookie.clone(), *entry)).collect();
                for (cookie, entry) in known {
                    inner.tell(&add_line(&cookie, entry.orphaned));
                    if let Some(group) = entry.group {
                        inner.tell(&leads_line(&cookie, group));
                    }
                }
            }
            Err(error) => {
                inner.failed = Some(Instant::now());
                log::warn!("no guardian: services will outlive this process if it is killed with SIGKILL: {error}");
            }
        }
    }

    /// A tree that is about to be started.
    pub(super) fn add(&self, cookie: &str, orphaned: Orphaned) {
        let mut inner = lock(&self.inner);
        inner.trees.insert(cookie.to_owned(), Entry { orphaned, group: None });
        inner.tell(&add_line(cookie, orphaned));
    }

    /// The group of a tree.
    pub(super) fn leads(&self, cookie: &str, group: Pid) {
        let mut inner = lock(&self.inner);
        if let Some(entry) = inner.trees.get_mut(cookie) {
            entry.group = Some(group);
        }
        inner.tell(&leads_line(cookie, group));
    }

    /// A tree that is gone.
    pub(super) fn remove(&self, cookie: &str) {
        let mut inner = lock(&self.inner);
        inner.trees.remove(cookie);
        inner.tell(&format!("remove {cookie}\n"));
    }

    /// Lets it go. It ends what is still registered, or itself at once when nothing is.
    pub(super) fn dismiss(&self, shared: &Shared) {
        let mut inner = lock(&self.inner);
        let Some(Running { pid, pipe }) = inner.running.take() else { return };
        drop(pipe);
        let deadline = Instant::now() + END_PATIENCE;
        while matches!(peek(pid), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1)); // a few at most; this is the end of the program
        }
        shared.release(pid);
    }
}

fn add_line(cookie: &str, orphaned: Orphaned) -> String {
    let kind = match orphaned {
        Orphaned::Terminate => "terminate",
        Orphaned::EndsByItself => "ends",
    };
    format!("add {cookie} {kind}\n")
}

fn leads_line(cookie: &str, group: Pid) -> String {
    format!("leads {cookie} {}\n", group.as_raw_pid())
}

impl Inner {
    /// Never waits: a helper that does not read for so long that its pipe is full hears no more.
    fn tell(&mut self, line: &str) {
        let Some(running) = &mut self.running else { return };
        // A line is shorter than PIPE_BUF, so it is written whole or not at all (pipe(7)).
        if let Err(error) = running.pipe.write_all(line.as_bytes()) {
            log::warn!("the guardian does not listen: {error}");
        }
    }

    /// Ends a helper for good. It must not see the end of its pipe, which it would take for our death.
    fn end(&mut self, shared: &Shared) {
        if let Some(Running { pid, pipe }) = self.running.take() {
            let _ = kill_process(pid, Signal::KILL); // it may be a zombie already; the id is still taken
            shared.release(pid);
            drop(pipe);
        }
    }
}

fn launch(program: &[OsString], shared: &Shared) -> io::Result<Running> {
    let (first, rest) = program.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let (theirs, pipe) = io::pipe()?;
    let (answer, their_answer) = io::pipe()?;
    let mut command = Command::new(first);
    command.args(rest).stdin(Stdio::from(theirs)).stdout(Stdio::from(their_answer)).stderr(Stdio::null());
    let pid = shared.register(&mut command)?;
    drop(command); // and with it our copies of its ends
    if let Err(error) = wait_ready(answer.into()) {
        let _ = kill_process(pid, Signal::KILL);
        let pipe_of_the_dead = pipe;
        shared.release(pid);
        drop(pipe_of_the_dead);
        return Err(error);
    }
    let pipe = OwnedFd::from(pipe);
    fcntl_setfl(&pipe, fcntl_getfl(&pipe)? | OFlags::NONBLOCK)?;
    Ok(Running { pid, pipe: File::from(pipe) })
}

/// Waits for the word that the helper is deaf to signals: until then Ctrl-C would take it along.
fn wait_ready(answer: OwnedFd) -> io::Result<()> {
    let patience = Timespec { tv_sec: START_PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
    let mut ready = [PollFd::from_borrowed_fd(answer.as_fd(), PollFlags::IN)];
    if poll(&mut ready, Some(&patience))? == 0 {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "its start takes too long"));
    }
    // Bounded, and read to the line that counts: a test program says more at its start.
    let lines = BufReader::new(File::from(answer).take(4_096)).lines();
    let heard = lines.map_while(Result::ok).any(|line| line == READY);
    if heard { Ok(()) } else { Err(io::Error::other("it did not start as the guardian")) }
}
