//! A client's connection, plain or TLS, read with deadlines and written byte by byte as a test wants.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use native_tls::{TlsConnector, TlsStream};

use super::duplex;
use super::wait::DEADLINE;

/// A connection and what has been read ahead from it.
#[derive(Debug)]
pub struct Conn {
    stream: Stream,
    ahead: Vec<u8>,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What one look at a connection found.
#[derive(Debug, PartialEq, Eq)]
pub enum Look {
    /// This many more bytes are there to be taken.
    Bytes(usize),
    /// The other side has ended its direction, properly.
    Eof,
    /// The connection is broken: reset, or TLS cut without its farewell.
    Broken(ErrorKind),
    /// Nothing came in time; the connection stands.
    Silence,
}

impl Conn {
    /// A plain connection to a port of this machine.
    ///
    /// # Panics
    /// When nobody accepts it.
    pub fn plain(port: u16) -> Self {
        Self::new(Stream::Plain(tcp(port)))
    }

    /// A plain connection to any address, for example `[::1]:port`.
    ///
    /// # Panics
    /// When nobody accepts it.
    pub fn plain_to(address: impl Into<SocketAddr>) -> Self {
        Self::new(Stream::Plain(tcp_to(address.into())))
    }

    /// A TLS connection to a port of this machine, whatever its certificate.
    ///
    /// # Panics
    /// When the handshake fails.
    pub fn tls(port: u16) -> Self {
        // Made once: each one reads all roots that the system trusts.
        static CONNECTOR: LazyLock<TlsConnector> = LazyLock::new(|| {
            TlsConnector::builder().danger_accept_invalid_certs(true).build().expect("a TLS connector")
        });
        Self::tls_with(port, &CONNECTOR)
    }

    /// A TLS connection with a connector of the test's own (trusted roots, versions).
    ///
    /// # Panics
    /// When the handshake fails.
    pub fn tls_with(port: u16, connector: &TlsConnector) -> Self {
        let tcp = tcp(port);
        tcp.set_read_timeout(Some(DEADLINE)).expect("a timeout for the handshake");
        let stream = connector.connect("localhost", tcp).expect("a TLS handshake");
        Self::new(Stream::Tls(Box::new(stream)))
    }

    /// The same connection as one that two threads may use ([`Conn::try_clone`]), also over TLS. Nothing may have been
    /// read ahead.
    pub fn into_shared(self) -> Self {
        match self.stream {
            Stream::Plain(_) => self,
            Stream::Tls(tls) => Self::new(Stream::Plain(duplex::plain_end(*tls))),
        }
    }

    fn new(stream: Stream) -> Self {
        Self { stream, ahead: Vec::new() }
    }

    /// A second handle on a plain connection, so that one thread sends while another one reads.
    ///
    /// # Panics
    /// On a TLS connection, which one thread owns.
    pub fn try_clone(&self) -> Self {
        match &self.stream {
            Stream::Plain(tcp) => Self::new(Stream::Plain(tcp.try_clone().expect("a second descriptor"))),
            Stream::Tls(_) => panic!("a TLS connection belongs to one thread"),
        }
    }

    /// The socket below, for its options.
    pub fn socket(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls.get_ref(),
        }
    }

