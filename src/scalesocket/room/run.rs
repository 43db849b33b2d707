//! The life of a room, on its own thread: what the command says, how it ends, and what it is told to do arrive at one
//! `poll`.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::super::env::Visit;
use super::super::feed::Feed;
use super::super::framing::{Broken, Complaint, Said, Unframer};
use super::super::lobby::Tenure;
use super::super::mailbox::Farewell;
use super::command::{self, Started};
use super::patience::Patience;
use super::process::{Outcome, Process, plain};
use super::{Load, Room};
use crate::net::buffer::Buffer;
use crate::sys::process::ladder::{ask, terminate};
use crate::sys::process::printed::Printed;
use crate::sys::process::{Exit, Processes};

/// The way down of a command that nobody needs any more. Its input ends first, behind everything that was said to it; as
/// long as it takes that, at most [`INPUT_END`] in all, it has time.
const INPUT_STALL: Duration = Duration::from_millis(500);
const INPUT_END: Duration = Duration::from_secs(5);
/// Then it has so long to end by itself,
const END_OF_INPUT: Duration = Duration::from_millis(500);
/// and so long after SIGTERM, before SIGKILL.
const TERMINATE: Duration = Duration::from_secs(1);
/// How long a command that is reached by TCP may take to listen, when its delay has passed.
const LISTEN: Duration = Duration::from_secs(5);
/// How often it is tried.
const TRY_AGAIN: Duration = Duration::from_millis(20);
/// How often the room looks around while it waits for its members or for the end of the input.
const LOOK: Duration = Duration::from_millis(100);
/// How long the memory for a burst of output is kept.
const BURST: Duration = Duration::from_secs(1);

/// What a room needs to run its command.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) processes: Arc<Processes>,
    /// The limit of open files that commands get.
    pub(crate) descriptors: Option<u64>,
}

/// Runs the command of `room` until nothing of it is left. `visit` is the websocket that opened the room.
pub(crate) fn run(room: &Arc<Room>, tools: &Tools, visit: &Visit, tenure: Tenure) {
    let tenant = Tenant { room, tenure };
    let config = &room.setup.config;
    match command::start(config, &tools.processes, tools.descriptors, visit, room.port) {
        Err(reason) => {
            room.setup.journal.failed(&room.name, &reason);
            tenant.close(&Farewell::new(1011, reason.to_lowercase()));
        }
        Ok(started) => Session::new(&tenant, started).run(),
    }
}

/// The room while it is run; whatever happens, nobody is left waiting in it.
struct Tenant<'a> {
    room: &'a Arc<Room>,
    tenure: Tenure,
}

impl Tenant<'_> {
    /// Nobody comes in any more, and those who are in hear why.
    fn close(&self, farewell: &Farewell) {
        self.tenure.ended();
        self.room.close(farewell);
    }
}

impl Drop for Tenant<'_> {
    fn drop(&mut self) {
        self.close(&Farewell::new(1011, "internal error"));
        self.room.give_input_up();
    }
}

/// What may be looked at without waiting.
struct Ready {
    bell: bool,
    end: bool,
    output: bool,
}

struct Session<'a> {
    tenant: &'a Tenant<'a>,
    room: &'a Room,
    process: Process,
    /// What it says; `None` before it is attached and after its end.
    from: Option<OwnedFd>,
    /// The pipes to it, until its delay has passed.
    pipes: Option<(OwnedFd, OwnedFd)>,
    printed: Option<Printed>,
    attached: bool,
    began: Instant,
    buffer: Buffer,
    unframer: Unframer,
    said: Vec<Said>,
    complaints: Vec<Complaint>,
    /// How often something was passed on.
    reads: u64,
    patience: Patience,
    /// Since when the end of the input is waited for, with what the command had taken then.
    emptying: Option<(Instant, Instant, u64)>,
    asked: bool,
    /// Why members are sent away, if not for how the command has ended.
    fault: Option<String>,
}

impl<'a> Session<'a> {
    fn new(tenant: &'a Tenant<'a>, started: Started) -> Self {
        let room = tenant.room;
        let config = &room.setup.config;
        let Started { child, pipes, printed } = started;
        Self {
            tenant,
            room,
            process: Process::new(child, TERMINATE),
            from: None,
            pipes,
            printed,
            attached: false,
            began: Instant::now(),
            buffer: Buffer::new(0),
            unframer: Unframer::new(&config.data, config.cache),
            said: Vec::new(),
            complaints: Vec::new(),
            reads: 0,
            patience: Patience::new(),
            emptying: None,
            asked: false,
            fault: None,
        }
    }

