//! A websocket joined to a TCP connection: what is read from one side is written to the other before more is read.
//!
//! While data flows there are two pumps: the connection's own thread carries bytes up (client to backend) and watches the
//! client's health, a second thread carries them down. While little moves the connection's own thread is alone and carries
//! both ways. No queue stands anywhere, so each side's backpressure reaches the other by itself.

mod alone;
mod down;
mod ending;
mod helpers;
mod up;
mod watch;

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Scope;
use std::time::Duration;

use rustix::net::sockopt;

use alone::{Alone, Next};
pub use ending::End;
use ending::{Ending, Pump};
pub use helpers::Helpers;
use up::Up;

use super::live::Endable;
use super::transport::{self, Progress, Transport};
use super::websocket::pulse::Pulse;
use super::websocket::sink::Sink;
use crate::sys::thread;

/// How long the backend may go on speaking after the client's close frame, before that is answered (RFC 6455
/// section 5.5.1 asks for an answer as soon as practical).
const CLOSE_REPLY_WAIT: Duration = Duration::from_secs(1);
/// How long the backend may take to read what was sent to it and close, after the client is gone.
const BACKEND_LINGER: Duration = Duration::from_secs(5);
/// How long a client may be silent after our close frame.
const CLIENT_LINGER: Duration = Duration::from_secs(5);
/// How long the client may take to close TCP after both close frames.
const FAREWELL: Duration = Duration::from_secs(2);
/// How often a backend that is not listened to any more is asked whether it said something.
const HEAR_AGAIN: Duration = Duration::from_millis(20);
/// How often a blocked thread looks around when there is no heartbeat.
const IDLE_TICK: Duration = Duration::from_secs(15);

/// One tunnel at work.
pub struct Tunnel {
    sink: Arc<Sink>,
    backend: TcpStream,
    heartbeat: Option<Duration>,
    helpers: Helpers,
    /// Counts every step in which the client gave or took bytes: a sign of life.
    activity: AtomicU64,
    up_bytes: AtomicU64,
    down_bytes: AtomicU64,
    /// The backend takes no more: what the client still sends is read and dropped.
    backend_deaf: AtomicBool,
    /// Reading from the backend was ended from here.
    backend_cut: AtomicBool,
    /// The backend said something that the client never got.
    unheard: AtomicBool,
    ending: Ending,
    epitaph: Option<Epitaph>,
}

/// Asked when the backend has closed: the close code and reason to pass on, if it did not end well or has a last word.
pub type Epitaph = Box<dyn Fn() -> Option<(u16, String)> + Send + Sync>;

/// What a tunnel did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Payload bytes that the backend took.
    pub up: u64,
    /// Payload bytes that the client took.
    pub down: u64,
    /// Why it ended.
    pub end: End,
}

impl Tunnel {
    /// Joins the websocket behind `sink` to `backend`. `heartbeat` is the time between pings; `None` sends none. `helpers`
    /// says whether a second thread may be had.
    pub fn new(sink: Arc<Sink>, backend: TcpStream, heartbeat: Option<Duration>, helpers: Helpers) -> Self {
        Self {
            sink,
            backend,
            heartbeat,
            helpers,
            activity: AtomicU64::new(0),
            up_bytes: AtomicU64::new(0),
            down_bytes: AtomicU64::new(0),
            backend_deaf: AtomicBool::new(false),
            backend_cut: AtomicBool::new(false),
            unheard: AtomicBool::new(false),
            ending: Ending::default(),
            epitaph: None,
        }
    }

    /// Asks `epitaph` why the backend has closed, before the client is told.
    #[must_use]
    pub fn with_epitaph(mut self, epitaph: Epitaph) -> Self {
        self.epitaph = Some(epitaph);
        self
    }

    /// Payload bytes so far, up and down.
    pub fn bytes(&self) -> (u64, u64) {
        (self.up_bytes.load(Ordering::Relaxed), self.down_bytes.load(Ordering::Relaxed))
    }

    /// Whether the backend has ended or is gone, be there bytes of it to be carried or not.
    pub fn backend_has_hung_up(&self) -> bool {
        transport::has_hung_up(&self.backend)
    }

    /// Carries bytes until either side ends. `early` is what the client sent together with its handshake.
    ///
    /// `client_gone` is dropped as soon as the client is, while the backend may still be reading what was sent to it.
    #[inline(never)] // its locals are not to lie beneath the log's while that says that the tunnel is open
    pub fn run<G: Send>(&self, early: Vec<u8>, client_gone: G) -> Summary {
        std::thread::scope(|scope| {
            let _done = self.ending.done_on_drop(Pump::Up, &self.backend);
            self.carry(scope, early, client_gone);
        });
        self.farewell();
        self.release_backend();
        self.summary()
    }

