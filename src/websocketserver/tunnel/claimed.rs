//! A websocket with a reservation's token: waits for its instance, keeping the line alive, and connects.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::net::backend;
use crate::net::websocket::sink::Sink;
use crate::websocketserver::launch::{Endpoint, Started};
use crate::websocketserver::registry::{Claim, Order};

/// How often a waiting client is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// The first pause between two attempts to connect, and the longest; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(16);

/// Why there is no backend.
#[derive(Debug)]
pub(super) enum Missed {
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
}

impl<'a> Waiting<'a> {
    pub(super) fn new(claim: &'a Claim, sink: &'a Sink, heartbeat: Option<Duration>) -> Self {
        Self { claim, sink, heartbeat, last_ping: Instant::now() }
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
            None => Ok(None),
        }
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