    fn run(mut self) {
        let mut ready = Ready { bell: true, end: true, output: true };
        while !self.is_done() {
            if ready.bell {
                self.room.pace.bell.mute();
            }
            self.obey();
            self.attach();
            let heavy = self.listen(ready.output);
            if let Some(printed) = &mut self.printed {
                printed.read();
            }
            if ready.end {
                self.look_at_process();
            }
            self.process.go_down();
            if self.process.is_gone() {
                self.look_at_process();
            }
            if !self.is_done() {
                ready = self.wait(heavy);
            }
        }
        if let Some(printed) = &mut self.printed {
            printed.finish();
        }
        self.say_goodbye();
    }

    /// Nothing of the command runs, and everything it has said is passed on.
    fn is_done(&self) -> bool {
        self.process.is_gone() && self.from.is_none() && self.pipes.is_none()
    }

    /// Begins to stop when that was asked for.
    fn obey(&mut self) {
        if !self.asked && self.room.stopping.load(Ordering::SeqCst) {
            self.asked = true;
            if self.room.is_empty() {
                self.room.setup.journal.empty(&self.room.name);
            }
            // Who has nobody to wait for waits no more: what was said reaches the command, then the end does.
            self.open_pipes();
            self.room.input.end();
            let now = Instant::now();
            self.emptying = Some((now, now, 0));
        }
        let Some((since, alive, seen)) = self.emptying else { return };
        let (now, written) = (Instant::now(), self.room.course.written.load(Ordering::Relaxed));
        if self.room.input.is_over() || now - alive >= INPUT_STALL || now - since >= INPUT_END {
            self.emptying = None;
            self.process.descend_by(ask(END_OF_INPUT, TERMINATE));
        } else if written != seen {
            self.emptying = Some((since, now, written));
        }
    }

    /// Joins the command's ends to the room's when it is time.
    fn attach(&mut self) {
        if self.is_settled() || self.began.elapsed() < self.room.setup.config.attach_delay {
            return;
        }
        if self.pipes.is_some() {
            self.open_pipes();
        } else if let Some(port) = self.room.port {
            match command::connect(port) {
                Ok((to, from)) => self.join(to, from, true),
                Err(error) if self.began.elapsed() >= self.room.setup.config.attach_delay + LISTEN => {
                    let reason = format!("Failed to connect to 127.0.0.1:{port} due to {}", plain(&error));
                    self.give_up(&reason);
                }
                Err(_) => {}
            }
        }
    }

    /// Whether it is joined already, or never will be.
    fn is_settled(&self) -> bool {
        self.attached || self.asked || !self.process.runs()
    }

    fn open_pipes(&mut self) {
        if let Some((to, from)) = self.pipes.take() {
            self.join(to, from, false);
        }
    }

    fn join(&mut self, to: OwnedFd, from: OwnedFd, is_socket: bool) {
        self.attached = true;
        self.from = Some(from);
        let (course, pace) = (Arc::clone(&self.room.course), Arc::clone(&self.room.pace));
        self.room.input.open(Feed::new(Arc::new(to), is_socket, course, pace));
    }

    /// Passes on what the command says, as far as the members take it. True when it has to wait for them.
    fn listen(&mut self, ready: bool) -> bool {
        if self.from.is_none() || self.must_wait() {
            return self.from.is_some();
        }
        // At the very end an empty pipe is as good as an end.
        if !ready && !self.process.is_gone() {
            return false;
        }
        let Some(from) = &self.from else { return false };
        match rustix::io::read(from, self.buffer.space()) {
            Ok(0) => self.output_has_ended(),
            Ok(count) => {
                let bytes = self.buffer.space().get(..count).unwrap_or_default();
                let fed = self.unframer.feed(bytes, &mut self.said, &mut self.complaints);
                self.buffer.adapt(count);
                self.pass_on();
                if let Err(Broken(reason)) = fed {
                    self.give_up(&reason);
                    self.from = None;
                }
            }
            // Whoever still holds the pipe is not of the command.
            Err(Errno::AGAIN) if self.process.is_gone() => self.output_has_ended(),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.output_has_ended(),
        }
        false
    }

    /// Whether the members have enough to do. Those who do nothing about it for long are sent away.
    fn must_wait(&mut self) -> bool {
        let pace = &self.room.pace;
        if self.room.load() == Load::Light {
            pace.paused.store(false, Ordering::SeqCst);
            self.patience.forget();
            return false;
        }
        // Said before the second look, so that nobody who takes something in between goes unheard.
        pace.paused.store(true, Ordering::SeqCst);
        for member in self.patience.tried_by(self.room) {
            self.room.send_away(&member, "the client takes nothing");
        }
        self.room.load() == Load::Heavy
    }

