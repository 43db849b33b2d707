//! What becomes of bytes that are written.

use std::io;

/// What happened while a write waited for the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The kernel took this many bytes.
    Wrote(usize),
    /// Nothing moved for the socket's write timeout.
    Stalled,
}

/// Decides, at each step of a blocking write, whether to go on.
pub type Watch<'a> = &'a mut dyn FnMut(Progress) -> io::Result<()>;

/// What became of a frame that could not wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// It is on its way.
    Sent,
    /// Nothing was written: another thread is writing.
    Busy,
    /// Nothing was written: the peer takes nothing just now.
    Full,
}

/// What became of bytes that were offered without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// All of them are on their way.
    Taken,
    /// The first of them are; the rest is kept and goes before anything else. Somebody has to wait for that:
    /// [`super::Transport::write_all`] of nothing does.
    Begun,
    /// None: the peer takes nothing just now, or another thread is writing.
    Refused,
}

/// Gives up at the first stall: the write timeout is the deadline.
pub fn no_patience(progress: Progress) -> io::Result<()> {
    match progress {
        Progress::Wrote(_) => Ok(()),
        Progress::Stalled => Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")),
    }
}
