//! The life of one instance, on its own thread: everything it does and everything asked of it arrives at one `poll`.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;

use super::plan::{Kept, Plan, plan};
use super::talk::{self, Talk, Word};
use super::{Context, Order, Reporter};
use crate::sys::bell::Bell;
use crate::sys::process::ladder::{Descent, Ladder, Next, terminate};
use crate::sys::process::printed::Printed;
use crate::sys::process::{Child, Exit};

/// How often a child is looked at on kernels that cannot tell of its end.
const LOOK: Duration = Duration::from_millis(50);

/// Launches, watches, ends.
pub(super) fn run(order: &Order, context: &Context, bell: &Bell, reporter: &mut Reporter) {
    let name = format!("{} #{}", order.spec.name, order.index);
    if bell.is_rung() {
        return; // nobody wants it any more
    }
    match begin(order, context, &name, reporter) {
        Ok(mut instance) => {
            ::log::info!("{name}: launch {} is process {}", order.launch, instance.child.pid());
            instance.watch(bell, reporter);
            ::log::info!("{name}: launch {} is gone", order.launch);
        }
        Err(reason) => {
            ::log::warn!("{name}: launch {} failed: {reason}", order.launch);
            reporter.exited(reason, true);
        }
    }
}

struct Instance {
    name: String,
    child: Child,
    output: Printed,
    talk: Option<Talk>,
    /// How it is ended; `None` once that has begun.
    ladder: Option<Ladder>,
    /// From SIGTERM to SIGKILL for what is left when it has ended by itself.
    leftovers: Duration,
    /// The way down, and when the next look is due.
    descent: Option<(Descent, Instant)>,
    asked: bool,
    ended: bool,
    /// Whether there is nothing to be started any more: it has, or it has failed.
    settled: bool,
    /// Last, because it is given back when the process is gone.
    _kept: Kept,
}

fn begin(order: &Order, context: &Context, name: &str, reporter: &mut Reporter) -> Result<Instance, String> {
    let Plan { mut spawn, logs_output, started, talk, ladder, kept } = plan(order, context)?;
    let cannot = |error: io::Error| format!("cannot be launched: {error}");
    let (from, theirs) = io::pipe().map_err(cannot)?;
    if logs_output {
        spawn.stdout = Stdio::from(theirs.try_clone().map_err(cannot)?);
    }
    spawn.stderr = Stdio::from(theirs);
    let output = Printed::new(name.to_owned(), from.into()).map_err(cannot)?;
    let program = spawn.argv.first().map(|program| program.display().to_string()).unwrap_or_default();
    let child = context.processes.spawn(spawn);
    let child = child.map_err(|error| format!("cannot start {program}: {}", error.to_string().to_lowercase()))?;
    let settled = started.is_some();
    if let Some(started) = started {
        reporter.started(started);
    }
    let leftovers = if talk.is_some() { context.graces.leftovers } else { context.graces.program };
    let (name, ladder) = (name.to_owned(), Some(ladder));
    let (descent, asked, ended) = (None, false, false);
    Ok(Instance { name, child, output, talk, ladder, leftovers, descent, asked, ended, settled, _kept: kept })
}

impl Instance {
    /// Until nothing of it is left.
    fn watch(&mut self, bell: &Bell, reporter: &mut Reporter) {
        loop {
            // First: after a stop nothing is reported as started.
            if !self.asked && bell.is_rung() {
                self.asked = true;
                self.go_down();
            }
            self.output.read();
            self.listen(reporter);
            self.look_at_leader(reporter);
            let now = Instant::now();
            if let Some((descent, due)) = self.descent.as_mut().filter(|(_, due)| *due <= now) {
                match self.child.descend(descent) {
                    Next::Gone => break,
                    Next::LookAfter(pause) => *due = now + pause,
                }
            }
            self.wait(bell);
        }
        self.output.finish();
    }

    /// Sleeps until something happens or is due.
    fn wait(&self, bell: &Bell) {
        let due = self.descent.as_ref().map(|(_, due)| due.saturating_duration_since(Instant::now()));
        let timeout = match (due, self.child.handle()) {
            (None, None) => Some(LOOK),
            (due, _) => due,
        };
        let bell = (!self.asked).then(|| bell.as_fd());
        let end = self.child.handle().filter(|_| !self.ended);
        let to = self.talk.as_ref().and_then(Talk::to);
        let from = self.talk.as_ref().and_then(Talk::from);
        let readable = [bell, end, from, self.output.from()].into_iter().flatten();
        let mut files: Vec<PollFd<'_>> = readable.map(|file| watch_for(file, PollFlags::IN)).collect();
        files.extend(to.map(|file| watch_for(file, PollFlags::OUT)));
        let timeout = timeout.and_then(|time| Timespec::try_from(time).ok());
        // Whatever it says: everything is looked at again, without waiting.
        if poll(&mut files, timeout.as_ref()).is_err() {
            std::thread::yield_now();
        }
    }

