//! Wakes a thread that waits in `poll`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// Something that can be rung from any thread, and stays rung until it is muted (`eventfd(2)`).
#[derive(Debug)]
pub struct Bell(OwnedFd);

impl Bell {
    /// A bell that is silent.
    ///
    /// # Errors
    /// There is no descriptor left.
    pub fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Wakes whoever waits, now or later.
    pub fn ring(&self) {
        // It can only fail when it has been rung nearly 2^64 times.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Whether it has been rung.
    pub fn is_rung(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut files = [PollFd::new(&self.0, PollFlags::IN)];
        poll(&mut files, Some(&now)).is_ok_and(|count| count > 0)
    }

    /// Makes it silent again; what it was rung for is looked at after that.
    pub fn mute(&self) {
        // It fails when it was not rung.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_rung_until_it_is_muted() {
        let bell = Bell::new().unwrap();
        assert!(!bell.is_rung());
        bell.ring();
        bell.ring();
        assert!(bell.is_rung() && bell.is_rung());
        bell.mute();
        assert!(!bell.is_rung());
    }
}
