//! A TLS connection for a test that sends on one thread and reads on another: a thread owns the TLS side and carries
//! the bytes between it and a plain pair of sockets.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};

use native_tls::TlsStream;
use rustix::event::{PollFd, PollFlags, poll};

use super::stream::tcp;
use super::wait;

/// Bytes on their way in one direction.
#[derive(Debug, Default)]
struct Way {
    bytes: Vec<u8>,
    sent: usize,
    ended: bool,
}

impl Way {
    fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// Reads when everything has been sent on. Whether that brought something.
    fn fill(&mut self, from: &mut impl Read) -> io::Result<bool> {
        if self.ended || !self.is_empty() {
            return Ok(false);
        }
        self.bytes.resize(64 * 1024, 0);
        let count = from.read(&mut self.bytes);
        self.sent = 0;
        self.bytes.truncate(*count.as_ref().unwrap_or(&0));
        self.ended = matches!(count, Ok(0));
        later(count).map(|count| count.is_some())
    }

    fn drain(&mut self, to: &mut impl Write) -> io::Result<bool> {
        if self.is_empty() {
            return Ok(false);
        }
        let wrote = later(to.write(&self.bytes[self.sent..]))?;
        self.sent += wrote.unwrap_or(0);
        Ok(wrote.is_some())
    }
}

fn later<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The plain end of `tls`. When either end closes or breaks, so does the other.
///
/// # Panics
/// When there is no port or no thread.
pub fn plain_end(mut tls: TlsStream<TcpStream>) -> TcpStream {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let ours = tcp(listener.local_addr().expect("a bound socket").port());
    let (mut plain, _) = listener.accept().expect("our own connection");
    plain.set_nonblocking(true).expect("a socket that does not block");
    tls.get_ref().set_nonblocking(true).expect("a socket that does not block");
    wait::spawn("TLS duplex", move || {
        drop(carry(&mut tls, &mut plain));
        drop(plain.shutdown(Shutdown::Both));
    });
    ours
}

fn carry(tls: &mut TlsStream<TcpStream>, plain: &mut TcpStream) -> io::Result<()> {
    let (mut up, mut down) = (Way::default(), Way::default());
    loop {
        // Reading first: what TLS has decrypted already is not seen by poll.
        let moved = [up.fill(plain)?, up.drain(tls)?, down.fill(tls)?, down.drain(plain)?];
        if up.ended || (down.ended && down.is_empty()) {
            tls.shutdown()?;
            return Ok(());
        }
        if moved.contains(&true) {
            continue;
        }
        let wish = |fill: bool, drain: bool| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, fill);
            flags.set(PollFlags::OUT, drain);
            flags
        };
        let mut events = [
            PollFd::new(&*plain, wish(up.is_empty(), !down.is_empty())),
            PollFd::new(tls.get_ref(), wish(down.is_empty(), !up.is_empty())),
        ];
        poll(&mut events, None)?;
    }
}
