//! The TCP far side. A measurement holds both ends: it opens a client, and takes the connection that arrives here.
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{Timeout, set_socket_timeout};

/// What stands still for so long is broken. Everything here waits with this limit, so no failure hangs the run.
const PATIENCE: Duration = Duration::from_secs(10);

/// A listener that every proxy connects to.
pub(crate) struct Backend {
    listener: TcpListener,
    /// Where it listens on 127.0.0.1.
    pub(crate) port: u16,
}

impl Backend {
    /// Listens on a free port.
    pub(crate) fn open() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        set_socket_timeout(&listener, Timeout::Recv, Some(PATIENCE))?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// Whether a connection is there to be accepted, or comes within so many milliseconds.
    pub(crate) fn waiting(&self, milliseconds: u32) -> io::Result<bool> {
        let mut listener = [PollFd::new(&self.listener, PollFlags::IN)];
        let nanoseconds = i64::from(milliseconds % 1000) * 1_000_000;
        let time = Timespec { tv_sec: i64::from(milliseconds / 1000), tv_nsec: nanoseconds };
        Ok(poll(&mut listener, Some(&time))? > 0)
    }

    /// Drops connections that a way opened and whose client has given up, so that the next way does not get them.
    pub(crate) fn forget_leftovers(&self) {
        while self.waiting(0).is_ok_and(|waiting| waiting) {
            drop(self.accept());
        }
    }

    /// The next connection.
    pub(crate) fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.listener.accept()?;
        prepared(stream, PATIENCE)
    }
}

/// A connection to an address on this machine.
pub(crate) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    connect_within(address, PATIENCE)
}

/// A connection on which nothing waits longer than that.
pub(crate) fn connect_within(address: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    prepared(TcpStream::connect_timeout(&address, patience)?, patience)
}

/// Small writes leave at once, and nothing waits for ever.
fn prepared(stream: TcpStream, patience: Duration) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    Ok(stream)
}

/// Reads until so many bytes are there, and shows each piece; more, or an early end, is an error.
pub(crate) fn receive(
    mut stream: &TcpStream,
    total: usize,
    buffer: &mut [u8],
    mut sink: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut count = 0;
    while count < total {
        let got = stream.read(buffer)?;
        if got == 0 {
            return Err(io::Error::other(format!("the backend got {count} of {total} bytes")));
        }
        count += got;
        sink(&buffer[..got]);
    }
    if count > total {
        return Err(io::Error::other(format!("the backend got {count} bytes instead of {total}")));
    }
    Ok(())
}

/// Waits for the end of the stream, before which nothing may come.
pub(crate) fn expect_end(mut stream: &TcpStream) -> io::Result<()> {
    match stream.read(&mut [0; 64])? {
        0 => Ok(()),
        more => Err(io::Error::other(format!("the backend got at least {more} bytes too many"))),
    }
}

/// Sends everything back, in pieces of one size, until the client has gone.
pub(crate) fn echo(mut stream: &TcpStream, piece: usize) -> io::Result<()> {
    let mut buffer = vec![0; piece];
    loop {
        let mut have = 0;
        while have < piece {
            match stream.read(&mut buffer[have..])? {
                0 if have == 0 => return Ok(()),
                0 => {
                    return Err(io::Error::other("the client went away in the middle of a piece"));
                }
                count => have += count,
            }
        }
        stream.write_all(&buffer)?;
    }
}
