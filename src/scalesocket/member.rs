//! A member: one websocket in one room.

mod reader;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::Server;
use super::backlog::{Parcel, Pushed};
use super::env::{self, Visit};
use super::lobby::{Denied, Membership, Refused};
use super::mailbox::{Farewell, Line, Mail, Mailbox};
use super::room::{self, Room};
use crate::net::http::connection::Websocket;
use crate::net::live::Endable;
use crate::net::websocket::codec::Violation;
use crate::net::websocket::sink::{Sink, Unjoined};
use crate::sys::thread;
use reader::{End, Reader};

/// How long a client may take to close TCP after both close frames.
const FAREWELL: Duration = Duration::from_secs(2);
/// Bytes that may wait for the command before a leave message is lost: whoever goes does not wait.
const LEAVE_LIMIT: usize = 4 * 1024 * 1024;

/// What the member's own thread and its room share.
pub(super) struct Member {
    pub(super) id: u32,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) line: Arc<Line>,
    /// The last of the room's reads of which it was given something.
    pub(super) last_read: AtomicU64,
    /// Messages to it were dropped.
    pub(super) misses: AtomicBool,
    /// It was sent away because it does not keep up, so it may take longer to hear of it.
    pub(super) slow: AtomicBool,
    /// Its place in the room, until it leaves.
    place: Mutex<Option<Membership>>,
    leave_message: Option<String>,
}

impl Member {
    /// Says goodbye behind everything that waits. The first goodbye counts.
    pub(super) fn say_goodbye(&self, farewell: Farewell) {
        let _ = self.line.farewell.set(farewell);
        self.mailbox.end();
    }

    /// Says goodbye without what waits, and gives the place up.
    pub(super) fn send_away(&self, farewell: Farewell) {
        self.slow.store(true, Ordering::Relaxed);
        let _ = self.line.farewell.set(farewell);
        self.mailbox.end_early();
        self.leave();
    }

    /// Gives the place in the room up, with a last message to the command.
    fn leave(&self) {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(place) = place else { return };
        place.room.detach(self.id);
        if let Some(text) = &self.leave_message {
            let parcel = Parcel::new(text.clone().into_bytes(), 0);
            if let Pushed::Full(_) = place.room.input.push_below(LEAVE_LIMIT, parcel) {
                let sentence = "its leave message is lost: the command does not read";
                place.room.setup.journal.member(log::Level::Warn, &place.room.name, self.id, sentence);
            }
        }
    }
}

/// A member that leaves when this is dropped, also when its thread fails: its room must not wait for it for ever.
struct Seat<'a>(&'a Member);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// At the stop of the server the room says goodbye, after the command's last words.
struct InRoom(Arc<Member>);

impl Endable for InRoom {
    fn end(&self) {}

    fn abort(&self) {
        self.0.mailbox.abort();
        self.0.line.sink.transport().abort();
    }
}

/// Serves one websocket to its end.
pub(super) fn serve(server: &Arc<Server>, websocket: Websocket, visit: &Visit) {
    let Websocket { sink, early, peer, permit } = websocket;
    permit.watch(&Arc::new(Unjoined(Arc::clone(&sink))));
    let (member, room) = match join(server, &sink, visit) {
        Ok(joined) => joined,
        Err(denied) => {
            log::warn!("{peer}: not let into room {:?}: {denied}", visit.room);
            return dismiss(&sink, denied);
        }
    };
    permit.watch(&Arc::new(InRoom(Arc::clone(&member))));
    let journal = server.setup.journal;
    journal.attached(&room.name, member.id);
    let _counted = server.metrics.member(&room.name);
    let seat = Seat(&member);
    let mut reader = Reader::new(server, &room, &member);
    let end = reader.run(early, fill_in(server, server.setup.config.join_message.as_deref(), member.id, visit));
    drop(seat);
    journal.left(&room.name, member.id, &end.to_string());
    part(&member, &end);
}

