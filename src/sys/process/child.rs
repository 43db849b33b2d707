//! One child, from its start until nothing of its tree is left.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, WaitIdStatus, getpid, pidfd_open};

use super::ladder::{Body, Descent, Next, terminate};
use super::tree::{self, Tree};
use super::{Seek, Shared, lock, peek};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    fn from_status(status: &WaitIdStatus) -> Self {
        match status.terminating_signal() {
            Some(signal) => Self::Signal(signal),
            None => Self::Code(status.exit_status().unwrap_or_default()),
        }
    }
}

impl Display for Exit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(number) => match nix::sys::signal::Signal::try_from(*number) {
                Ok(signal) => write!(f, "killed by {}", signal.as_str()),
                Err(_) => write!(f, "killed by signal {number}"),
            },
        }
    }
}

/// A child and everything it has started.
///
/// Its status is left with the kernel until the whole tree is gone, so its id, which is also the group's, cannot become
/// another process's meanwhile. Dropping it kills the tree without grace, and does not wait for that.
pub struct Child {
    pid: Pid,
    handle: Option<OwnedFd>,
    tree: Tree,
    seek: Seek,
    shared: Arc<Shared>,
    /// How it ended, once that was seen on its way down.
    exit: Option<Exit>,
    gone: bool,
}

impl Child {
    pub(super) fn new(pid: Pid, cookie: String, seek: Seek, shared: Arc<Shared>) -> Self {
        // The id is still taken, even if the child has ended: nobody but us may reap it.
        let handle = pidfd_open(pid, PidfdFlags::empty()).ok();
        Self { pid, handle, tree: Tree::new(Some(pid), cookie), seek, shared, exit: None, gone: false }
    }

    /// Its process id, which is also the id of its group.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// What marks its tree: the value of [`super::COOKIE`].
    pub fn cookie(&self) -> &str {
        &self.tree.cookie
    }

    /// Becomes readable when the child ends. `None` on kernels before 5.3: look at [`Child::exited`] now and then.
    pub fn handle(&self) -> Option<BorrowedFd<'_>> {
        self.handle.as_ref().map(AsFd::as_fd)
    }

    /// As it is on a kernel without handles.
    #[cfg(test)]
    pub(crate) fn without_handle(mut self) -> Self {
        self.handle = None;
        self
    }

    /// How the child ended, if it has; may be asked as often as one likes.
    ///
    /// # Errors
    /// The system's; the child is not ours any more then.
    pub fn exited(&self) -> io::Result<Option<Exit>> {
        if self.gone {
            return self.exit.map(Some).ok_or_else(|| io::Error::from(rustix::io::Errno::CHILD));
        }
        Ok(peek(self.pid)?.as_ref().map(Exit::from_status))
    }

    /// Does what is due on the way down, without waiting. After [`Next::Gone`] nothing is left, not even a zombie.
    pub fn descend(&mut self, descent: &mut Descent) -> Next {
        if self.gone {
            return Next::Gone;
        }
        let next = descent.advance(Instant::now(), self);
        if next == Next::Gone {
            self.finish();
        }
        next
    }

    /// Forgets the child, whose id may be used again from here on.
    fn finish(&mut self) {
        self.gone = true;
        self.shared.release(self.pid);
        if let Some(guardian) = &self.shared.guardian {
            guardian.remove(&self.tree.cookie);
        }
    }
}

impl Body for Child {
    fn leader_is_gone(&mut self) -> bool {
        match peek(self.pid) {
            Ok(None) => false,
            Ok(Some(status)) => {
                // On the way down it may be seen here first, and reaped before anybody else asks.
                self.exit = Some(Exit::from_status(&status));
                true
            }
            // It is not our child any more, which is as gone as can be.
            Err(_) => true,
        }
    }

    fn count(&mut self, now: Instant) -> usize {
        if self.seek == Seek::Descendants && self.shared.has_no_orphans() {
            return 0;
        }
        let Ok(table) = self.shared.view(now) else {
            // Without /proc nobody can be asked: the rest of the group ends with its leader.
            tree::to_group(self.pid, Signal::KILL);
            return 0;
        };
        let (own, leader) = (getpid().as_raw_pid(), self.pid.as_raw_pid());
        let mut count = 0;
        for process in self.tree.members(&table) {
            if !process.dead {
                count += 1;
                self.tree.catch_up(process);
            } else if process.parent == own && process.pid != leader {
                // It came to us when its parent ended. Dead or not yet reaped is all the same to the count, unless the
                // reaper is kept away just now: then it is looked at again.
                let reaped = Pid::from_raw(process.pid).is_none_or(|pid| self.shared.reap_orphan(pid));
                count += usize::from(!reaped);
            }
        }
        if count > 0 {
            return count;
        }
        // Orphans come to us, and one may be between two programs just now.
        let known = lock(&self.shared.known).clone();
        let orphans = table.processes.iter().filter(|process| process.parent == own && !known.contains(&process.pid));
        self.tree.doubtful(now, orphans)
    }

    fn signal(&mut self, signal: Signal, now: Instant) {
        // Looked at before, while those who are known by their parents alone have parents.
        if let Ok(table) = self.shared.view(now) {
            self.tree.members(&table);
        }
        // The group as one, so that no fork escapes. Its id is taken as long as the child is not reaped.
        tree::to_group(self.pid, signal);
        // And looked at after that: who left the group before the signal came is seen outside of it now.
        if let Ok(table) = self.shared.view(Instant::now()) {
            self.tree.signal(&table, signal, Some(self.pid));
        }
    }

    fn name(&self) -> String {
        format!("process group {}", self.pid)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.gone {
            return;
        }
        self.signal(Signal::KILL, Instant::now());
        let tree = mem::replace(&mut self.tree, Tree::new(None, String::new()));
        let rest = Self {
            pid: self.pid,
            handle: None,
            tree,
            seek: self.seek,
            shared: Arc::clone(&self.shared),
            exit: None,
            gone: false,
        };
        self.gone = true;
        self.shared.abandon(rest);
    }
}

/// A child that nobody watches any more, until its tree is gone.
pub(super) struct Abandoned {
    child: Child,
    descent: Descent,
}

impl Abandoned {
    pub(super) fn new(child: Child) -> Self {
        Self { child, descent: Descent::new(terminate(Duration::ZERO)) }
    }

    /// Whether there is something left to be killed.
    pub(super) fn is_left(&mut self) -> bool {
        self.child.descend(&mut self.descent) != Next::Gone
    }

    /// Leaves the rest to whoever comes after this process.
    pub(super) fn forget(mut self) {
        self.child.gone = true;
    }
}
