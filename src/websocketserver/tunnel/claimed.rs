//! A websocket with a reservation's token: waits for its instance, keeping the line alive, and connects.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::net::backend;
use crate::net::transport::timed_out;
use crate::net::websocket::codec::{Decoder, Signal, Stop};
use crate::net::websocket::sink::Sink;
use crate::websocketserver::launch::{Endpoint, Started};
use crate::websocketserver::registry::{Claim, Order};

/// How often a waiting client is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// The first pause between two attempts to connect, and the longest; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(16);

/// Bytes that are taken from a client before there is somebody to take them.
const MOST_EARLY: usize = 64 * 1024;

/// Why there is no backend.
#[derive(Debug)]
pub(super) enum Missed {
    /// The client said goodbye, and waits for an answer.
    Goodbye,
    /// The client went away meanwhile.
    ClientGone,
    /// To be told to the client.
    Close(u16, String),
}

/// Waits for one instance.
pub(super) struct Waiting<'a> {
    claim: &'a Claim,
    sink: &'a Sink,
    heartbeat: Option<Duration>,
    last_ping: Instant,
    /// What the client has sent so far, for the tunnel.
    early: Vec<u8>,
    /// Looks for a goodbye in it.
    decoder: Decoder,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(claim: &'a Claim, sink: &'a Sink, heartbeat: Option<Duration>) -> Self {
        let (early, decoder) = (Vec::new(), Decoder::default());
        Self { claim, sink, heartbeat, last_ping: Instant::now(), early, decoder }
    }

    /// Takes what the client sent together with its handshake.
    pub(super) fn with_early(mut self, mut early: Vec<u8>) -> Result<Self, Missed> {
        self.early.extend_from_slice(&early);
        self.look_for_goodbye(&mut early)?;
        Ok(self)
    }

    /// Everything that the client has sent.
    pub(super) fn into_early(self) -> Vec<u8> {
        self.early
    }

    /// Waits for the instance and connects to its `endpoint`, `None` is its first. The registry bounds the time of a
    /// launch; `patience` bounds that of a connection to an instance which others use already.
    pub(super) fn connect(&mut self, endpoint: Option<&str>, patience: Duration) -> Result<TcpStream, Missed> {
        let started = loop {
            if let Some(started) = self.pause(LOOK)? {
                break started;
            }
        };
        let endpoint = started.endpoint(endpoint).map_err(|reason| Missed::Close(1008, reason))?;
        let deadline = Instant::now() + patience;
        let mut pause = FIRST_PAUSE;
        loop {
            match attempt(endpoint) {
                Attempt::Connected(stream) => return Ok(stream),
                Attempt::Refused(reason) => return Err(Missed::Close(1013, reason)),
                // Nobody is asked before it listens: an attempt that succeeds is the tunnel. VNC servers shut out who
                // connects and hangs up.
                Attempt::NotYet(reason) if Instant::now() > deadline => return Err(Missed::Close(1011, reason)),
                Attempt::NotYet(_) => self.pause(pause).map(drop)?,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Waits a moment; sees to pings, to the client's presence and to orders.
    fn pause(&mut self, time: Duration) -> Result<Option<Started>, Missed> {
        let order = self.claim.wait(time);
        if self.heartbeat.is_some_and(|heartbeat| self.last_ping.elapsed() >= heartbeat) {
            self.last_ping = Instant::now();
            let _ = self.sink.ping();
        }
        match order {
            Some(Order::Ready(started)) => Ok(Some(started)),
            Some(Order::Close { code, reason } | Order::Epitaph { code, reason }) => Err(Missed::Close(code, reason)),
            None if self.sink.transport().peer_has_hung_up() => Err(Missed::ClientGone),
            None => self.listen().map(|()| None),
        }
    }

    /// Takes what is there from the client, within reason: a client that closes its websocket waits for the answer, and
    /// does not hang up before.
    fn listen(&mut self) -> Result<(), Missed> {
        let transport = self.sink.transport();
        let mut space = [0; 1_024];
        if !transport.has_bytes() {
            return Ok(());
        }
        while self.early.len() < MOST_EARLY {
            // Not asked again: TLS may hold more than the socket, or a part of a record may be all that there is.
            let read = transport.set_read_timeout(Some(Duration::ZERO)).and_then(|()| transport.read(&mut space));
            let bytes = match read {
                Ok(count @ 1..) => space.get_mut(..count).unwrap_or_default(),
                Err(error) if timed_out(&error) => return Ok(()),
                Ok(_) | Err(_) => return Err(Missed::ClientGone),
            };
            self.early.extend_from_slice(bytes);
            self.look_for_goodbye(bytes)?;
        }
        Ok(())
    }

    /// Decodes a copy; what else is in it is the tunnel's business.
    fn look_for_goodbye(&mut self, mut bytes: &mut [u8]) -> Result<(), Missed> {
        while !bytes.is_empty() {
            let decoded = self.decoder.decode(bytes);
            match decoded.stop {
                Stop::Signal(Signal::Close(_)) => return Err(Missed::Goodbye),
                Stop::Violation(violation) => return Err(Missed::Close(violation.code, violation.reason.to_owned())),
                Stop::Drained => return Ok(()),
                Stop::Signal(_) | Stop::Message { .. } | Stop::Full => {}
            }
            bytes = bytes.get_mut(decoded.used..).unwrap_or_default();
        }
        Ok(())
    }
}

enum Attempt {
    Connected(TcpStream),
    NotYet(String),
    Refused(String),
}

fn attempt(endpoint: &Endpoint) -> Attempt {
    match endpoint {
        Endpoint::Tcp { host, port } => match backend::connect(host, *port) {
            Ok(stream) => Attempt::Connected(stream),
            Err(reason) => Attempt::NotYet(reason),
        },
        Endpoint::Unix(path) => match backend::connect_unix(path) {
            Ok(stream) => Attempt::Connected(stream),
            Err(error) => Attempt::NotYet(format!("cannot connect to {}: {error}", path.display())),
        },
        Endpoint::Given(given) => match given.take() {
            Some(fd) => Attempt::Connected(TcpStream::from(fd)),
            None => Attempt::Refused("this service serves one connection only".to_owned()),
        },
    }
}
