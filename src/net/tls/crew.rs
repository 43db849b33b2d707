//! The threads that do the arithmetic of TLS handshakes.
//!
//! OpenSSL keeps two random generators for each thread that needs random numbers, and the allocator keeps what a thread
//! has freed: together 10 KiB, and 5 % of a handshake's instructions, for every connection that did its handshake on its
//! own thread. No more handshakes go on at a time than there are cores anyway, so a few threads do those of all
//! connections, one step at a time. They never wait for a client: the connection's own thread receives and sends.

use std::io;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, bounded};

use crate::sys::thread;

/// Steps that may wait; who finds no room waits with them.
const QUEUE: usize = 256;
/// More threads than this would be idle but for a flood of handshakes.
const MOST_THREADS: usize = 16;

type Step = Box<dyn FnOnce() + Send>;

/// Threads for the steps of handshakes, one per core. Dropping it ends them.
pub(crate) struct Crew {
    /// `None` only while it is dropped.
    steps: Option<Sender<Step>>,
    threads: Vec<JoinHandle<()>>,
}

impl Crew {
    /// Starts the threads.
    pub(crate) fn start() -> io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
        let (steps, inbox) = bounded(QUEUE);
        let start = |number| {
            let inbox = inbox.clone();
            thread::spawn(&format!("tls {number}"), move || work(&inbox))
        };
        let threads = (1..=count).map(start).collect::<io::Result<_>>()?;
        Ok(Self { steps: Some(steps), threads })
    }

    /// Runs `step` on one of the threads and waits for its result, until `deadline`.
    pub(crate) fn run<T, F>(&self, deadline: Instant, step: F) -> io::Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (answer, result) = bounded(1);
        // Who asked may have given up by now, which is no fault of the step.
        let step: Step = Box::new(move || drop(answer.send(step())));
        let steps = self.steps.as_ref().ok_or_else(ended)?;
        steps.send_deadline(step, deadline).map_err(|error| match error {
            SendTimeoutError::Timeout(_) => busy(),
            SendTimeoutError::Disconnected(_) => ended(),
        })?;
        result.recv_deadline(deadline).map_err(|error| match error {
            RecvTimeoutError::Timeout => busy(),
            RecvTimeoutError::Disconnected => ended(),
        })
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.steps = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work(inbox: &Receiver<Step>) {
    for step in inbox {
        // A fault in one handshake costs that one, not the thread that others need. The hook has logged it.
        let _ = catch_unwind(AssertUnwindSafe(step));
    }
}

fn busy() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took too long")
}

fn ended() -> io::Error {
    io::Error::other("the TLS handshake broke off")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn a_step_runs_on_a_thread_of_the_crew() {
        let crew = Crew::start().unwrap();
        let name = crew.run(soon(), || std::thread::current().name().map(str::to_owned)).unwrap();
        assert!(name.unwrap().starts_with("tls "));
    }

    #[test]
    fn a_panic_costs_its_own_step_only() {
        let crew = Crew::start().unwrap();
        // More than there are threads: each of them has to survive.
        for _ in 0..2 * MOST_THREADS {
            let error = crew.run(soon(), || panic!("a fault that a test makes")).map(|(): ()| ()).unwrap_err();
            assert_eq!(error.to_string(), "the TLS handshake broke off");
        }
        assert_eq!(crew.run(soon(), || 7).unwrap(), 7);
    }

    #[test]
    fn nobody_waits_longer_than_the_deadline() {
        let crew = Crew::start().unwrap();
        let (release, gate) = bounded::<()>(0);
        // The step ends when `release` is dropped.
        let step = move || gate.recv().is_err();
        let error = crew.run(Instant::now() + Duration::from_millis(20), step).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(release);
        assert_eq!(crew.run(soon(), || 7).unwrap(), 7);
    }
}
