//! Listening sockets, and the threads that accept and serve.
//!
//! Whoever accepts a connection serves it too, and comes back: a short connection costs neither a new thread nor a hand-over.
//! Before it serves it makes sure that somebody goes on accepting.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::net::sockopt::{self, Timeout};

use super::backend;
use super::live::{Live, Permit};
use crate::sys::thread;

mod refusal;
mod seats;

use refusal::Refusals;
use seats::{Seat, Seats};

/// Connections that may wait to be accepted. std asks for 128; then a thousand clients at once wait for seconds.
const BACKLOG: i32 = 4_096;
/// How long a client may take none of what is written to it, until its connection says otherwise.
pub const WRITE_PATIENCE: Duration = Duration::from_secs(30);
/// How long a client may be silent, until its connection says otherwise.
pub const READ_PATIENCE: Duration = Duration::from_secs(10);
/// On Linux an accepted socket has the options of its listener: set once, they cost a connection nothing.
const ACCEPTED_INHERIT: bool = cfg!(target_os = "linux");
/// How long to leave the system alone after it could not accept (no descriptors, no memory).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Binds `port` on `address`, or on every interface, IPv6 and IPv4, when it is `None`.
///
/// # Errors
/// The port is taken or may not be used. The text names the address and the cause.
pub fn bind(address: Option<IpAddr>, port: u16) -> Result<TcpListener, String> {
    let listener = match address {
        Some(address) => TcpListener::bind((address, port)),
        // A host without IPv6 refuses in one of several ways; the second attempt tells a port that is taken anywhere.
        None => TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).or_else(|error| match error.kind() {
            io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Err(error),
            _ => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)),
        }),
    };
    let name = || SocketAddr::new(address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), port);
    let listener = listener.map_err(|error| format!("cannot listen on {}: {}", name(), cause(&error)))?;
    rustix::net::listen(&listener, BACKLOG).map_err(|error| format!("cannot listen on {}: {error}", name()))?;
    Ok(listener)
}

fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the port is in use".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied (ports below 1024 need privileges)".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this host has no such address".to_owned(),
        _ => error.to_string().to_lowercase(),
    }
}

/// A connection that was let in.
pub struct Accepted {
    /// The client's socket, with keepalive, without delay, and with [`READ_PATIENCE`] and [`WRITE_PATIENCE`].
    pub socket: TcpStream,
    /// The client, an IPv4 one as IPv4 also on an IPv6 socket.
    pub peer: SocketAddr,
    /// Its right to be here. Declared last: the socket is closed before its place is given away.
    pub permit: Permit,
}

/// What is left to do for a connection that became something else than it was at first.
pub struct Rest {
    /// Of its [`Permit`].
    pub id: u64,
    /// Does it, to the connection's end.
    pub work: Box<dyn FnOnce() + Send>,
    /// The stack has been used far below what the rest needs. Its pages would stay with the thread for as long as that lasts.
    pub deep: bool,
}

impl Rest {
    fn run(self) {
        thread::contain(format_args!("conn {}", self.id), self.work);
    }
}

/// A port being accepted on. Dropping it stops accepting and waits until nobody accepts any more.
pub struct Acceptor {
    port: Arc<Port>,
}

impl Acceptor {
    /// Starts a thread that accepts and runs `serve` for what it accepted; more of them come as they are needed. Those for
    /// whom there is no room are refused with 503 and the headers `extra`.
    ///
    /// # Errors
    /// No thread can be made, or the listener is of no use.
    pub fn start<F>(
        listener: TcpListener,
        label: &'static str,
        live: Live,
        extra: &[(String, String)],
        serve: F,
    ) -> io::Result<Self>
    where
        F: Fn(Accepted) -> Option<Rest> + Send + Sync + 'static,
    {
        if ACCEPTED_INHERIT {
            prepare(listener.as_fd())?;
        }
        let refusals = Refusals::start(extra.to_vec())?;
        let port = Arc::new(Port {
            listener,
            label,
            live,
            refusals,
            seats: Arc::default(),
            refused: AtomicU64::new(0),
            troubled: AtomicBool::new(false),
            serve: Box::new(serve),
        });
        if let Some(seat) = port.seats.take() {
            port.follow(seat)?;
        }
        Ok(Self { port })
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        // On Linux a shutdown makes every accept return with EINVAL.
        let _ = rustix::net::shutdown(&self.port.listener, rustix::net::Shutdown::Both);
        self.port.seats.close();
    }
}

struct Port {
    listener: TcpListener,
    label: &'static str,
    live: Live,
    refusals: Refusals,
    /// Who accepts.
    seats: Arc<Seats>,
    /// Connections for which there was no room, since there was last.
    refused: AtomicU64,
    /// Accepting does not work just now, and the log says so.
    troubled: AtomicBool,
    serve: Box<dyn Fn(Accepted) -> Option<Rest> + Send + Sync>,
}

