//! The lobby: one thread that knows every room, and what others ask of it. It waits for nobody.

mod state;

use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Display, Formatter};
use std::io;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::room::{Cache, Room, Setup};
use crate::sys::ask::ask;
use crate::sys::stop::Stop;
use crate::sys::thread;
pub(super) use state::Refused;
use state::{Effect, Joined, MemberId, Opened, RoomId, Rules, State};

/// Messages that may wait. Senders wait for room, the lobby never waits for them.
const INBOX: usize = 1_024;
/// Messages that are taken between two looks at their effects.
const BATCH: usize = 256;
/// Rooms that have ended and whose cached messages are kept (`--cachepersist`).
const KEPT_CACHES: usize = 1_000;

enum Message {
    Join { name: String, again: Option<MemberId>, reply: Sender<Result<Membership, Denied>> },
    Leave { room: RoomId, member: MemberId },
    Ended(RoomId),
    Gone(RoomId),
    Rooms { reply: Sender<Vec<RoomView>> },
    Room { name: String, reply: Sender<Option<RoomView>> },
    ShutDown { done: Sender<()> },
}

/// Why somebody is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Denied {
    /// By the rules.
    Refused(Refused),
    /// The system has no room for one.
    Failed(String),
}

impl Display for Denied {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused(Refused::Stopping) => "the server is stopping",
            Self::Refused(Refused::OneShot) => "with --oneshot somebody is or was here",
            Self::Refused(Refused::TooManyRooms) => "there are as many rooms as --maxrooms allows",
            Self::Refused(Refused::NoPort) => "every port of --tcpports is taken",
            Self::Failed(reason) => reason,
        })
    }
}

/// An open room at one moment.
#[derive(Clone)]
pub(super) struct RoomView {
    pub(super) name: String,
    pub(super) connections: usize,
    pub(super) room: Arc<Room>,
}

/// Asks the lobby. Clones ask the same one.
#[derive(Clone)]
pub(super) struct Handle {
    inbox: Sender<Message>,
}

/// A member's place in a room; given back when dropped.
pub(super) struct Membership {
    pub(super) room: Arc<Room>,
    pub(super) member: MemberId,
    /// Whether this is the room's first member, whose thread has to see that it is run.
    pub(super) opens: bool,
    id: RoomId,
    inbox: Sender<Message>,
}

impl Drop for Membership {
    fn drop(&mut self) {
        let _ = self.inbox.send(Message::Leave { room: self.id, member: self.member });
    }
}

/// What the lobby is told of one room's command; when it is dropped nothing of it is left.
pub(super) struct Tenure {
    id: RoomId,
    inbox: Sender<Message>,
}

impl Tenure {
    /// The command has ended, or could not be started.
    pub(super) fn ended(&self) {
        let _ = self.inbox.send(Message::Ended(self.id));
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        let _ = self.inbox.send(Message::Gone(self.id));
    }
}

impl Membership {
    /// For the thread that runs the room.
    pub(super) fn tenure(&self) -> Tenure {
        Tenure { id: self.id, inbox: self.inbox.clone() }
    }
}

/// Starts the lobby's thread; `own_port` is the server's, `stop` ends it after a `--oneshot`.
///
/// # Errors
/// No thread can be made.
pub(super) fn start(setup: Setup, own_port: u16, stop: Stop) -> io::Result<Handle> {
    let config = &setup.config;
    let rules = Rules {
        oneshot: config.oneshot,
        max_rooms: config.max_rooms,
        needs_port: config.tcp,
        ports: config.tcp_ports.clone(),
        own_port,
    };
    let (inbox, messages) = bounded(INBOX);
    let actor = Actor {
        state: State::new(rules),
        setup,
        stop,
        rooms: HashMap::new(),
        caches: VecDeque::new(),
        inbox: inbox.clone(),
        ending: None,
    };
    thread::spawn("lobby", move || actor.run(&messages))?;
    Ok(Handle { inbox })
}

impl Handle {
    /// Lets somebody into a room.
    pub(super) fn join(&self, name: &str, again: Option<MemberId>) -> Result<Membership, Denied> {
        let message = |reply| Message::Join { name: name.to_owned(), again, reply };
        ask(&self.inbox, message).unwrap_or(Err(Denied::Refused(Refused::Stopping)))
    }

    /// Every open room.
    pub(super) fn rooms(&self) -> Vec<RoomView> {
        ask(&self.inbox, |reply| Message::Rooms { reply }).unwrap_or_default()
    }

