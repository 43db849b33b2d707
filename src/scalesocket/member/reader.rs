//! What a member says, on its way to the command; and the member's health.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::super::Server;
use super::super::backlog::{Parcel, Pushed};
use super::super::framing::{Complaint, Kind};
use super::super::room::Room;
use super::Member;
use crate::net::buffer::Buffer;
use crate::net::transport::timed_out;
use crate::net::websocket::codec::{Decoder, Signal, Stop, Violation};
use crate::net::websocket::pulse::Pulse;

/// Bytes of a message.
const LONGEST_MESSAGE: usize = 64 * 1024 * 1024;
/// How often a blocked thread looks around when there is no heartbeat.
const IDLE_TICK: Duration = Duration::from_secs(15);
/// How often a member that waits for the command looks around.
const WAITING_TICK: Duration = Duration::from_secs(1);
/// Ticks in a row in which the command took nothing, after which a client that is gone is not worth waiting for.
const GONE_TICKS: u32 = 5;
/// How long a client may take nothing, and answer nothing, after it was said goodbye to.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(5);
/// The same for one that was slow before.
const SLOW_PATIENCE: Duration = Duration::from_secs(30);

/// How a member ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The client said goodbye, perhaps with a code.
    Closed(Option<u16>),
    /// The client closed the connection without a word.
    Ended,
    /// The connection was lost.
    Lost(String),
    /// Nothing was heard for so long.
    Silent(Duration),
    /// The client broke the protocol.
    Violation(Violation),
    /// The room said goodbye first, and the client has answered.
    SentAway,
    /// The room said goodbye first, and nothing came of it.
    Deaf,
}

impl Display for End {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(Some(code)) => write!(f, "closed with {code}"),
            Self::Closed(None) => f.write_str("closed"),
            Self::Ended => f.write_str("connection ended without a close frame"),
            Self::Lost(cause) => write!(f, "connection lost: {cause}"),
            Self::Silent(time) => write!(f, "no sign of life for {} s", time.as_secs()),
            Self::Violation(violation) => write!(f, "protocol broken: {}", violation.reason),
            Self::SentAway => f.write_str("said goodbye to"),
            Self::Deaf => f.write_str("said goodbye to, without an answer"),
        }
    }
}

