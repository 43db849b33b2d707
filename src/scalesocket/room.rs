//! A room: one command, and the members that share it.
//!
//! What members say goes into one bounded queue to the command; what the command says goes into one bounded mailbox per
//! member. Nobody waits for a member here, unless the room is told to.

mod command;
mod patience;
mod process;
mod run;

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::backlog::{Parcel, Pushed};
use super::config::{Config, SlowPolicy};
use super::feed::{Course, Input};
use super::framing::{Batch, Recipient};
use super::journal::Journal;
use super::mailbox::{Farewell, Pace};
use super::member::Member;
use crate::sys::bell::Bell;
pub(super) use run::{Tools, run};

/// Bytes that may wait for the command before its members wait.
const INPUT: usize = 1024 * 1024;
/// Of a mailbox's limit, the part that may wait before the command is read more slowly, unless that part is large.
const MARK_SHARE: usize = 4;
const MARK: usize = 1024 * 1024;

/// What every room is made from.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) config: Arc<Config>,
    pub(super) journal: Journal,
}

/// Messages for those who come later, oldest first.
pub(super) type Cache = VecDeque<Parcel>;

/// What the room's thread, its members and the lobby share.
pub(super) struct Room {
    pub(super) name: String,
    port: Option<u16>,
    pub(super) setup: Setup,
    pub(super) input: Arc<Input>,
    pub(super) pace: Arc<Pace>,
    course: Arc<Course>,
    stopping: AtomicBool,
    crowd: Mutex<Crowd>,
}

#[derive(Default)]
struct Crowd {
    members: Vec<Arc<Member>>,
    cache: Cache,
    metadata: Option<Value>,
    /// Nobody can come in any more.
    closed: bool,
}

/// How much waits for the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// The room may go on reading.
    Light,
    /// It should wait for its members.
    Heavy,
}

impl Room {
    /// A room whose command is not started yet.
    ///
    /// # Errors
    /// There is no descriptor left.
    pub(super) fn new(name: &str, port: Option<u16>, cache: Option<Cache>, setup: &Setup) -> io::Result<Self> {
        let mark = (setup.config.mailbox / MARK_SHARE).min(MARK);
        let pace = Arc::new(Pace { bell: Bell::new()?, mark, paused: AtomicBool::new(false) });
        Ok(Self {
            name: name.to_owned(),
            port,
            setup: setup.clone(),
            input: Input::new("stdin".to_owned(), INPUT, None),
            pace,
            course: Arc::default(),
            stopping: AtomicBool::new(false),
            crowd: Mutex::new(Crowd { cache: cache.unwrap_or_default(), ..Crowd::default() }),
        })
    }

    /// Lets a member in, behind what is kept for those who come late. False when the room is closed.
    pub(super) fn attach(&self, member: &Arc<Member>) -> bool {
        let mut crowd = self.crowd();
        if crowd.closed {
            return false;
        }
        for parcel in &crowd.cache {
            member.mailbox.push_below(usize::MAX, parcel.clone());
        }
        crowd.members.push(Arc::clone(member));
        true
    }

    /// Sends a member no more messages.
    pub(super) fn detach(&self, id: u32) {
        self.crowd().members.retain(|member| member.id != id);
        // The room may have waited for this one.
        if self.pace.paused.load(Ordering::SeqCst) {
            self.pace.bell.ring();
        }
    }

    /// Asks the room to end its command. Does not wait.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.pace.bell.ring();
    }

    /// Nobody reads what is said to the command any more.
    fn give_input_up(&self) {
        self.course.given_up.store(true, Ordering::Relaxed);
        self.input.abort();
    }

    fn is_empty(&self) -> bool {
        self.crowd().members.is_empty()
    }

    /// What the command has said of the room.
    pub(super) fn metadata(&self) -> Option<Value> {
        self.crowd().metadata.clone()
    }

    fn set_metadata(&self, value: Value) {
        self.crowd().metadata = Some(value);
    }

    /// The cache, if it outlives the command.
    pub(super) fn take_persistent_cache(&self) -> Option<Cache> {
        let persist = self.setup.config.cache.is_some_and(|cache| cache.persist);
        persist.then(|| std::mem::take(&mut self.crowd().cache))
    }

    /// Puts messages into the mailboxes of those they are for. Of what was read at once (`read` counts that) a member gets
    /// all or nothing: behind one long message nobody can have kept up already.
    fn deliver(&self, batch: Batch, read: u64) {
        let Batch { to, frames, start, messages: _, keep } = batch;
        let parcel = Parcel::new(frames, start);
        let mut slow = Vec::new();
        {
            let mut crowd = self.crowd();
            if keep && let Some(cache) = self.setup.config.cache {
                if crowd.cache.len() >= cache.size {
                    crowd.cache.pop_front();
                }
                crowd.cache.push_back(parcel.clone());
            }
            let limit = match self.setup.config.slow {
                // It was made sure of before the command was read.
                SlowPolicy::Block => usize::MAX,
                SlowPolicy::Close | SlowPolicy::Drop => self.setup.config.mailbox,
            };
            let is_meant = |member: &&Arc<Member>| match to {
                Recipient::All => true,
                Recipient::One(id) => member.id == id,
                Recipient::Nobody => false,
            };
            for member in crowd.members.iter().filter(is_meant) {
                let keeps_up = member.last_read.load(Ordering::Relaxed) == read;
                match member.mailbox.push_below(if keeps_up { usize::MAX } else { limit }, parcel.clone()) {
                    Pushed::Taken => member.last_read.store(read, Ordering::Relaxed),
                    Pushed::Full(_) => slow.push(Arc::clone(member)),
                    Pushed::Ended => {}
                }
            }
        }
        for member in slow {
            self.does_not_keep_up(&member);
        }
    }

    fn does_not_keep_up(&self, member: &Arc<Member>) {
        if self.setup.config.slow == SlowPolicy::Drop {
            if !member.misses.swap(true, Ordering::Relaxed) {
                let sentence = "does not keep up: messages to it are dropped";
                self.setup.journal.member(log::Level::Warn, &self.name, member.id, sentence);
            }
        } else {
            self.send_away(member, "the client does not keep up with the room's messages");
        }
    }

    fn send_away(&self, member: &Arc<Member>, reason: &str) {
        self.setup.journal.member(log::Level::Warn, &self.name, member.id, &format!("sent away: {reason}"));
        member.send_away(Farewell::new(1013, reason));
    }

    /// Whether the command should wait: for the fastest member, so that it does not drown those who do keep up, or for
    /// the slowest if it is told to.
    fn load(&self) -> Load {
        let crowd = self.crowd();
        let waiting = crowd.members.iter().map(|member| member.mailbox.waiting());
        let most = match self.setup.config.slow {
            SlowPolicy::Close => waiting.min(),
            SlowPolicy::Block => waiting.max(),
            SlowPolicy::Drop => None,
        };
        if most.unwrap_or_default() > self.pace.mark { Load::Heavy } else { Load::Light }
    }

    /// Those who have to take something.
    fn busy_members(&self) -> Vec<Arc<Member>> {
        let mark = self.pace.mark;
        self.crowd().members.iter().filter(|member| member.mailbox.waiting() > mark).cloned().collect()
    }

    /// Lets nobody in any more and says goodbye to everybody, behind everything that waits for them.
    pub(super) fn close(&self, farewell: &Farewell) {
        let members = {
            let mut crowd = self.crowd();
            crowd.closed = true;
            std::mem::take(&mut crowd.members)
        };
        for member in members {
            member.say_goodbye(farewell.clone());
        }
    }

    fn crowd(&self) -> MutexGuard<'_, Crowd> {
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
