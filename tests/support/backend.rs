//! Small TCP services to tunnel to, each on a port that the system chose.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread::JoinHandle;

use rustix::net::RecvFlags;

use super::random::{Digest, Random};
use super::wait::{self, DEADLINE, eventually};

/// A TCP service. Dropping it closes the port and every connection.
#[derive(Debug)]
pub struct Backend {
    listener: Arc<TcpListener>,
    acceptor: Option<JoinHandle<()>>,
    seen: Arc<Mutex<Seen>>,
}

/// What a backend has seen.
#[derive(Debug, Default)]
struct Seen {
    accepted: usize,
    ended: usize,
    received: Digest,
    streams: Vec<Weak<TcpStream>>,
}

/// What is done with a connection. It reads from the stream and tells what it read.
type Service = dyn Fn(&TcpStream, &Tally) + Send + Sync;

/// How a service reports the bytes that it read.
#[derive(Debug, Clone)]
pub struct Tally(Arc<Mutex<Seen>>);

impl Tally {
    /// Counts and hashes bytes.
    pub fn add(&self, bytes: &[u8]) {
        lock(&self.0).received.add(bytes);
    }
}

impl Backend {
    /// Sends back what it gets.
    pub fn echo() -> Self {
        Self::serve(|stream, tally| {
            drop(each_read(stream, |bytes| {
                tally.add(bytes);
                (&mut &*stream).write_all(bytes)
            }));
        })
    }

    /// Reads to the end, and keeps a digest.
    pub fn sink() -> Self {
        Self::serve(|stream, tally| {
            drop(each_read(stream, |bytes| {
                tally.add(bytes);
                Ok(())
            }));
        })
    }

    /// Sends the first `count` bytes of `Random::new(seed)` to each connection, and ends it.
    pub fn source(seed: u64, count: u64) -> Self {
        Self::serve(move |mut stream, _| {
            drop(std::io::copy(&mut Random::new(seed).take(count), &mut stream));
        })
    }

    /// Sends without end, until the other side has ended its own direction.
    pub fn flood() -> Self {
        Self::serve(|stream, _| {
            let block = vec![0x5A; 100_000];
            let ended = || matches!(rustix::net::recv(stream, &mut [0; 1], RecvFlags::DONTWAIT), Ok((_, 0)));
            while !ended() && (&mut &*stream).write_all(&block).is_ok() {}
        })
    }

    /// Accepts, and never reads a byte. The connection stays open until the backend is dropped.
    pub fn never_reads() -> Self {
        Self::serve(|stream, _| {
            // Waits for the end without taking a byte: only shutdown() when dropped, or a reset, ends it.
            let mut events = [rustix::event::PollFd::new(stream, rustix::event::PollFlags::empty())];
            let _ = rustix::event::poll(&mut events, None);
        })
    }

    /// Accepts, and closes at once.
    pub fn closes() -> Self {
        Self::serve(|_, _| {})
    }

    /// Serves the first connection with `service`; later ones are closed at once.
    pub fn once(service: impl FnOnce(&TcpStream) + Send + 'static) -> Self {
        let service = Mutex::new(Some(service));
        Self::serve(move |stream, _| {
            let first = service.lock().expect("no panic while it is taken").take();
            if let Some(service) = first {
                service(stream);
            }
        })
    }

    /// Serves every connection with `service`, each on its own thread. When it returns, the connection ends.
    ///
    /// # Panics
    /// When there is no port or no thread.
    pub fn serve(service: impl Fn(&TcpStream, &Tally) + Send + Sync + 'static) -> Self {
        let listener = Arc::new(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let acceptor = wait::spawn("backend", {
            let (listener, seen) = (Arc::clone(&listener), Arc::clone(&seen));
            move || accept(&listener, &seen, &(Arc::new(service) as Arc<Service>))
        });
        Self { listener, acceptor: Some(acceptor), seen }
    }

    /// Its port, on 127.0.0.1.
    ///
    /// # Panics
    /// Never: it is bound.
    pub fn port(&self) -> u16 {
        self.listener.local_addr().expect("a bound socket").port()
    }

    /// The arguments that make the server tunnel to it.
    pub fn args(&self) -> [String; 4] {
        ["--client_hostname", "127.0.0.1", "--client_port", &self.port().to_string()].map(str::to_owned)
    }

    /// How many connections it has accepted.
    pub fn accepted(&self) -> usize {
        lock(&self.seen).accepted
    }

    /// How many connections have ended.
    pub fn ended(&self) -> usize {
        lock(&self.seen).ended
    }

    /// Digest of everything it was sent, over all connections.
    pub fn received(&self) -> Digest {
        lock(&self.seen).received
    }

    /// Waits until `count` connections have ended: all that they brought is then in [`Backend::received`].
    #[track_caller]
    pub fn wait_ended(&self, count: usize) {
        eventually(DEADLINE, &format!("{count} ended connections at the backend"), || self.ended() >= count);
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = rustix::net::shutdown(&*self.listener, rustix::net::Shutdown::Both); // accept returns an error
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
        for stream in lock(&self.seen).streams.iter().filter_map(Weak::upgrade) {
            drop(stream.shutdown(std::net::Shutdown::Both));
        }
    }
}

fn accept(listener: &TcpListener, seen: &Arc<Mutex<Seen>>, service: &Arc<Service>) {
    while let Ok((stream, _)) = listener.accept() {
        let stream = Arc::new(stream);
        {
            let mut seen = lock(seen);
            seen.accepted += 1;
            seen.streams.retain(|stream| stream.strong_count() > 0);
            seen.streams.push(Arc::downgrade(&stream));
        }
        let (service, seen) = (Arc::clone(service), Arc::clone(seen));
        wait::spawn("backend connection", move || {
            service(&stream, &Tally(Arc::clone(&seen)));
            drop(stream); // the far side sees the end before the test is told of it
            lock(&seen).ended += 1;
        });
    }
}

/// Reads to the end and hands over each piece.
///
/// # Errors
/// What the socket, or the receiver of a piece, says.
pub fn each_read(mut stream: &TcpStream, mut take: impl FnMut(&[u8]) -> std::io::Result<()>) -> std::io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => take(&buffer[..count])?,
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().expect("no panic while the tally is kept")
}