/// Reads one websocket on its connection's thread.
pub(super) struct Reader<'a> {
    server: &'a Server,
    room: &'a Room,
    member: &'a Member,
    decoder: Decoder,
    message: Vec<u8>,
    pulse: Pulse,
    /// When the room's goodbye was first seen, or when the client last took something after that.
    goodbye: Option<(Instant, u64)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(server: &'a Server, room: &'a Room, member: &'a Member) -> Self {
        let pulse = Pulse::new(server.setup.config.heartbeat, Instant::now());
        let decoder = Decoder::of_messages();
        Self { server, room, member, decoder, message: Vec::new(), pulse, goodbye: None }
    }

    /// Passes `join` on, then every message until the end; `early` is what came with the handshake.
    pub(super) fn run(&mut self, mut early: Vec<u8>, join: Option<String>) -> End {
        let began = self.prepare().and_then(|()| join.map_or(Ok(()), |text| self.pass_on(text.into_bytes())));
        match began.and_then(|()| self.take(&mut early)) {
            Ok(()) => {
                drop(early);
                self.listen()
            }
            Err(end) => end,
        }
    }

    fn prepare(&self) -> Result<(), End> {
        let tick = self.server.setup.config.heartbeat.map_or(IDLE_TICK, |heartbeat| (heartbeat / 2).min(IDLE_TICK));
        let transport = self.member.line.sink.transport();
        let set = transport.set_read_timeout(Some(tick)).and_then(|()| transport.set_write_timeout(Some(tick)));
        set.map_err(|error| End::Lost(error.to_string().to_lowercase()))
    }

    fn listen(&mut self) -> End {
        let mut buffer = Buffer::new(0);
        loop {
            match self.read(buffer.space()) {
                Ok(0) => return if self.is_sent_away() { End::SentAway } else { End::Ended },
                Ok(count) => {
                    self.member.line.is_alive();
                    let bytes = buffer.space().get_mut(..count).unwrap_or_default();
                    if let Err(end) = self.take(bytes) {
                        return end;
                    }
                    buffer.adapt(count);
                }
                Err(error) if timed_out(&error) => buffer.shrink(),
                Err(error) => return End::Lost(error.to_string().to_lowercase()),
            }
            if let Err(end) = self.look_around() {
                return end;
            }
        }
    }

    fn read(&self, space: &mut [u8]) -> io::Result<usize> {
        let sink = &self.member.line.sink;
        // A lost connection shows at the read.
        let stuck = sink.is_stuck() && sink.flush().is_ok() && sink.is_stuck();
        if stuck { sink.transport().read_or_room(space) } else { sink.transport().read(space) }
    }

    /// Pings, and notices who is gone.
    fn look_around(&mut self) -> Result<(), End> {
        let now = Instant::now();
        let activity = self.member.line.activity.load(Ordering::Relaxed);
        if self.is_sent_away() {
            let (since, seen) = *self.goodbye.get_or_insert((now, activity));
            let patience = if self.member.slow.load(Ordering::Relaxed) { SLOW_PATIENCE } else { GOODBYE_PATIENCE };
            if seen != activity {
                self.goodbye = Some((now, activity));
            } else if now - since >= patience {
                return Err(End::Deaf);
            }
            return Ok(());
        }
        self.member.mailbox.attend();
        if self.pulse.ping_is_due(now) {
            // A lost connection shows at the next read.
            let _ = self.member.line.sink.ping();
        }
        self.pulse.silence(activity, now).map_or(Ok(()), |silence| Err(End::Silent(silence)))
    }

    fn is_sent_away(&self) -> bool {
        self.member.line.farewell.get().is_some()
    }

    /// Decodes what was read and passes messages on.
    fn take(&mut self, mut bytes: &mut [u8]) -> Result<(), End> {
        while !bytes.is_empty() {
            let decoded = self.decoder.decode(bytes);
            for piece in decoded.payload.of(bytes) {
                if self.message.len() + piece.len() > LONGEST_MESSAGE {
                    return Err(violation(1009, "a message was longer than 64 MiB"));
                }
                self.message.extend_from_slice(piece);
            }
            match decoded.stop {
                Stop::Drained => return Ok(()),
                Stop::Message { text } => self.complete(text)?,
                Stop::Signal(Signal::Ping(payload)) => drop(self.member.line.sink.pong(&payload)),
                Stop::Full | Stop::Signal(Signal::Pong) => {}
                Stop::Signal(Signal::Close(_)) if self.is_sent_away() => return Err(End::SentAway),
                Stop::Signal(Signal::Close(close)) => return Err(End::Closed(close.map(|(code, _)| code))),
                Stop::Violation(violation) => return Err(End::Violation(violation)),
            }
            bytes = bytes.get_mut(decoded.used..).unwrap_or_default();
        }
        Ok(())
    }

    fn complete(&mut self, text: bool) -> Result<(), End> {
        let message = std::mem::take(&mut self.message);
        if text && std::str::from_utf8(&message).is_err() {
            return Err(violation(1007, "a text message was not UTF-8"));
        }
        let kind = if text { Kind::Text } else { Kind::Binary };
        match self.server.tagger.tag(self.member.id, kind, message) {
            Ok(bytes) => self.pass_on(bytes),
            Err(Complaint(sentence)) => {
                let journal = self.server.setup.journal;
                journal.member(log::Level::Warn, &self.room.name, self.member.id, &format!("bad data: {sentence}"));
                Ok(())
            }
        }
    }

    /// Gives bytes to the command; waits while too much waits for it already.
    fn pass_on(&mut self, bytes: Vec<u8>) -> Result<(), End> {
        let mut parcel = Parcel::new(bytes, 0);
        let mut gone = 0;
        // Who is said goodbye to is not listened to any more.
        while !self.is_sent_away() {
            match self.room.input.push(parcel) {
                Pushed::Taken | Pushed::Ended => return Ok(()),
                Pushed::Full(again) => parcel = again,
            }
            if self.room.input.wait_for_room(WAITING_TICK) {
                gone = 0;
            }
            // The client is not read meanwhile, and so not heard either.
            self.pulse.renew(Instant::now());
            gone += u32::from(self.member.line.sink.transport().peer_has_hung_up());
            if gone > GONE_TICKS {
                return Err(End::Lost("gone while the command took nothing".to_owned()));
            }
            self.look_around()?;
        }
        Ok(())
    }
}

fn violation(code: u16, reason: &'static str) -> End {
    End::Violation(Violation { code, reason })
}
