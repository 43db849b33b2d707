//! Processes of ours: started with a clean slate, watched without races, ended with everything they have started.
//!
//! A child leads a process group of its own and carries a cookie in its environment, which all that it starts inherits.
//! This process is the "child subreaper": whoever loses its parent below us becomes our child instead of init's. So a
//! tree can be found again (by group, by parents, by cookie), ended as a whole ([`ladder`]) and reaped; and should this
//! process be killed, a small helper ends the trees in its place ([`guardian`]).
//!
//! Nothing here knows a product.
//!
//! Sources: `prctl(2)` (`PR_SET_CHILD_SUBREAPER`), `waitid(2)` (`WNOWAIT`), `pidfd_open(2)`, `setpgid(2)`, `proc(5)`.

mod child;
pub mod guardian;
pub mod ladder;
pub mod output;
pub mod printed;
mod run;
mod table;
mod tree;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::mem;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, SigmaskHow};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{
    Pid, Resource, Rlimit, WaitId, WaitIdOptions, WaitIdStatus, getpid, getrlimit, prlimit, set_child_subreaper, waitid,
};

use super::stop::Stop;
use super::thread;
use child::Abandoned;
pub use child::{Child, Exit};
use guardian::Guardian;
pub use run::Finished;
use table::Table;

/// Name of the environment variable that marks everything an instance has started.
pub const COOKIE: &str = "BERTH_INSTANCE";

/// How often orphans that ended by themselves are looked for: one system call each time when there are none.
const REAP_EVERY: Duration = Duration::from_millis(500);

/// What is to be started.
#[derive(Debug)]
pub struct Spawn {
    /// The program (a path, or a name that PATH knows) and its arguments.
    pub argv: Vec<OsString>,
    /// What it is to think its name is (`argv[0]`); `None` is the program as given.
    pub name: Option<OsString>,
    /// Working directory; `None` is ours.
    pub cwd: Option<PathBuf>,
    /// Whether it gets our environment.
    pub inherits: bool,
    /// Additions to that.
    pub env: Vec<(OsString, OsString)>,
    /// Variables of ours that it must not see.
    pub unset: Vec<OsString>,
    /// Standard input.
    pub stdin: Stdio,
    /// Standard output.
    pub stdout: Stdio,
    /// Standard error.
    pub stderr: Stdio,
    /// Its soft limit of open files (see [`descriptors`]); `None` is ours.
    pub descriptors: Option<u64>,
    /// What the guardian does first when this process is killed.
    pub orphaned: Orphaned,
    /// Where the rest of its tree is looked for.
    pub seek: Seek,
}

/// Where the rest of a tree is looked for when its leader has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seek {
    /// Among all processes of the machine: by group, parents and cookie. That reads all of `/proc`.
    Everywhere,
    /// Among our own descendants first: where there are no orphans nothing is left. For children that come and go by the
    /// thousand. What was started by somebody else on their behalf is not found.
    Descendants,
}

/// How a tree is ended by the guardian when its server has died without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orphaned {
    /// SIGTERM at once.
    Terminate,
    /// It sees the end of its standard input, ends by itself, and gets the time for that.
    EndsByItself,
}

impl Spawn {
    /// `argv` with nothing on its standard streams.
    pub fn new(argv: Vec<OsString>) -> Self {
        Self {
            argv,
            name: None,
            cwd: None,
            inherits: true,
            env: Vec::new(),
            unset: Vec::new(),
            stdin: Stdio::null(),
            stdout: Stdio::null(),
            stderr: Stdio::null(),
            descriptors: None,
            orphaned: Orphaned::Terminate,
            seek: Seek::Everywhere,
        }
    }
}

/// The soft limit of open files, to be asked for before this process raises its own: programs that use `select(2)`, or
/// that close everything they might have inherited, suffer from a high one (`getrlimit(2)`).
pub fn descriptors() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// All children of this process. There must be one of these at most, since it reaps whatever it does not know.
pub struct Processes {
    shared: Arc<Shared>,
    stop: Stop,
    reaper: Option<JoinHandle<()>>,
}

