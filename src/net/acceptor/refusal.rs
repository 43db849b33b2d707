//! The polite no to a connection that there is no room for.

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use rustix::net::{RecvFlags, recv};

use crate::net::http::response::{Context, Response};
use crate::net::tls::TLS_HANDSHAKE;
use crate::net::transport::Transport;
use crate::sys::thread;

/// Refusals that may wait; more are dropped without a word. Each holds a descriptor that no connection has been promised:
/// with the one being refused and those of the [seats](super::seats::SEATS), those of two ports must fit into what
/// `sys::limits` reserves.
const QUEUE: usize = 7;
/// What each step of a refusal may cost the thread that refuses.
const PATIENCE: Duration = Duration::from_millis(100);

/// A thread that answers 503, so that who accepts waits for nobody.
pub(super) struct Refusals {
    queue: Sender<TcpStream>,
}

impl Refusals {
    /// `extra` headers are put on each answer.
    pub(super) fn start(extra: Vec<(String, String)>) -> io::Result<Self> {
        let (queue, inbox) = bounded::<TcpStream>(QUEUE);
        thread::spawn("refuse", move || {
            inbox.iter().for_each(|socket| drop(refuse(socket, &extra)));
        })?;
        Ok(Self { queue })
    }

    pub(super) fn refuse(&self, socket: TcpStream) {
        drop(self.queue.try_send(socket));
    }
}

/// Waits for the request first, and reads it to its end: closing with unread bytes would reset the connection and take
/// the answer with it.
fn refuse(socket: TcpStream, extra: &[(String, String)]) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let mut first = [0];
    recv(&socket, &mut first, RecvFlags::PEEK)?;
    // A TLS client could not read the answer.
    if first == [TLS_HANDSHAKE] {
        return Ok(());
    }
    let transport = Transport::plain(socket);
    let answer = Response::error(503, "the server is full; retry later").header("Retry-After", "5");
    answer.send(&transport, Context::unread(extra))?;
    transport.farewell(PATIENCE);
    Ok(())
}
