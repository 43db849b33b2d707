//! What waits for the command: a [`Backlog`] in front of its standard input, or of the connection to it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::Shutdown;

use super::backlog::{Backlog, Offer, Outlet};
use super::mailbox::Pace;

/// The queue to a command.
pub(super) type Input = Backlog<Feed>;

/// How often a thread that waits for the command looks whether it still should: the command's end wakes it anyway,
/// unless somebody else holds the other end of the pipe.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };

/// The outlet to a command. Its descriptor does not block.
pub(super) struct Feed {
    /// `None` once it is closed.
    to: Mutex<Option<Arc<OwnedFd>>>,
    /// A connection is shut and not only closed, because it is read from too.
    is_socket: bool,
    course: Arc<Course>,
    /// The room's thread waits for the end of the input.
    pace: Arc<Pace>,
}

/// How the input gets on, for the room's thread.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// Bytes that the command took from a thread that waited for it.
    pub(super) written: AtomicU64,
    /// Nobody cares any more whether anything arrives.
    pub(super) given_up: AtomicBool,
}

impl Feed {
    /// Writes to `to`, which is a connection or a pipe.
    pub(super) fn new(to: Arc<OwnedFd>, is_socket: bool, course: Arc<Course>, pace: Arc<Pace>) -> Self {
        Self { to: Mutex::new(Some(to)), is_socket, course, pace }
    }

    fn to(&self) -> io::Result<Arc<OwnedFd>> {
        let to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        to.clone().ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

/// Writes what is taken without waiting.
fn write_now(to: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match rustix::io::write(to, bytes) {
            Ok(count) => return Ok(count),
            Err(Errno::AGAIN) => return Ok(0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

impl Outlet for Feed {
    fn offer(&self, bytes: &[u8]) -> io::Result<Offer> {
        let count = write_now(&*self.to()?, bytes)?;
        Ok(if count == bytes.len() { Offer::All } else { Offer::Part(count) })
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let to = self.to()?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = write_now(&to, rest)?;
            rest = rest.get(count..).unwrap_or_default();
            if count > 0 {
                self.course.written.fetch_add(count as u64, Ordering::Relaxed);
                continue;
            }
            if self.course.given_up.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            // Whatever it says: the next write tells more.
            let _ = poll(&mut [PollFd::new(&*to, PollFlags::OUT)], Some(&LOOK));
        }
        Ok(())
    }

    fn finish(&self) {
        let to = self.to.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(to) = to.filter(|_| self.is_socket) {
            // It may be closed already.
            let _ = rustix::net::shutdown(&*to, Shutdown::Write);
        }
        self.pace.bell.ring();
    }

    fn drained(&self, _waiting: usize) {}
}
