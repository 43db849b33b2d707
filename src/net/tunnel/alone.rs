//! A tunnel with little to do: one thread carries both ways, and waits for whichever side comes first.
//!
//! Nothing here blocks but `poll`, so what one side does not take never keeps the other waiting. What was read from a side
//! and is not taken yet is held, and that side is not read before it is gone: at most one buffer each way.

mod goodbye;

use std::io;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::ending::End;
use super::up::Up;
use super::{CLIENT_LINGER, HEAR_AGAIN, Tunnel, watch};
use crate::net::buffer::Buffer;
use crate::net::transport::{Offered, receive_now, send_now, timed_out};
use crate::net::websocket::codec::SERVER_HEADER;

/// Turns in a row that make a second thread worth while: a blocking read is one system call, this is two.
const LIVELY: u32 = 16;
/// Turns further apart than this are not in a row.
const PAUSE: Duration = Duration::from_secs(1);

/// What comes after a time alone.
pub(super) enum Next {
    /// So much is moving that a second thread should help.
    Busy,
    /// The client is done or gone.
    Over(End),
}

/// How the client takes what the backend says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    /// As it comes.
    Open,
    /// It takes nothing just now.
    Full,
    /// It is gone or was told goodbye: what the backend says is read and dropped.
    Deaf,
}

/// One thread with both sides of a tunnel.
pub(super) struct Alone<'a> {
    tunnel: &'a Tunnel,
    /// There only while something moves.
    buffer: Option<Buffer>,
    /// Payload that the backend has not taken yet.
    to_backend: Vec<u8>,
    /// A frame that the client has not begun to take.
    to_client: Vec<u8>,
    client: Client,
    /// It took something since the last look.
    took: bool,
    /// TLS may hold bytes that the socket knows nothing of.
    more_within: bool,
    /// The client is done; this is said when the backend has what was sent before.
    client_end: Option<End>,
    /// Since when the client's answer to our goodbye is waited for: the backend has ended.
    awaiting: Option<Instant>,
    /// Payload bytes that the backend had taken at that time.
    seen: u64,
    /// When to look after the client next.
    next_look: Instant,
    /// Looks at a client that has hung up while the backend took nothing.
    gone: u32,
    turns: u32,
    last_turn: Instant,
    /// A read filled its buffer.
    flowing: bool,
    /// A second thread is not asked for before.
    helper_after: Instant,
}

impl<'a> Alone<'a> {
    pub(super) fn new(tunnel: &'a Tunnel) -> Self {
        let now = Instant::now();
        Self {
            tunnel,
            buffer: None,
            to_backend: Vec::new(),
            to_client: Vec::new(),
            client: Client::Open,
            more_within: false,
            client_end: None,
            awaiting: None,
            seen: 0,
            took: true,
            next_look: now + tunnel.tick(),
            gone: 0,
            turns: 0,
            last_turn: now,
            flowing: false,
            helper_after: now,
        }
    }

    /// Takes what the client sent together with its handshake.
    pub(super) fn take_early(&mut self, up: &mut Up<'_>, mut early: Vec<u8>) {
        self.pass(up, &mut early);
    }

    /// No second thread can be had for the time being.
    pub(super) fn stay_alone(&mut self) {
        self.helper_after = Instant::now() + PAUSE;
    }

    /// Carries both ways until the client is done or gone, or a second thread is worth while.
    pub(super) fn run(&mut self, up: &mut Up<'_>) -> Next {
        loop {
            if let Some(end) = self.client_end.take_if(|_| self.to_backend.is_empty()) {
                return Next::Over(end);
            }
            let moved = match self.turn(Some(&mut *up), None) {
                Ok(moved) => moved,
                Err(end) => return Next::Over(end),
            };
            let now = Instant::now();
            if moved {
                self.turns = if now.duration_since(self.last_turn) > PAUSE { 1 } else { self.turns + 1 };
                self.last_turn = now;
                if self.is_busy() && now >= self.helper_after {
                    (self.turns, self.flowing, self.buffer) = (0, false, None);
                    return Next::Busy;
                }
            }
            if let Err(end) = self.look_around(up, now) {
                return Next::Over(end);
            }
        }
    }

