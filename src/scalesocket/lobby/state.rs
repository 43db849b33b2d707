//! Rooms and who is in them, as a machine without threads, sockets or a clock.
//!
//! `open → closing → gone`: an open room takes members; it closes when its last member leaves, when its command ends, or at the
//! stop of the server; its port is taken until nothing of the command is left. A name leads to its open room only, so who
//! comes while a room closes gets a new one.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

/// Number of a room, never used again.
pub(super) type RoomId = u64;
/// Number of a member, counted over the whole server, never used again.
pub(super) type MemberId = u32;

/// What the machine goes by.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    /// One room, and the end of the server with its first member or its command.
    pub(super) oneshot: bool,
    /// Most open rooms.
    pub(super) max_rooms: Option<usize>,
    /// Whether a room is of no use without a port.
    pub(super) needs_port: bool,
    /// Ports to be given to rooms.
    pub(super) ports: Range<u16>,
    /// The server's own port, which no command can have.
    pub(super) own_port: u16,
}

/// Why somebody may not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The server is stopping.
    Stopping,
    /// `--oneshot`: somebody is or was here.
    OneShot,
    /// `--maxrooms`.
    TooManyRooms,
    /// Every port of `--tcpports` is taken.
    NoPort,
}

/// A member that was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Joined {
    pub(super) room: RoomId,
    pub(super) member: MemberId,
    /// If the room is new.
    pub(super) opened: Option<Opened>,
}

/// A room that is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opened {
    /// For its command; `None` where it does not need one and there is none.
    pub(super) port: Option<u16>,
}

/// What the machine asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nobody is in the room any more: its command is to be stopped.
    Stop(RoomId),
    /// `--oneshot`: the server has done its work.
    StopServer,
}

#[derive(Debug)]
struct Room {
    name: String,
    members: BTreeSet<MemberId>,
    port: Option<u16>,
    open: bool,
}

/// Every room.
#[derive(Debug, Default)]
pub(super) struct State {
    rules: Rules,
    rooms: HashMap<RoomId, Room>,
    by_name: HashMap<String, RoomId>,
    ports: BTreeSet<u16>,
    last_room: RoomId,
    last_member: MemberId,
    /// `--oneshot`: the one room was there.
    spent: bool,
    stopping: bool,
    effects: Vec<Effect>,
}

impl State {
    pub(super) fn new(rules: Rules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Lets a member into the room of this name, which is opened if there is none. A member that comes again, because its
    /// room has ended before it began, keeps its number.
    pub(super) fn join(&mut self, name: &str, again: Option<MemberId>) -> Result<Joined, Refused> {
        if self.stopping {
            return Err(Refused::Stopping);
        }
        if self.rules.oneshot && self.spent {
            return Err(Refused::OneShot);
        }
        let known = self.by_name.get(name).copied();
        let opened = if known.is_none() { Some(Opened { port: self.take_port()? }) } else { None };
        let member = again.unwrap_or_else(|| {
            // Four thousand million members later the numbers begin anew.
            self.last_member = self.last_member.checked_add(1).unwrap_or(1);
            self.last_member
        });
        let room = known.unwrap_or_else(|| self.open(name, opened.and_then(|opened| opened.port)));
        if let Some(room) = self.rooms.get_mut(&room) {
            room.members.insert(member);
        }
        Ok(Joined { room, member, opened })
    }

    /// The lowest port that is free, if there is room for one more room.
    fn take_port(&self) -> Result<Option<u16>, Refused> {
        if self.rules.max_rooms.is_some_and(|most| self.by_name.len() >= most) {
            return Err(Refused::TooManyRooms);
        }
        let free = |port: &u16| *port != self.rules.own_port && !self.ports.contains(port);
        match self.rules.ports.clone().find(free) {
            None if self.rules.needs_port => Err(Refused::NoPort),
            port => Ok(port),
        }
    }

    fn open(&mut self, name: &str, port: Option<u16>) -> RoomId {
        self.spent = true;
        self.last_room += 1;
        self.ports.extend(port);
        self.by_name.insert(name.to_owned(), self.last_room);
        let room = Room { name: name.to_owned(), members: BTreeSet::new(), port, open: true };
        self.rooms.insert(self.last_room, room);
        self.last_room
    }

    /// A member is gone.
    pub(super) fn leave(&mut self, room: RoomId, member: MemberId) {
        let Some(there) = self.rooms.get_mut(&room) else { return };
        if !there.members.remove(&member) || !there.open {
            return;
        }
        if there.members.is_empty() {
            self.close(room);
            self.effects.push(Effect::Stop(room));
        }
        if self.rules.oneshot {
            self.effects.push(Effect::StopServer);
        }
    }

    /// The command has ended, or could not be started: the room takes nobody any more.
    pub(super) fn ended(&mut self, room: RoomId) {
        if self.close(room) && self.rules.oneshot {
            self.effects.push(Effect::StopServer);
        }
    }

    /// Nothing of the command is left.
    pub(super) fn gone(&mut self, room: RoomId) {
        self.ended(room);
        if let Some(port) = self.rooms.remove(&room).and_then(|room| room.port) {
            self.ports.remove(&port);
        }
    }

    /// Ends every room.
    pub(super) fn shut_down(&mut self) {
        self.stopping = true;
        let open: BTreeSet<RoomId> = self.by_name.values().copied().collect();
        for room in open {
            self.close(room);
            self.effects.push(Effect::Stop(room));
        }
    }

    /// Whether it was open.
    fn close(&mut self, id: RoomId) -> bool {
        match self.rooms.get_mut(&id).filter(|room| room.open) {
            Some(room) => {
                room.open = false;
                self.by_name.remove(&room.name);
                true
            }
            None => false,
        }
    }

    /// What is to be done since the last call.
    pub(super) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The open rooms by name, with the number of members.
    pub(super) fn open_rooms(&self) -> Vec<(&str, RoomId, usize)> {
        let open = self.rooms.iter().filter(|(_, room)| room.open);
        let mut all: Vec<_> = open.map(|(id, room)| (room.name.as_str(), *id, room.members.len())).collect();
        all.sort_unstable();
        all
    }

    /// The open room of a name, with the number of its members.
    pub(super) fn open_room(&self, name: &str) -> Option<(RoomId, usize)> {
        let id = *self.by_name.get(name)?;
        Some((id, self.rooms.get(&id)?.members.len()))
    }

    /// Whether no command is left.
    pub(super) fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }
}

#[cfg(test)]
mod tests;