    /// Alone, with a second thread, alone again, until the end.
    fn carry<'scope, G>(&'scope self, scope: &'scope Scope<'scope, '_>, early: Vec<u8>, client_gone: G) {
        let mut up = Up::new(self);
        let mut alone = Alone::new(self);
        alone.take_early(&mut up, early);
        loop {
            match alone.run(&mut up) {
                Next::Over(end) => {
                    self.ending.because(end.clone());
                    return alone.client_is_done(&end, client_gone);
                }
                Next::Busy if self.is_joined(scope) => {
                    if let Some(end) = up.run() {
                        self.ending.because(end.clone());
                        return self.client_is_done(&end, client_gone);
                    }
                    alone = Alone::new(self);
                }
                Next::Busy => alone.stay_alone(),
            }
        }
    }

    /// Whether a second thread carries down from now on. What it cannot have is no fault: one thread does it all.
    fn is_joined<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) -> bool {
        let Some(permit) = self.helpers.enter().filter(|_| self.prepare().is_ok()) else {
            return false;
        };
        self.ending.pair();
        let down = thread::spawn_scoped(scope, "down", move || {
            let _permit = permit;
            let _done = self.ending.done_on_drop(Pump::Down, &self.backend);
            self.pump_down();
        });
        down.is_ok()
    }

    /// Ends the tunnel from outside: the client gets `code` and `reason`.
    pub fn close(&self, code: u16, reason: &str) {
        self.ending.because(End::Closed { code, reason: reason.to_owned() });
        let _ = self.sink.post_close(Some((code, reason)));
        // Whoever reads from the backend reads an end and comes to its own end.
        self.cut_backend(Shutdown::Read);
    }

    fn cut_backend(&self, how: Shutdown) {
        self.backend_cut.store(true, Ordering::Relaxed);
        let _ = self.backend.shutdown(how);
    }

    fn transport(&self) -> &Transport {
        self.sink.transport()
    }

    /// A thread that is blocked looks around twice per heartbeat.
    fn tick(&self) -> Duration {
        self.heartbeat.map_or(IDLE_TICK, |heartbeat| heartbeat / 2)
    }

    /// Two threads block in reads and writes, and look up from time to time.
    fn prepare(&self) -> io::Result<()> {
        self.transport().set_read_timeout(Some(self.tick()))?;
        self.transport().set_write_timeout(Some(self.tick()))?;
        self.backend.set_read_timeout(Some(self.tick()))?;
        self.backend.set_write_timeout(Some(self.tick()))
    }

    fn pulse(&self) -> Pulse {
        Pulse::new(self.heartbeat, std::time::Instant::now())
    }

    /// The client gave or took something.
    fn client_is_alive(&self) {
        self.activity.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it has.
    fn signs_of_life(&self) -> u64 {
        self.activity.load(Ordering::Relaxed)
    }

    fn client_took(&self, count: usize) {
        self.down_bytes.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn backend_took(&self, count: usize) {
        self.up_bytes.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// The backend takes no more. What it said before is still read.
    fn backend_refused(&self, error: &io::Error) {
        self.ending.refused(error);
        self.backend_deaf.store(true, Ordering::Relaxed);
    }

    fn is_backend_deaf(&self) -> bool {
        self.backend_deaf.load(Ordering::Relaxed)
    }

    fn was_unheard(&self) {
        self.unheard.store(true, Ordering::Relaxed);
    }

    /// The server ended it.
    fn was_closed(&self) -> bool {
        matches!(self.ending.reason(), End::Closed { .. })
    }

    fn abort_both(&self) {
        self.transport().abort();
        self.cut_backend(Shutdown::Both);
    }

    /// Counts what the client takes; a stall is no reason to give up, the pulse decides that.
    fn note_progress(&self, progress: Progress) {
        if let Progress::Wrote(_) = progress {
            self.client_is_alive();
        }
    }

    /// Both close frames are exchanged, or the connection is lost: ends TCP so that the last frame arrives.
    fn farewell(&self) {
        // A client that is gone was cut off already.
        if self.ending.reason().is_orderly() {
            // RFC 6455 section 7.1.1: the server closes first, and reads on until the client has closed too.
            self.transport().farewell(FAREWELL);
        }
    }

    /// A socket that was shut for reading opens its window no more (Linux), also when it is read empty, and as an orphan
    /// it answers for a minute: a backend in the middle of a write would hang that long. A reset frees it. A backend that
    /// said nothing more is not reset, since it may still be reading what was sent to it.
    fn release_backend(&self) {
        if self.backend_cut.load(Ordering::Relaxed) && self.unheard.load(Ordering::Relaxed) {
            let _ = sockopt::set_socket_linger(&self.backend, Some(Duration::ZERO));
        }
    }

    fn summary(&self) -> Summary {
        Summary { up: self.bytes().0, down: self.bytes().1, end: self.ending.reason() }
    }
}

impl Endable for Tunnel {
    fn end(&self) {
        self.close(1001, "the server is stopping");
    }

    fn abort(&self) {
        self.abort_both();
    }
}

#[cfg(test)]
mod tests;
