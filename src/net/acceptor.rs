//! Listening sockets, and the thread per port that accepts.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::backend;
use super::live::{Live, Permit};
use crate::sys::thread;

mod refusal;

use refusal::Refusals;

/// Connections that may wait to be accepted. std asks for 128; then a thousand clients at once wait for seconds.
const BACKLOG: i32 = 4_096;
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
    /// The client's socket, with keepalive and without delay.
    pub socket: TcpStream,
    /// The client, an IPv4 one as IPv4 also on an IPv6 socket.
    pub peer: SocketAddr,
    /// Its right to be here. Declared last: the socket is closed before its place is given away.
    pub permit: Permit,
}

/// A port being accepted on. Dropping it stops accepting and waits for the thread.
pub struct Acceptor {
    listener: Arc<TcpListener>,
    thread: Option<JoinHandle<()>>,
}

impl Acceptor {
    /// Starts a thread that accepts, and one more per connection, which runs `serve`. Those for whom there is no room
    /// are refused with 503 and the headers `extra`.
    ///
    /// # Errors
    /// No thread can be made.
    pub fn start<F>(
        listener: TcpListener,
        label: &'static str,
        live: Live,
        extra: &[(String, String)],
        serve: F,
    ) -> io::Result<Self>
    where
        F: Fn(Accepted) + Send + Sync + 'static,
    {
        let listener = Arc::new(listener);
        let refusals = Refusals::start(extra.to_vec())?;
        let port = Port { listener: Arc::clone(&listener), label, live, refusals, refused: 0, serve: Arc::new(serve) };
        let thread = thread::spawn(&format!("accept {label}"), move || port.run())?;
        Ok(Self { listener, thread: Some(thread) })
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        // On Linux a shutdown makes accept return with EINVAL.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Port {
    listener: Arc<TcpListener>,
    label: &'static str,
    live: Live,
    refusals: Refusals,
    /// Connections for which there was no room, since there was last.
    refused: u64,
    serve: Arc<dyn Fn(Accepted) + Send + Sync>,
}

impl Port {
    fn run(mut self) {
        let mut troubled = false;
        loop {
            match self.listener.accept() {
                Ok((socket, peer)) => {
                    if std::mem::take(&mut troubled) {
                        log::warn!("{}: accepting connections again", self.label);
                    }
                    self.admit(socket, peer);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::InvalidInput => return,
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => {
                        if !std::mem::replace(&mut troubled, true) {
                            log::warn!("{}: cannot accept connections for now: {error}", self.label);
                        }
                        std::thread::sleep(ACCEPT_PAUSE);
                    }
                },
            }
        }
    }

    fn admit(&mut self, socket: TcpStream, peer: SocketAddr) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let Some(permit) = self.live.enter() else {
            // One line for the first of a flood, and one with their number behind the last.
            if self.refused == 0 {
                log::warn!("refused {peer}: all {} connections are taken", self.live.count());
            }
            self.refused += 1;
            self.refusals.refuse(socket);
            return;
        };
        match std::mem::take(&mut self.refused) {
            0 => {}
            refused => log::warn!("{}: there is room again; {refused} connections were refused", self.label),
        }
        if let Err(error) = backend::tune(&socket) {
            log::debug!("lost {peer} before it was served: {error}");
            let _ = socket.shutdown(Shutdown::Both);
            return;
        }
        let serve = Arc::clone(&self.serve);
        let name = format!("conn {}", permit.id());
        let spare = socket.try_clone();
        let accepted = Accepted { socket, peer, permit };
        if let Err(error) = thread::spawn(&name, move || serve(accepted)) {
            log::warn!("refused {peer}: no thread can be made: {error}");
            if let Ok(socket) = spare {
                self.refusals.refuse(socket);
            }
        }
    }
}