/// What children and the reaper share.
struct Shared {
    /// Held for reading from before a child exists until it is known: the reaper stays away meanwhile.
    spawning: RwLock<()>,
    /// Ids whose status belongs to a [`Child`]; nobody else may wait for them.
    known: Mutex<HashSet<i32>>,
    /// The latest view of all processes, so that many trees that end at once read `/proc` once.
    view: Mutex<Option<(Instant, Arc<Table>)>>,
    guardian: Option<Guardian>,
    /// Children that were dropped, until nothing of them is left. The reaper sees to that.
    abandoned: Mutex<Vec<Abandoned>>,
}

impl Processes {
    /// Makes this process the one that orphans come to, and starts the thread that reaps them.
    ///
    /// `guardian` is the command line of the helper (see [`guardian::command`]); `None` does without.
    ///
    /// # Errors
    /// The thread cannot be made.
    pub fn start(guardian: Option<Vec<OsString>>) -> io::Result<Self> {
        if let Err(error) = set_child_subreaper(Some(getpid())) {
            log::warn!("processes that leave their parent cannot be adopted: {error}");
        }
        let shared = Arc::new(Shared {
            spawning: RwLock::new(()),
            known: Mutex::new(HashSet::new()),
            view: Mutex::new(None),
            guardian: guardian.map(Guardian::new),
            abandoned: Mutex::new(Vec::new()),
        });
        let stop = Stop::default();
        let (theirs, asked) = (Arc::clone(&shared), stop.clone());
        let reaper = thread::spawn("reaper", move || reap_orphans(&theirs, &asked))?;
        if let Some(guardian) = &shared.guardian {
            guardian.ensure(&shared);
        }
        Ok(Self { shared, stop, reaper: Some(reaper) })
    }

    /// Starts a child in a process group of its own, with no signal blocked and a cookie of its own.
    ///
    /// # Errors
    /// The system's, when the program cannot be started.
    pub fn spawn(&self, spawn: Spawn) -> io::Result<Child> {
        let cookie = uuid::Uuid::new_v4().to_string();
        let (orphaned, seek) = (spawn.orphaned, spawn.seek);
        if let Some(guardian) = &self.shared.guardian {
            guardian.ensure(&self.shared);
            // Before the child exists: the cookie finds it even if we die between here and the next line.
            guardian.add(&cookie, orphaned);
        }
        match self.shared.spawn(spawn, &cookie) {
            Ok(pid) => {
                if let Some(guardian) = &self.shared.guardian {
                    guardian.leads(&cookie, pid);
                }
                Ok(Child::new(pid, cookie, seek, Arc::clone(&self.shared)))
            }
            Err(error) => {
                if let Some(guardian) = &self.shared.guardian {
                    guardian.remove(&cookie);
                }
                Err(error)
            }
        }
    }

    /// Id of the guardian, while there is one.
    pub fn guardian(&self) -> Option<Pid> {
        self.shared.guardian.as_ref().and_then(Guardian::pid)
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.stop.request("dropped");
        if let Some(reaper) = self.reaper.take() {
            drop(reaper.join()); // a panic in it was logged
        }
        // They were sent SIGKILL; what survives even that is the guardian's.
        lock(&self.shared.abandoned).drain(..).for_each(Abandoned::forget);
        if let Some(guardian) = &self.shared.guardian {
            guardian.dismiss(&self.shared);
        }
    }
}

/// Makes reads from `file`, or writes to it, return at once.
///
/// # Errors
/// The descriptor is of no use.
pub fn do_not_block(file: impl AsFd) -> io::Result<()> {
    Ok(fcntl_setfl(&file, fcntl_getfl(&file)? | OFlags::NONBLOCK)?)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The state of a child that has ended, left in place for others to see: its id stays taken.
fn peek(pid: Pid) -> io::Result<Option<WaitIdStatus>> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(pid), options)?)
}

impl Shared {
    /// Starts `spawn` and takes note of its id before anybody could reap it.
    fn spawn(&self, spawn: Spawn, cookie: &str) -> io::Result<Pid> {
        let descriptors = spawn.descriptors;
        let mut command = command(spawn)?;
        command.env(COOKIE, cookie).process_group(0);
        let pid = self.register(&mut command)?;
        if descriptors.is_some() {
            let limit = Rlimit { current: descriptors, maximum: getrlimit(Resource::Nofile).maximum };
            // From outside, since code between fork and exec would be `unsafe`: the first instructions of the child may
            // still see ours. A refusal costs nothing that the child could not live without.
            let _ = prlimit(Some(pid), Resource::Nofile, limit);
        }
        Ok(pid)
    }