    /// Nothing may be held back then: a second thread would overtake it.
    fn is_busy(&self) -> bool {
        let held = self.client != Client::Open || !self.to_backend.is_empty() || !self.to_client.is_empty();
        let ending = self.awaiting.is_some() || self.client_end.is_some();
        (self.flowing || self.turns >= LIVELY) && !held && !ending
    }

    /// Waits for something to do, and does it; true when bytes moved. Without `up` the client is not read, and `until` is
    /// when waiting ends.
    fn turn(&mut self, up: Option<&mut Up<'_>>, until: Option<Instant>) -> Result<bool, End> {
        let [client, backend] = self.wait(up.is_some(), until).map_err(|error| End::Failed(error.to_string()))?;
        self.flowing = false;
        let mut moved = false;
        if backend.contains(PollFlags::OUT) {
            self.pay_backend();
        }
        if client.contains(PollFlags::OUT) {
            self.pay_client();
        }
        let polled = client.contains(PollFlags::IN);
        if let Some(up) = up.filter(|_| polled || self.has_more_within()) {
            moved |= self.read_client(up, polled)?;
        }
        if backend.contains(PollFlags::IN) {
            moved |= self.read_backend();
        }
        // It is only kept while data flows.
        self.buffer.take_if(|buffer| !buffer.is_large());
        Ok(moved)
    }

