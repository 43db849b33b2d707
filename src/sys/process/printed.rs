//! What a child prints, on its way to the log.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::do_not_block;
use super::output::Lines;

/// Bytes that are read before somebody else has a turn.
const AT_ONCE: usize = 64 * 1024;
/// Bytes that are read after the end, when no more should come: a whole pipe and some.
const AT_THE_END: usize = 1024 * 1024;
/// Lines that reach the log in one [`SPELL`]: the log is for everybody.
const LINES: u32 = 500;
const SPELL: Duration = Duration::from_secs(1);

/// One child's output.
pub struct Printed {
    name: String,
    from: Option<OwnedFd>,
    lines: Lines,
    budget: Budget,
}

/// How many lines were let through in the current spell.
struct Budget {
    since: Instant,
    shown: u32,
    hidden: u32,
}

impl Printed {
    /// Reads from `from`, and shows lines under `name`.
    ///
    /// # Errors
    /// The descriptor is of no use.
    pub fn new(name: String, from: OwnedFd) -> io::Result<Self> {
        do_not_block(&from)?;
        let budget = Budget { since: Instant::now(), shown: 0, hidden: 0 };
        Ok(Self { name, from: Some(from), lines: Lines::default(), budget })
    }

    /// What can be read from, while something may come.
    pub fn from(&self) -> Option<BorrowedFd<'_>> {
        self.from.as_ref().map(AsFd::as_fd)
    }

    /// Takes what is there now, within reason.
    pub fn read(&mut self) {
        self.read_up_to(AT_ONCE);
    }

    /// Takes the last of it. What the child has left behind may hold the pipe open: its end is not waited for.
    pub fn finish(&mut self) {
        self.read_up_to(AT_THE_END);
        let Self { name, lines, budget, .. } = self;
        lines.finish(|line| budget.show(name, line));
        budget.close(name);
    }

    fn read_up_to(&mut self, most: usize) {
        let Self { name, from, lines, budget } = self;
        let mut chunk = [0; 8_192];
        let mut total = 0;
        while let Some(file) = from.as_ref().filter(|_| total < most) {
            match rustix::io::read(file, &mut chunk) {
                Ok(0) => *from = None,
                Ok(count) => {
                    total += count;
                    lines.take(chunk.get(..count).unwrap_or_default(), |line| budget.show(name, line));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => *from = None,
            }
        }
    }

    /// The last lines, as the end of a sentence.
    pub fn quote(&self) -> String {
        self.lines.quote()
    }
}

impl Budget {
    fn show(&mut self, name: &str, line: &str) {
        if self.since.elapsed() >= SPELL {
            self.close(name);
            (self.since, self.shown) = (Instant::now(), 0);
        }
        if self.shown < LINES {
            self.shown += 1;
            ::log::info!("{name}: {line}");
        } else {
            self.hidden += 1;
        }
    }

    fn close(&mut self, name: &str) {
        if self.hidden > 0 {
            ::log::info!("{name}: {} more lines are not shown", self.hidden);
            self.hidden = 0;
        }
    }
}
