//! A short-lived program and what it says, within a time.

use std::io::{self, Read};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::ladder::{Descent, Next, terminate};
use super::{Exit, Processes, Spawn};

/// Bytes of output that are kept.
const MOST_OUTPUT: usize = 64 * 1024;
/// How often the program itself is looked at while it says nothing.
const TICK: Duration = Duration::from_millis(20);

/// What came of a program that was run to its end.
#[derive(Debug, PartialEq, Eq)]
pub struct Finished {
    /// How it ended; `None` when it was ended for taking too long.
    pub exit: Option<Exit>,
    /// The first of what it wrote to its standard output and error.
    pub output: String,
}

impl Processes {
    /// Runs a program to its end, `patience` at most, and leaves nothing of it behind.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn run(&self, mut spawn: Spawn, patience: Duration) -> io::Result<Finished> {
        let deadline = Instant::now() + patience;
        let (mut ours, theirs) = io::pipe()?;
        (spawn.stdout, spawn.stderr) = (Stdio::from(theirs.try_clone()?), Stdio::from(theirs));
        let mut child = self.spawn(spawn)?;
        let mut said = Vec::new();
        let mut chunk = [0; 4_096];
        let tick = Timespec { tv_sec: 0, tv_nsec: TICK.subsec_nanos().into() };
        let mut exit = None;
        let mut open = true;
        while Instant::now() < deadline && said.len() < MOST_OUTPUT && (open || exit.is_none()) {
            // A closed pipe would be reported at every look.
            let mut watched: Vec<PollFd<'_>> = open.then(|| PollFd::new(&ours, PollFlags::IN)).into_iter().collect();
            let ready = poll(&mut watched, Some(&tick))? > 0;
            if ready {
                let count = ours.read(&mut chunk)?;
                open = count > 0;
                said.extend_from_slice(chunk.get(..count).unwrap_or_default());
            }
            exit = child.exited()?;
            // What it has left behind may hold the pipe open; it is not waited for.
            open &= ready || exit.is_none();
        }
        let mut descent = Descent::new(terminate(Duration::ZERO));
        while let Next::LookAfter(pause) = child.descend(&mut descent) {
            std::thread::sleep(pause);
        }
        Ok(Finished { exit, output: String::from_utf8_lossy(&said).into_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DEADLINE, processes};
    use super::*;

    fn run(script: &str, patience: Duration) -> Finished {
        let spawn = Spawn::new(vec!["sh".into(), "-c".into(), script.into()]);
        processes().run(spawn, patience).unwrap()
    }

    #[test]
    fn it_says_what_it_has_to_say() {
        let finished = |code, output: &str| Finished { exit: Some(Exit::Code(code)), output: output.to_owned() };
        assert_eq!(run("echo 3.8; echo no >&2; exit 4", DEADLINE), finished(4, "3.8\nno\n"));
        assert_eq!(run("exec >&- 2>&-; exit 2", DEADLINE), finished(2, ""));
        assert_eq!(run("echo a; sleep 1000 &", DEADLINE), finished(0, "a\n"));
    }

    #[test]
    fn it_has_only_so_much_time_and_room() {
        let hung = run("echo a; sleep 1000", Duration::from_millis(300));
        assert_eq!(hung, Finished { exit: None, output: "a\n".to_owned() });
        assert!(run("yes", DEADLINE).output.len() <= MOST_OUTPUT + 4_096);
    }
}
