//! The timeouts of a socket, set only when they change.

use std::io;
use std::net::TcpStream;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::wire::at_least_one_tick;

/// How long reads and writes of one socket wait. Nobody else may set that while this is in use.
#[derive(Default)]
pub(super) struct Patience {
    read: Remembered,
    write: Remembered,
}

impl Patience {
    /// Of a socket whose read timeout is `time` already.
    pub(super) fn of_read(time: Option<Duration>) -> Self {
        Self { read: Remembered(Mutex::new(Known::Time(time))), write: Remembered::default() }
    }

    pub(super) fn set_read(&self, socket: &TcpStream, time: Option<Duration>) -> io::Result<()> {
        self.read.set(time.map(at_least_one_tick), |time| socket.set_read_timeout(time))
    }

    pub(super) fn set_write(&self, socket: &TcpStream, time: Option<Duration>) -> io::Result<()> {
        self.write.set(time.map(at_least_one_tick), |time| socket.set_write_timeout(time))
    }
}

/// What is known of the value in force. The lock is held while it is set, so that the two agree.
#[derive(Default)]
struct Remembered(Mutex<Known>);

#[derive(Default, PartialEq, Eq)]
enum Known {
    /// A new socket may have been used, and an attempt may have failed.
    #[default]
    Nothing,
    /// It is this.
    Time(Option<Duration>),
}

impl Remembered {
    fn set(&self, time: Option<Duration>, apply: impl FnOnce(Option<Duration>) -> io::Result<()>) -> io::Result<()> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != Known::Time(time) {
            *known = Known::Nothing;
            apply(time)?;
            *known = Known::Time(time);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_set_when_it_changes_and_again_when_that_failed() {
        let remembered = Remembered::default();
        let mut calls = Vec::new();
        let (short, long) = (Some(Duration::from_secs(1)), Some(Duration::from_secs(2)));
        for (time, works) in [
            (None, true),
            (None, true),
            (short, true),
            (short, true),
            (long, false),
            (short, true),
            (long, true),
            (None, true),
        ] {
            let set = remembered.set(time, |time| {
                calls.push(time);
                if works { Ok(()) } else { Err(io::ErrorKind::InvalidInput.into()) }
            });
            assert_eq!(set.is_ok(), works);
        }
        assert_eq!(calls, [None, short, long, short, long, None]);
    }
}