    /// Starts `command`, whose status nobody but its owner may take from then on.
    fn register(&self, command: &mut Command) -> io::Result<Pid> {
        let guard = self.spawning.read().unwrap_or_else(PoisonError::into_inner);
        // A child inherits the mask of the thread that makes it (std leaves it alone), and one that blocks SIGTERM
        // could not be asked to end. Signals that arrive here meanwhile go to another thread or wait for nothing.
        let before = SigSet::empty().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
        let child = command.spawn();
        before.thread_set_mask()?;
        let pid = Pid::from_child(&child?);
        lock(&self.known).insert(pid.as_raw_pid());
        drop(guard);
        Ok(pid)
    }

    /// Takes the status of a known child that has ended: its id may be used again from now on.
    fn release(&self, pid: Pid) {
        let mut known = lock(&self.known);
        // An error only means that there is nothing to reap.
        let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        known.remove(&pid.as_raw_pid());
    }

    /// Reaps `pid` if it is a dead child that nobody here has started. False when that has to be tried again.
    fn reap_orphan(&self, pid: Pid) -> bool {
        let Ok(_alone) = self.spawning.try_write() else { return false };
        let known = lock(&self.known);
        if !known.contains(&pid.as_raw_pid()) {
            let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG); // gone is what is wanted
        }
        true
    }

    /// Takes over a tree that was sent SIGKILL and may not be gone yet.
    fn abandon(&self, child: Child) {
        lock(&self.abandoned).push(Abandoned::new(child));
    }

    /// Whether no orphan has come to us that is not reaped. False where the system does not tell.
    ///
    /// A process that loses its parent comes to the first thread of the nearest subreaper, which is ours (`prctl(2)`), and
    /// stands in the list of that thread's children (`proc_pid_task_tid_children(5)`) with those that it has started.
    fn has_no_orphans(&self) -> bool {
        let known = lock(&self.known);
        table::children_of_first_thread().is_some_and(|children| children.iter().all(|child| known.contains(child)))
    }

    /// All processes as they were at `since` or later.
    fn view(&self, since: Instant) -> io::Result<Arc<Table>> {
        let mut view = lock(&self.view);
        if let Some((_, table)) = view.as_ref().filter(|(taken, _)| *taken >= since) {
            return Ok(Arc::clone(table));
        }
        let taken = Instant::now();
        let table = Arc::new(Table::read(COOKIE)?);
        *view = Some((taken, Arc::clone(&table)));
        Ok(table)
    }
}

fn command(spawn: Spawn) -> io::Result<Command> {
    let mut words = spawn.argv.into_iter();
    let program = words.next().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no program is named"))?;
    let mut command = Command::new(program);
    if let Some(name) = spawn.name {
        command.arg0(name);
    }
    if !spawn.inherits {
        command.env_clear();
    }
    command.args(words).envs(spawn.env).stdin(spawn.stdin).stdout(spawn.stdout).stderr(spawn.stderr);
    for name in spawn.unset {
        command.env_remove(name);
    }
    if let Some(cwd) = spawn.cwd {
        command.current_dir(cwd);
    }
    Ok(command)
}

/// Reaps orphans that came to us and ended by themselves, until `stop`; and sees that there is a guardian.
///
/// Only what was dead at two looks in a row is reaped: a library that starts and waits for a process of its own keeps it.
fn reap_orphans(shared: &Shared, stop: &Stop) {
    let mut before: HashSet<(i32, u64)> = HashSet::new();
    while !stop.wait_timeout(REAP_EVERY) {
        if let Some(guardian) = &shared.guardian {
            guardian.ensure(shared);
        }
        // Out of the list meanwhile, because whoever drops a child must not wait for this.
        let mut abandoned = mem::take(&mut *lock(&shared.abandoned));
        abandoned.retain_mut(Abandoned::is_left);
        lock(&shared.abandoned).append(&mut abandoned);
        let any = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if !matches!(waitid(WaitId::All, any), Ok(Some(_))) {
            before.clear();
            continue;
        }
        let Ok(dead) = Table::dead_children_of(getpid()) else { continue };
        let now: HashSet<(i32, u64)> = dead.iter().map(|process| (process.pid, process.start)).collect();
        for (pid, _) in now.intersection(&before) {
            if let Some(pid) = Pid::from_raw(*pid) {
                shared.reap_orphan(pid);
            }
        }
        before = now;
    }
}