    /// The open room of a name.
    pub(super) fn room(&self, name: &str) -> Option<RoomView> {
        ask(&self.inbox, |reply| Message::Room { name: name.to_owned(), reply }).flatten()
    }

    /// Begins to end every room; the answer is told, or dropped, when no command is left.
    pub(super) fn shut_down(&self) -> Receiver<()> {
        let (done, wait) = bounded(1);
        let _ = self.inbox.send(Message::ShutDown { done });
        wait
    }
}

struct Actor {
    state: State,
    setup: Setup,
    stop: Stop,
    rooms: HashMap<RoomId, (String, Arc<Room>)>,
    /// Of rooms that have ended, oldest first.
    caches: VecDeque<(String, Cache)>,
    inbox: Sender<Message>,
    ending: Option<Sender<()>>,
}

impl Actor {
    fn run(mut self, messages: &Receiver<Message>) {
        while let Ok(first) = messages.recv() {
            for message in std::iter::once(first).chain(messages.try_iter().take(BATCH)) {
                self.handle(message);
            }
            for effect in self.state.take_effects() {
                match effect {
                    Effect::Stop(id) => self.stop_room(id),
                    Effect::StopServer => self.stop.request("--oneshot: done"),
                }
            }
            if self.state.is_empty()
                && let Some(done) = self.ending.take()
            {
                let _ = done.send(());
                return;
            }
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Join { name, again, reply } => {
                // Whoever asked and is gone drops the place.
                let _ = reply.send(self.join(&name, again));
            }
            Message::Leave { room, member } => self.state.leave(room, member),
            Message::Ended(room) => self.state.ended(room),
            Message::Gone(room) => self.gone(room),
            Message::Rooms { reply } => {
                let all = self.state.open_rooms();
                let views = all.into_iter().filter_map(|(name, id, connections)| self.view(name, id, connections));
                let _ = reply.send(views.collect());
            }
            Message::Room { name, reply } => {
                let found = self.state.open_room(&name);
                let _ = reply.send(found.and_then(|(id, connections)| self.view(&name, id, connections)));
            }
            Message::ShutDown { done } => {
                self.state.shut_down();
                self.ending = Some(done);
            }
        }
    }

    fn join(&mut self, name: &str, again: Option<MemberId>) -> Result<Membership, Denied> {
        let Joined { room: id, member, opened } = self.state.join(name, again).map_err(Denied::Refused)?;
        if let Some(Opened { port }) = opened {
            match Room::new(name, port, self.kept_cache(name), &self.setup) {
                Ok(room) => drop(self.rooms.insert(id, (name.to_owned(), Arc::new(room)))),
                Err(error) => {
                    self.state.gone(id);
                    return Err(Denied::Failed(format!("no room can be made: {error}")));
                }
            }
        }
        let room = Arc::clone(self.room(id).ok_or_else(|| Denied::Failed("the room is gone".to_owned()))?);
        Ok(Membership { room, member, opens: opened.is_some(), id, inbox: self.inbox.clone() })
    }

    fn gone(&mut self, id: RoomId) {
        self.state.gone(id);
        let Some((name, room)) = self.rooms.remove(&id) else { return };
        if let Some(cache) = room.take_persistent_cache() {
            self.caches.retain(|(kept, _)| *kept != name);
            self.caches.push_back((name, cache));
            if self.caches.len() > KEPT_CACHES {
                self.caches.pop_front();
            }
        }
    }

    /// What the last room of this name has left, or, if it is still closing, has said so far.
    fn kept_cache(&mut self, name: &str) -> Option<Cache> {
        if let Some(at) = self.caches.iter().position(|(kept, _)| kept == name) {
            return self.caches.remove(at).map(|(_, cache)| cache);
        }
        let closing = self.rooms.iter().filter(|(_, (known, _))| known == name).max_by_key(|(id, _)| **id);
        closing.and_then(|(_, (_, room))| room.take_persistent_cache())
    }

    fn stop_room(&self, id: RoomId) {
        if let Some(room) = self.room(id) {
            room.stop();
        }
    }

    fn view(&self, name: &str, id: RoomId, connections: usize) -> Option<RoomView> {
        Some(RoomView { name: name.to_owned(), connections, room: Arc::clone(self.room(id)?) })
    }

    fn room(&self, id: RoomId) -> Option<&Arc<Room>> {
        self.rooms.get(&id).map(|(_, room)| room)
    }
}