    fn pass_on(&mut self) {
        self.reads += 1;
        for said in self.said.drain(..) {
            match said {
                Said::Batch(batch) => self.room.deliver(batch, self.reads),
                Said::Metadata(value) => self.room.set_metadata(value),
            }
        }
        for Complaint(sentence) in self.complaints.drain(..) {
            self.room.setup.journal.complained(&self.room.name, "output", &sentence);
        }
    }

    fn output_has_ended(&mut self) {
        self.from = None;
        self.unframer.finish(&mut self.said, &mut self.complaints);
        self.pass_on();
        if self.room.setup.config.tcp && self.process.runs() && !self.process.descends() {
            // A command that has closed its connection has nothing more to say.
            self.room.input.end();
            self.process.descend_by(ask(END_OF_INPUT, TERMINATE));
        }
    }

    fn look_at_process(&mut self) {
        if !self.process.has_just_ended() {
            return;
        }
        let exit = match self.process.outcome() {
            Some(Outcome::Exit(exit)) => Some(*exit),
            _ => None,
        };
        self.room.setup.journal.exited(&self.room.name, exit, self.asked);
        self.tenant.tenure.ended();
        self.room.give_input_up();
        // Said before its end, perhaps before it was attached.
        self.open_pipes();
    }

    /// Ends a room that cannot go on.
    fn give_up(&mut self, reason: &str) {
        self.room.setup.journal.failed(&self.room.name, reason);
        self.fault = Some(reason.to_lowercase());
        self.tenant.tenure.ended();
        self.process.descend_by(terminate(TERMINATE));
    }

    /// Sleeps until something happens or is due, and tells what may be looked at without waiting.
    fn wait(&mut self, heavy: bool) -> Ready {
        let timeout = self.timeout(heavy).and_then(|time| Timespec::try_from(time).ok());
        let end = self.process.handle();
        let from = self.from.as_ref().filter(|_| !heavy).map(AsFd::as_fd);
        let printed = self.printed.as_ref().and_then(Printed::from);
        let bell = self.room.pace.bell.as_fd();
        // What is not watched stands in for itself: the bell is always there.
        let watched = [Some(bell), end, from, printed].map(|file| file.unwrap_or(bell));
        let mut files = watched.map(|file| PollFd::from_borrowed_fd(file, PollFlags::IN));
        if poll(&mut files, timeout.as_ref()).is_err() {
            std::thread::yield_now();
        }
        let quiet = files.iter().all(|file| file.revents().is_empty());
        if quiet {
            self.buffer.shrink();
        }
        let [bell, end_is_there, output, _] = files.map(|file| !file.revents().is_empty());
        // Where no handle tells of the end, each look may find it; what was heavy is read as soon as it is not.
        Ready { bell, end: end_is_there || end.is_none(), output: output || heavy }
    }

    fn timeout(&self, heavy: bool) -> Option<Duration> {
        let delay = self.room.setup.config.attach_delay.saturating_sub(self.began.elapsed());
        let attach = (!self.is_settled()).then_some(if delay.is_zero() { TRY_AGAIN } else { delay });
        let look = (heavy || self.emptying.is_some()).then_some(LOOK);
        // A burst is over when nothing has come for a while.
        let burst = self.buffer.is_large().then_some(BURST);
        // Nobody tells that an output has nothing more to say which somebody else holds open.
        let last = (self.process.is_gone() && !heavy).then_some(Duration::ZERO);
        [attach, self.process.look_after(), look, burst, last].into_iter().flatten().min()
    }

    /// Nothing is left: those who are still there hear how it ended.
    fn say_goodbye(&self) {
        let farewell = match (&self.fault, self.process.outcome()) {
            (Some(fault), _) => Farewell::new(1011, fault.clone()),
            (None, _) if self.asked => Farewell::new(1001, "the server is stopping"),
            (None, Some(Outcome::Exit(exit))) => {
                let code = if *exit == Exit::Code(0) { 1000 } else { 1011 };
                let was = if matches!(exit, Exit::Signal(_)) { "was " } else { "" };
                Farewell::new(code, format!("the command {was}{exit}"))
            }
            (None, Some(Outcome::Lost(cause))) => Farewell::new(1011, format!("the command is lost: {cause}")),
            (None, None) => Farewell::new(1011, "the command is gone"),
        };
        self.tenant.close(&farewell);
    }
}