    /// What client and backend are ready for.
    fn wait(&self, reading: bool, until: Option<Instant>) -> io::Result<[PollFlags; 2]> {
        let wanted = |bytes: bool, room: bool| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, bytes);
            flags.set(PollFlags::OUT, room);
            flags
        };
        let full = self.client == Client::Full;
        let reading_client = reading && self.client_end.is_none() && self.to_backend.is_empty();
        let of_client = wanted(reading_client, full || self.tunnel.sink.is_stuck());
        let of_backend = wanted(self.awaiting.is_none() && !full, !self.to_backend.is_empty());
        let sides = [self.tunnel.transport().socket(), &self.tunnel.backend];
        watch::sides(sides, [of_client, of_backend], self.patience(reading, until))
    }

    /// How long nothing may happen.
    fn patience(&self, reading: bool, until: Option<Instant>) -> Duration {
        let until = until.unwrap_or(self.next_look);
        let rest = until.saturating_duration_since(Instant::now());
        if reading && self.has_more_within() {
            Duration::ZERO
        } else if self.awaiting.is_some() {
            rest.min(if self.tunnel.was_closed() { HEAR_AGAIN } else { CLIENT_LINGER })
        } else {
            rest
        }
    }

    /// Whether there may be something to read that `poll` does not know of, and somebody to take it.
    fn has_more_within(&self) -> bool {
        self.more_within && self.to_backend.is_empty()
    }

    fn buffer(&mut self) -> Buffer {
        self.buffer.take().unwrap_or_else(|| Buffer::new(SERVER_HEADER))
    }

    /// Fits the buffer to what was read.
    fn put_back(&mut self, mut buffer: Buffer, count: usize) {
        self.flowing |= count == buffer.space().len();
        buffer.adapt(count);
        self.buffer = Some(buffer);
    }

    fn read_client(&mut self, up: &mut Up<'_>, polled: bool) -> Result<bool, End> {
        let mut buffer = self.buffer();
        let space = buffer.space();
        let count = match self.tunnel.transport().read_now(space, polled) {
            Ok(0) => return Err(End::ClientEnded),
            Ok(count) => count,
            Err(error) if timed_out(&error) => {
                self.more_within = false;
                return Ok(false);
            }
            Err(error) => return Err(End::ClientLost(error.to_string().to_lowercase())),
        };
        self.more_within = self.tunnel.transport().is_tls() && count == space.len();
        self.tunnel.client_is_alive();
        self.pass(up, space.get_mut(..count).unwrap_or_default());
        self.put_back(buffer, count);
        Ok(true)
    }

    /// Decodes what the client sent and passes it on. All of it: its end counts when the backend has the rest.
    fn pass(&mut self, up: &mut Up<'_>, bytes: &mut [u8]) {
        let passed = up.decode(bytes, |_, bytes, payload| {
            payload.of(bytes).for_each(|piece| self.give_backend(piece));
            Ok(())
        });
        if let Err(end) = passed {
            self.client_end = Some(end);
        }
    }

    fn give_backend(&mut self, payload: &[u8]) {
        if self.tunnel.is_backend_deaf() {
            return;
        }
        let sent = if self.to_backend.is_empty() { self.send_to_backend(payload) } else { 0 };
        if !self.tunnel.is_backend_deaf() {
            self.to_backend.extend_from_slice(payload.get(sent..).unwrap_or_default());
        }
    }

    fn send_to_backend(&self, bytes: &[u8]) -> usize {
        match send_now(&self.tunnel.backend, bytes) {
            Ok(sent) => {
                self.tunnel.backend_took(sent);
                sent
            }
            Err(error) => {
                self.tunnel.backend_refused(&error);
                0
            }
        }
    }

    fn pay_backend(&mut self) {
        let sent = self.send_to_backend(&self.to_backend);
        self.gone = 0;
        if sent == self.to_backend.len() || self.tunnel.is_backend_deaf() {
            self.to_backend = Vec::new();
        } else {
            self.to_backend.drain(..sent);
        }
    }

    fn read_backend(&mut self) -> bool {
        let mut buffer = self.buffer();
        let end = match receive_now(&self.tunnel.backend, buffer.space()) {
            Ok(0) => self.tunnel.how_backend_ended(Duration::ZERO),
            Ok(count) => {
                self.give_client(buffer.bytes(), count);
                self.put_back(buffer, count);
                return true;
            }
            Err(error) if timed_out(&error) => return false,
            Err(error) => Tunnel::how_backend_broke(&error),
        };
        self.backend_is_done(end);
        false
    }

    /// Frames the `count` bytes behind the reserve and offers them.
    fn give_client(&mut self, bytes: &mut [u8], count: usize) {
        if self.client != Client::Deaf {
            self.offer(Tunnel::frame(bytes, count));
        }
        match self.client {
            Client::Deaf => self.tunnel.was_unheard(),
            Client::Open | Client::Full => self.tunnel.client_took(count),
        }
    }

    /// Whatever the client does not take is kept and comes first.
    fn offer(&mut self, frame: &[u8]) {
        match self.tunnel.sink.offer(frame) {
            Ok(Offered::Taken) => {
                self.client = Client::Open;
                self.tunnel.client_is_alive();
            }
            Ok(Offered::Begun) => {
                self.client = Client::Full;
                self.tunnel.client_is_alive();
            }
            Ok(Offered::Refused) => {
                self.client = Client::Full;
                self.to_client = frame.to_vec();
            }
            Err(_) => {
                self.client = Client::Deaf;
                self.tunnel.was_unheard();
                if !self.tunnel.sink.is_closing() {
                    // Shows at the next read.
                    self.tunnel.transport().abort();
                }
            }
        }
    }

    fn pay_client(&mut self) {
        self.took = true;
        self.tunnel.client_is_alive();
        if self.client == Client::Full {
            let frame = std::mem::take(&mut self.to_client);
            self.offer(&frame);
        } else {
            // A lost connection shows at the next read.
            let _ = self.tunnel.sink.flush();
        }
    }

    /// Sees to everything that time brings.
    fn look_around(&mut self, up: &mut Up<'_>, now: Instant) -> Result<(), End> {
        if let Some(since) = self.awaiting {
            self.await_client(since, now)?;
        }
        if now < self.next_look {
            return Ok(());
        }
        self.next_look = now + self.tunnel.tick();
        if now.duration_since(self.last_turn) >= self.tunnel.tick() {
            self.buffer = None;
        }
        self.give_up_what_nobody_takes();
        up.beat();
        if self.to_backend.is_empty() {
            self.gone = 0;
            return up.check_silence(now);
        }
        // The client is not read meanwhile; only one that has hung up is given up.
        up.client_is_unread(now);
        self.gone += u32::from(self.tunnel.transport().peer_has_hung_up());
        if self.gone > 1 { Err(super::up::gone_meanwhile()) } else { Ok(()) }
    }

    /// After an end from outside, a client that takes nothing must not keep the backend's end from being seen.
    fn give_up_what_nobody_takes(&mut self) {
        let stalled = !std::mem::take(&mut self.took) && self.client == Client::Full;
        if stalled && self.tunnel.sink.is_closing() {
            self.client = Client::Deaf;
            self.tunnel.was_unheard();
        }
    }
}
