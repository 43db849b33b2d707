//! The polite no to a connection that there is no room for.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};

use crate::sys::thread;

/// Refusals that may wait; more are dropped without a word.
const QUEUE: usize = 64;
/// What one refused client may cost the thread that refuses.
const PATIENCE: Duration = Duration::from_millis(100);

const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 5\r\n\
    Content-Length: 45\r\nConnection: close\r\n\r\n{\"error\":\"the server is full; retry later\"}\r\n";

/// A thread that answers 503, so that the acceptor waits for nobody.
pub(super) struct Refusals {
    queue: Sender<TcpStream>,
}

impl Refusals {
    pub(super) fn start() -> io::Result<Self> {
        let (queue, inbox) = bounded::<TcpStream>(QUEUE);
        thread::spawn("refuse", move || {
            inbox.iter().for_each(|socket| drop(refuse(&socket)));
        })?;
        Ok(Self { queue })
    }

    pub(super) fn refuse(&self, socket: TcpStream) {
        drop(self.queue.try_send(socket));
    }
}

/// Reads the request first: closing with unread bytes would reset the connection and take the answer with it.
fn refuse(mut socket: &TcpStream) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let mut buffer = [0; 4_096];
    let first = socket.read(&mut buffer)?;
    // A TLS client could not read the answer.
    if buffer.get(..first).is_some_and(|bytes| bytes.first() == Some(&0x16)) {
        return Ok(());
    }
    socket.write_all(ANSWER)?;
    socket.shutdown(Shutdown::Write)?;
    while Instant::now() < deadline && socket.read(&mut buffer)? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_says_its_own_length() {
        let text = std::str::from_utf8(ANSWER).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
    }
}