    /// Takes in what a script's host says.
    fn listen(&mut self, reporter: &mut Reporter) {
        for word in self.talk.as_mut().map(Talk::exchange).unwrap_or_default() {
            match word {
                Word::Started { host, port, endpoints } if !self.settled && !self.asked => {
                    self.settled = true;
                    reporter.started(talk::started(host, port, endpoints));
                }
                Word::Failed(reason) if !self.asked => {
                    self.settled = true;
                    ::log::warn!("{}: {reason}", self.name);
                    reporter.exited(reason, true);
                    self.go_down();
                }
                Word::Started { .. } | Word::Failed(_) => {}
            }
        }
    }

    /// Notices that the process has ended, which is its own doing unless it was asked to.
    fn look_at_leader(&mut self, reporter: &mut Reporter) {
        if self.ended {
            return;
        }
        let (how, well) = match self.child.exited() {
            Ok(None) => return,
            Ok(Some(exit)) => (exit.to_string(), exit == Exit::Code(0)),
            Err(error) => (format!("is lost: {error}"), false),
        };
        self.ended = true;
        self.output.finish();
        // Its last words may have come in between.
        self.listen(reporter);
        if self.descent.is_none() {
            let when = if self.settled { "" } else { " before start() returned" };
            let reason = format!("{how}{when}{}", self.output.quote());
            let failed = !(well && self.settled);
            ::log::log!(if failed { ::log::Level::Warn } else { ::log::Level::Info }, "{}: {reason}", self.name);
            reporter.exited(reason, failed);
            self.descend_by(terminate(self.leftovers));
        } else if let Some((_, due)) = &mut self.descent {
            *due = Instant::now();
        }
    }

    /// Begins the way down, unless it has begun.
    fn go_down(&mut self) {
        if let Some(talk) = &mut self.talk {
            talk.say(&json!({"stop": {}}));
        }
        if let Some(ladder) = self.ladder.take() {
            self.descend_by(ladder);
        }
    }

    fn descend_by(&mut self, ladder: Ladder) {
        self.ladder = None;
        self.descent.get_or_insert_with(|| (Descent::new(ladder), Instant::now()));
    }
}

fn watch_for(file: BorrowedFd<'_>, flags: PollFlags) -> PollFd<'_> {
    PollFd::from_borrowed_fd(file, flags)
}

#[cfg(test)]
mod tests {
    use super::super::Report;
    use super::*;
    use crate::sys::process::Spawn;
    use crate::sys::process::testing::{DEADLINE, processes};
    use crossbeam_channel::bounded;

    #[test]
    fn an_end_is_noticed_on_kernels_that_cannot_tell_of_it() {
        for (script, rung, expected) in [("exit 3", false, Some("exited with code 3")), ("sleep 1000", true, None)] {
            let spawn = Spawn::new(vec!["sh".into(), "-c".into(), script.into()]);
            let child = processes().spawn(spawn).unwrap().without_handle();
            let (from, _) = io::pipe().unwrap();
            let mut instance = Instance {
                name: "S #0".to_owned(),
                child,
                output: Printed::new("S #0".to_owned(), from.into()).unwrap(),
                talk: None,
                ladder: Some(terminate(DEADLINE)),
                leftovers: DEADLINE,
                descent: None,
                asked: false,
                ended: false,
                settled: true,
                _kept: Kept::default(),
            };
            let (to, reports) = bounded(4);
            let to = Box::new(move |report| to.send(report).unwrap());
            let mut reporter = Reporter { to, started: true, exited: false, gone: false };
            let bell = Bell::new().unwrap();
            if rung {
                bell.ring();
            }
            instance.watch(&bell, &mut reporter);
            drop(reporter);
            let said: Vec<Report> = reports.iter().collect();
            let reason = said.iter().find_map(|report| match report {
                Report::Exited { reason, .. } => Some(reason.as_str()),
                _ => None,
            });
            assert_eq!(reason, expected);
            assert!(matches!(said.last(), Some(Report::Gone)));
        }
    }
}
