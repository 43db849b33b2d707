//! A room's process: whether it runs, how it has ended, and its way down.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use crate::sys::process::ladder::{Descent, Ladder, Next, terminate};
use crate::sys::process::{Child, Exit};

/// How often a process is looked at on kernels that cannot tell of its end.
const LOOK: Duration = Duration::from_millis(50);

/// How far its life has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    /// It has ended; what it has started may not have.
    Ended,
    /// Nothing of it is left.
    Gone,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// So.
    Exit(Exit),
    /// The system does not tell.
    Lost(String),
}

/// The process and everything below it.
pub(super) struct Process {
    child: Child,
    stage: Stage,
    outcome: Option<Outcome>,
    /// Its way down, and when the next look is due.
    descent: Option<(Descent, Instant)>,
    /// For what it leaves behind, from SIGTERM to SIGKILL.
    leftovers: Duration,
}

impl Process {
    pub(super) fn new(child: Child, leftovers: Duration) -> Self {
        Self { child, stage: Stage::Running, outcome: None, descent: None, leftovers }
    }

    pub(super) fn runs(&self) -> bool {
        self.stage == Stage::Running
    }

    /// Whether nothing of it is left.
    pub(super) fn is_gone(&self) -> bool {
        self.stage == Stage::Gone
    }

    pub(super) fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// Whether it is on its way down.
    pub(super) fn descends(&self) -> bool {
        self.descent.is_some()
    }

    /// Begins the way down, unless it has begun.
    pub(super) fn descend_by(&mut self, ladder: Ladder) {
        self.descent.get_or_insert_with(|| (Descent::new(ladder), Instant::now()));
    }

    /// Looks whether it has ended; true once.
    pub(super) fn has_just_ended(&mut self) -> bool {
        if self.outcome.is_some() {
            return false;
        }
        self.outcome = match self.child.exited() {
            Ok(None) => return false,
            Ok(Some(exit)) => Some(Outcome::Exit(exit)),
            Err(error) => Some(Outcome::Lost(plain(&error))),
        };
        // What is gone may have ended on its way down, unseen.
        self.stage = self.stage.max(Stage::Ended);
        match &mut self.descent {
            Some((_, due)) => *due = Instant::now(),
            None => self.descend_by(terminate(self.leftovers)),
        }
        true
    }

    /// Does what is due on the way down.
    pub(super) fn go_down(&mut self) {
        let now = Instant::now();
        if self.is_gone() {
            return;
        }
        if let Some((descent, due)) = self.descent.as_mut().filter(|(_, due)| *due <= now) {
            match self.child.descend(descent) {
                Next::Gone => self.stage = Stage::Gone,
                Next::LookAfter(pause) => *due = now + pause,
            }
        }
    }

    /// Becomes readable at its end.
    pub(super) fn handle(&self) -> Option<BorrowedFd<'_>> {
        self.child.handle().filter(|_| self.runs())
    }

    /// When it has to be looked at again, whatever happens.
    pub(super) fn look_after(&self) -> Option<Duration> {
        let due = self.descent.as_ref().filter(|_| !self.is_gone());
        let due = due.map(|(_, due)| due.saturating_duration_since(Instant::now()));
        let blind = (self.runs() && self.child.handle().is_none()).then_some(LOOK);
        [due, blind].into_iter().flatten().min()
    }
}

/// An error in words, without the system's number.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string().to_lowercase();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
