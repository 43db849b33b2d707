//! How a tunnel ends: the first reason counts, and each pump can wait for the other.

use std::fmt;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::net::websocket::codec::Violation;

/// Why a tunnel ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The client sent a close frame, with this code if any.
    ClientClosed(Option<u16>),
    /// The client's connection ended without a close frame.
    ClientEnded,
    /// The client's connection broke.
    ClientLost(String),
    /// The client answered no ping for this long.
    ClientSilent(Duration),
    /// The client broke the websocket protocol.
    Violation(Violation),
    /// The backend closed its side.
    BackendClosed,
    /// The backend's connection broke.
    BackendLost(String),
    /// The server ended it.
    Closed {
        /// Close code that the client got.
        code: u16,
        /// Reason that the client got.
        reason: String,
    },
    /// It could not be started.
    Failed(String),
}

impl End {
    /// What the client is told: code and reason.
    pub(super) fn goodbye(&self) -> Option<(u16, &str)> {
        match self {
            // RFC 6455 section 5.5.1: the answer to a close frame repeats its code.
            Self::ClientClosed(code) => code.map(|code| (code, "")),
            Self::Violation(violation) => Some((violation.code, violation.reason)),
            Self::BackendLost(why) => Some((1011, why)),
            Self::Closed { code, reason } => Some((*code, reason)),
            _ => Some((1000, "")),
        }
    }

    /// Whether the client is there to exchange goodbyes with.
    pub(super) fn is_orderly(&self) -> bool {
        !matches!(self, Self::ClientEnded | Self::ClientLost(_) | Self::ClientSilent(_))
    }

    /// Whether nothing went wrong.
    pub fn is_normal(&self) -> bool {
        matches!(self, Self::ClientClosed(_) | Self::BackendClosed | Self::Closed { .. })
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientClosed(Some(code)) => write!(f, "the client closed with {code}"),
            Self::ClientClosed(None) => write!(f, "the client closed"),
            Self::ClientEnded => write!(f, "the client was lost: its connection ended without a close frame"),
            Self::ClientLost(why) => write!(f, "the client was lost: {why}"),
            Self::ClientSilent(time) => {
                write!(f, "the client was lost: no answer to pings for {:.1} s", time.as_secs_f64())
            }
            Self::Violation(violation) => write!(f, "the client broke the protocol: {}", violation.reason),
            Self::BackendClosed => write!(f, "the backend closed"),
            Self::BackendLost(why) => write!(f, "the backend was lost: {why}"),
            Self::Closed { code, reason } => write!(f, "closed with {code}: {reason}"),
            Self::Failed(why) => write!(f, "it could not be started: {why}"),
        }
    }
}

/// One of the two threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pump {
    Up,
    Down,
}

#[derive(Default)]
pub(super) struct Ending {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    reason: Option<End>,
    /// How the backend refused what the upper pump wrote.
    refusal: Option<io::ErrorKind>,
    up_done: bool,
    down_done: bool,
    lower: Lower,
    /// Threads that wait for a change.
    waiting: usize,
}

/// Whether the lower pump is needed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Lower {
    #[default]
    Needed,
    /// The upper one could do without it.
    MayLeave,
    Left,
}

impl Ending {
    /// Gives a reason, and answers the one that counts: the first.
    pub(super) fn because(&self, end: End) -> End {
        self.lock().reason.get_or_insert(end).clone()
    }

    /// The first reason given.
    pub(super) fn reason(&self) -> End {
        let reason = self.lock().reason.clone();
        reason.unwrap_or_else(|| End::Failed("an internal error".to_owned()))
    }

    /// The backend took no more of what the upper pump wrote.
    pub(super) fn refused(&self, error: &io::Error) {
        let mut state = self.lock();
        state.refusal = Some(error.kind());
        self.tell(state);
    }

    /// How the backend refused to take more, waiting for the upper pump to say it, at most `time` or until there is a
    /// reason to end.
    pub(super) fn refusal(&self, time: Duration) -> Option<io::ErrorKind> {
        self.wait_until(time, |state| state.refusal.is_some() || state.reason.is_some()).refusal
    }

    /// The two pumps start, for the first time or again.
    pub(super) fn pair(&self) {
        let mut state = self.lock();
        (state.up_done, state.down_done, state.lower) = (false, false, Lower::Needed);
    }

    /// The lower pump may leave from now on.
    pub(super) fn rest(&self) {
        self.lock().lower = Lower::MayLeave;
    }

    /// Asked by the lower pump: whether it leaves. The other one then has the backend to itself.
    pub(super) fn leave(&self) -> bool {
        let mut state = self.lock();
        if state.lower == Lower::MayLeave {
            state.lower = Lower::Left;
        }
        state.lower == Lower::Left
    }

    /// The lower pump must not leave any more; true when it has.
    pub(super) fn wake(&self) -> bool {
        let mut state = self.lock();
        if state.lower == Lower::MayLeave {
            state.lower = Lower::Needed;
        }
        state.lower == Lower::Left
    }

    pub(super) fn done(&self, pump: Pump) {
        let mut state = self.lock();
        match pump {
            Pump::Up => state.up_done = true,
            Pump::Down => state.down_done = true,
        }
        self.tell(state);
    }

    /// Wakes those who wait, if there are any: that is a system call.
    fn tell(&self, state: MutexGuard<'_, State>) {
        let waiting = state.waiting;
        drop(state);
        if waiting > 0 {
            self.changed.notify_all();
        }
    }

    /// Waits until `pump` is done, at most `time`; true when it is.
    pub(super) fn wait(&self, pump: Pump, time: Duration) -> bool {
        let done = |state: &State| match pump {
            Pump::Up => state.up_done,
            Pump::Down => state.down_done,
        };
        done(&self.wait_until(time, done))
    }

    fn wait_until(&self, time: Duration, holds: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.waiting += 1;
        let waited = self.changed.wait_timeout_while(state, time, |state| !holds(state));
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.waiting -= 1;
        state
    }

    /// Marks `pump` as done when dropped. After a panic it also cuts the backend, so that the other pump ends.
    pub(super) fn done_on_drop<'a>(&'a self, pump: Pump, backend: &'a TcpStream) -> Done<'a> {
        Done { ending: self, pump, backend }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Done<'a> {
    ending: &'a Ending,
    pump: Pump,
    backend: &'a TcpStream,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.backend.shutdown(Shutdown::Both);
        }
        self.ending.done(self.pump);
    }
}