// Not inlined: `run` is above every tunnel on the stack, and what the others need there is to be gone by then.
impl Port {
    /// Starts one more thread.
    #[inline(never)]
    fn follow(self: &Arc<Self>, seat: Seat) -> io::Result<()> {
        let port = Arc::clone(self);
        thread::spawn(&format!("conn {}", self.label), move || port.run(seat)).map(drop)
    }

    /// Accepts and serves until there are enough others who accept, or no more is to be accepted.
    fn run(self: &Arc<Self>, mut seat: Seat) {
        while let Some(accepted) = self.accept() {
            match self.answer(accepted, seat) {
                Some(rest) if rest.deep => self.hand_over(rest),
                Some(rest) => rest.run(),
                None => {}
            }
            match self.seats.take() {
                Some(free) => seat = free,
                None => return,
            }
        }
    }

    /// Accepted: serves it, unless nobody would go on accepting.
    #[inline(never)]
    fn answer(self: &Arc<Self>, accepted: Accepted, seat: Seat) -> Option<Rest> {
        if let Some(last) = seat.leave()
            && let Err(error) = self.follow(last)
        {
            self.turn_away(accepted, &error);
            return None;
        }
        let id = accepted.permit.id();
        thread::contain(format_args!("conn {id}"), || (self.serve)(accepted)).flatten()
    }

    #[inline(never)]
    fn turn_away(&self, accepted: Accepted, error: &io::Error) {
        log::warn!("refused {}: no thread can be made: {error}", accepted.peer);
        self.refusals.refuse(accepted.socket);
    }

    /// Does the rest for a connection on a fresh stack, or here if there is no thread to be had for it.
    #[inline(never)]
    fn hand_over(&self, rest: Rest) {
        // Whoever comes first takes it: a thread that cannot be made would take it along.
        let shared = Arc::new(Mutex::new(Some(rest)));
        let take = |shared: &Mutex<Option<Rest>>| shared.lock().unwrap_or_else(PoisonError::into_inner).take();
        let theirs = Arc::clone(&shared);
        let body = move || take(&theirs).into_iter().for_each(Rest::run);
        if thread::spawn(&format!("conn {}", self.label), body).is_err() {
            take(&shared).into_iter().for_each(Rest::run);
        }
    }

    /// The next connection that there is room for; `None` when no more is to be accepted.
    #[inline(never)]
    fn accept(&self) -> Option<Accepted> {
        loop {
            match self.listener.accept() {
                Ok((socket, peer)) => {
                    if self.troubled.load(Ordering::Relaxed) && self.troubled.swap(false, Ordering::Relaxed) {
                        log::warn!("{}: accepting connections again", self.label);
                    }
                    if let Some(accepted) = self.admit(socket, peer) {
                        return Some(accepted);
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::InvalidInput => return None,
                    // The listener has the read timeout that its connections inherit.
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted | io::ErrorKind::WouldBlock => {}
                    _ => {
                        if !self.troubled.swap(true, Ordering::Relaxed) {
                            log::warn!("{}: cannot accept connections for now: {error}", self.label);
                        }
                        std::thread::sleep(ACCEPT_PAUSE);
                    }
                },
            }
        }
    }

    fn admit(&self, socket: TcpStream, peer: SocketAddr) -> Option<Accepted> {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let Some(permit) = self.live.enter() else {
            // One line for the first of a flood, and one with their number behind the last.
            if self.refused.fetch_add(1, Ordering::Relaxed) == 0 {
                log::warn!("refused {peer}: all {} connections are taken", self.live.count());
            }
            self.refusals.refuse(socket);
            return None;
        };
        if self.refused.load(Ordering::Relaxed) > 0 {
            match self.refused.swap(0, Ordering::Relaxed) {
                0 => {}
                refused => log::warn!("{}: there is room again; {refused} connections were refused", self.label),
            }
        }
        if !ACCEPTED_INHERIT && let Err(error) = prepare(socket.as_fd()) {
            log::debug!("lost {peer} before it was served: {error}");
            let _ = socket.shutdown(Shutdown::Both);
            return None;
        }
        Some(Accepted { socket, peer, permit })
    }
}

/// Sets what an accepted socket has.
fn prepare(socket: BorrowedFd<'_>) -> io::Result<()> {
    backend::tune(socket)?;
    sockopt::set_socket_timeout(socket, Timeout::Send, Some(WRITE_PATIENCE))?;
    sockopt::set_socket_timeout(socket, Timeout::Recv, Some(READ_PATIENCE))?;
    Ok(())
}

#[cfg(test)]
mod tests;