    /// Sends bytes.
    ///
    /// # Panics
    /// When the connection is broken.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("sending to the server");
    }

    /// Sends bytes where a refusal is part of the test.
    ///
    /// # Errors
    /// What the socket says.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer().write_all(bytes)?;
        self.writer().flush()
    }

    /// Sends bytes in TCP pieces of `size` bytes each, so that the server sees every boundary.
    ///
    /// # Panics
    /// When the connection is broken.
    #[track_caller]
    pub fn send_in_pieces(&mut self, bytes: &[u8], size: usize) {
        self.socket().set_nodelay(true).expect("TCP_NODELAY");
        bytes.chunks(size).for_each(|piece| self.send(piece));
    }

    /// Ends our direction; the other one stays open.
    ///
    /// # Panics
    /// When the connection is already gone.
    pub fn end_writing(&mut self) {
        match &mut self.stream {
            Stream::Plain(tcp) => tcp.shutdown(Shutdown::Write).expect("a connection to half-close"),
            Stream::Tls(tls) => tls.shutdown().expect("a TLS session to end"),
        }
    }

    /// Drops the connection with a TCP reset.
    pub fn reset(self) {
        let _ = rustix::net::sockopt::set_socket_linger(self.socket(), Some(Duration::ZERO));
    }

    /// Waits at most `wait` for more bytes, for the end, or for nothing.
    ///
    /// # Panics
    /// When the socket refuses a timeout.
    pub fn look(&mut self, wait: Duration) -> Look {
        let wait = wait.max(Duration::from_millis(1)); // zero would mean for ever
        self.socket().set_read_timeout(Some(wait)).expect("a read timeout");
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match self.reader().read(&mut buffer) {
                Ok(0) => return Look::Eof,
                Ok(count) => {
                    self.ahead.extend_from_slice(&buffer[..count]);
                    return Look::Bytes(count);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Look::Silence;
                }
                Err(e) => return Look::Broken(e.kind()),
            }
        }
    }

    /// Takes exactly `count` bytes; `None` when the connection ends before that.
    ///
    /// # Panics
    /// When they have not come by the deadline.
    #[track_caller]
    pub fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        let enough = self.fill_until(|ahead| ahead.len() >= count);
        enough.then(|| self.ahead.drain(..count).collect())
    }

    /// Takes everything up to and with `mark`; `None` when the connection ends before that.
    ///
    /// # Panics
    /// When it has not come by the deadline.
    #[track_caller]
    pub fn take_through(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        let position = |ahead: &[u8]| ahead.windows(mark.len()).position(|window| window == mark);
        self.fill_until(|ahead| position(ahead).is_some()).then_some(())?;
        let end = position(&self.ahead)? + mark.len();
        Some(self.ahead.drain(..end).collect())
    }

    /// Takes everything until the connection ends.
    ///
    /// # Panics
    /// When it has not ended by the deadline.
    #[track_caller]
    pub fn take_rest(&mut self) -> Vec<u8> {
        self.fill_until(|_| false);
        std::mem::take(&mut self.ahead)
    }

    /// Whether the connection ends, properly or not, without another byte.
    ///
    /// # Panics
    /// When nothing happens by the deadline.
    #[track_caller]
    pub fn ends(&mut self) -> bool {
        self.take_rest().is_empty()
    }

    /// Compares what comes with `expected`, at the speed of memory and without keeping it.
    ///
    /// # Panics
    /// When something else comes, or the end, or nothing by the deadline.
    #[track_caller]
    pub fn expect(&mut self, expected: &[u8]) {
        let mut at = self.ahead.len().min(expected.len());
        assert_eq!(start(&self.ahead[..at]), start(&expected[..at]), "what comes first");
        assert!(self.ahead[..at] == expected[..at], "what comes first is wrong");
        self.ahead.drain(..at);
        self.socket().set_read_timeout(Some(DEADLINE)).expect("a read timeout");
        let mut buffer = vec![0; 256 * 1024];
        while at < expected.len() {
            let most = buffer.len().min(expected.len() - at);
            let count = self.reader().read(&mut buffer[..most]).expect("more bytes");
            assert!(count > 0, "the end after {at} of {} bytes", expected.len());
            let wanted = &expected[at..at + count];
            if buffer[..count] != *wanted {
                let wrong = buffer.iter().zip(wanted).take_while(|(got, want)| got == want).count();
                panic!("byte {} is wrong: {:?}", at + wrong, start(&buffer[wrong..count]));
            }
            at += count;
        }
    }

    /// Reads until `enough` of what is ahead (true) or the end of the connection (false).
    #[track_caller]
    fn fill_until(&mut self, enough: impl Fn(&[u8]) -> bool) -> bool {
        let end = Instant::now() + DEADLINE;
        while !enough(&self.ahead) {
            match self.look(end.saturating_duration_since(Instant::now())) {
                Look::Bytes(_) => {}
                Look::Eof | Look::Broken(_) => return false,
                Look::Silence => {
                    panic!("nothing more came; {} bytes are there: {:?}", self.ahead.len(), start(&self.ahead))
                }
            }
        }
        true
    }

    fn reader(&mut self) -> &mut dyn Read {
        match &mut self.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls,
        }
    }

    fn writer(&mut self) -> &mut dyn Write {
        match &mut self.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls,
        }
    }
}

/// A TCP connection to a port of this machine.
///
/// # Panics
/// When nobody accepts it.
pub fn tcp(port: u16) -> TcpStream {
    tcp_to(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

fn tcp_to(address: SocketAddr) -> TcpStream {
    TcpStream::connect_timeout(&address, DEADLINE).unwrap_or_else(|e| panic!("cannot connect to {address}: {e}"))
}

fn start(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned()
}