/// A message of our own about a member, ready for the command.
fn fill_in(server: &Server, template: Option<&str>, id: u32, visit: &Visit) -> Option<String> {
    let text = env::fill_in(template?, id, visit, server.speaks_json());
    // Our own messages are text, so their bytes are.
    String::from_utf8(server.tagger.plain(text)).ok()
}

/// Finds a place, and runs the room if it is new. A room that ends before the member is in it is tried again.
fn join(server: &Arc<Server>, sink: &Arc<Sink>, visit: &Visit) -> Result<(Arc<Member>, Arc<Room>), Denied> {
    let mut again = None;
    loop {
        let place = server.lobby.join(&visit.room, again)?;
        again = Some(place.member);
        let room = Arc::clone(&place.room);
        let opened = place.opens.then(|| place.tenure());
        let member = Arc::new(member(server, sink, visit, place));
        if !room.attach(&member) {
            member.abandon_place();
            continue;
        }
        if let Some(tenure) = opened {
            let (theirs, tools, visit) = (Arc::clone(&room), server.tools.clone(), visit.clone());
            let run = move || room::run(&theirs, &tools, &visit, tenure);
            if let Err(error) = thread::spawn("room", run) {
                let reason = format!("no thread can be made: {error}");
                room.close(&Farewell::new(1013, reason.clone()));
                member.abandon_place();
                return Err(Denied::Failed(reason));
            }
        }
        return Ok((member, room));
    }
}

fn member(server: &Server, sink: &Arc<Sink>, visit: &Visit, place: Membership) -> Member {
    let line = Arc::new(Line { sink: Arc::clone(sink), activity: AtomicU64::new(0), farewell: OnceLock::new() });
    let mail = Mail { line: Arc::clone(&line), pace: Arc::clone(&place.room.pace) };
    let config = &server.setup.config;
    Member {
        id: place.member,
        mailbox: Mailbox::new(format!("member {}", place.member), config.mailbox, Some(mail)),
        line,
        last_read: AtomicU64::new(0),
        misses: AtomicBool::new(false),
        slow: AtomicBool::new(false),
        leave_message: fill_in(server, config.leave_message.as_deref(), place.member, visit),
        place: Mutex::new(Some(place)),
    }
}

impl Member {
    /// Gives up a place in a room that it has never been in.
    fn abandon_place(&self) {
        drop(self.place.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Sends somebody away that no room has taken. The original says nothing but goodbye where its rules forbid.
fn dismiss(sink: &Sink, denied: Denied) {
    match denied {
        Denied::Refused(Refused::OneShot | Refused::TooManyRooms) => {
            let _ = sink.post_close(None);
            sink.transport().farewell(FAREWELL);
        }
        Denied::Refused(Refused::Stopping) => sink.dismiss(1001, "the server is stopping"),
        Denied::Refused(Refused::NoPort) => sink.dismiss(1013, "every port of --tcpports is taken; retry later"),
        Denied::Failed(reason) => sink.dismiss(1013, &reason),
    }
}

/// The end of the websocket, when the place in the room is given up.
fn part(member: &Member, end: &End) {
    let transport = member.line.sink.transport();
    match end {
        End::Lost(_) | End::Silent(_) | End::Ended | End::Deaf => {
            member.mailbox.abort();
            transport.abort();
            return;
        }
        // RFC 6455 section 5.5.1: the answer has the same code.
        End::Closed(code) => drop(member.line.farewell.set(Farewell { close: code.map(|code| (code, String::new())) })),
        End::Violation(Violation { code, reason }) => drop(member.line.farewell.set(Farewell::new(*code, *reason))),
        End::SentAway => {}
    }
    member.mailbox.end_early();
    if member.mailbox.wait_until_over(FAREWELL) {
        transport.farewell(FAREWELL);
    } else {
        member.mailbox.abort();
        transport.abort();
    }
}
