//! Bytes that move: throughput of one and of many tunnels, round trips.
//!
//! Every measurement is bounded by time, not by bytes, since the slowest way is a hundred times slower than the
//! fastest. What is counted has arrived; [`crate::support::verify`] has shown before that what arrives is right.
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::Client;
use crate::support::joined;
use crate::support::lab::{Lab, Variant};
use crate::support::pin::OneCore;
use crate::support::scenarios::{exchange, payload};
use crate::support::settings::MIB;
use crate::usage;

/// Payload of one write, in one frame or in many.
pub(crate) const BLOCK: usize = 64 << 10;
/// Both ends read with this much, so that they are not what limits.
const END_BUFFER: usize = 256 << 10;
/// Payload of the small message.
const SMALL: usize = 64;
/// Round trips that are not counted, and at most so many that are.
const WARM_UP: usize = 50;
const ROUND_TRIPS: usize = 4000;

/// Which way the bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Client to backend.
    Up,
    /// Backend to client.
    Down,
}

/// What the threads of one measurement share.
#[derive(Default)]
struct Shared {
    arrived: AtomicU64,
    over: AtomicBool,
}

impl Shared {
    /// An error of a thread counts only while the measurement runs: afterwards its sockets are shut down under it.
    fn judge(&self, result: io::Result<()>) -> io::Result<()> {
        if self.over.load(Ordering::SeqCst) { Ok(()) } else { result }
    }
}

/// Open tunnels with a load on each of them.
struct Load {
    pairs: Vec<(Client, TcpStream)>,
    direction: Direction,
    /// Payload of a frame on the way up.
    frame: usize,
}

impl Load {
    fn open(lab: &Lab, variant: &Variant, tunnels: usize, direction: Direction, frame: usize) -> io::Result<Self> {
        let pairs = (0..tunnels).map(|_| lab.pair(variant)).collect::<io::Result<_>>()?;
        Ok(Self { pairs, direction, frame })
    }

    /// Runs the load while `work` runs, then cuts all tunnels. `work` gets the count of bytes that have arrived.
    fn during<T>(mut self, work: impl FnOnce(&AtomicU64) -> io::Result<T>) -> io::Result<T> {
        let shared = &Shared::default();
        let (direction, frame) = (self.direction, self.frame);
        let mut sockets = Vec::new();
        for (client, stream) in &self.pairs {
            sockets.push((client.socket().try_clone()?, stream.try_clone()?));
        }
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for (client, stream) in &mut self.pairs {
                let (near, far): (Box<Job<'_>>, Box<Job<'_>>) = match direction {
                    Direction::Up => {
                        (Box::new(move || send_up(client, frame, shared)), Box::new(|| take_up(stream, shared)))
                    }
                    Direction::Down => (Box::new(|| take_down(client, shared)), Box::new(|| send_down(stream))),
                };
                for job in [near, far] {
                    let name = thread::Builder::new().name("bench-load".into());
                    threads.push(name.spawn_scoped(scope, move || shared.judge(job()))?);
                }
            }
            let result = work(&shared.arrived);
            shared.over.store(true, Ordering::SeqCst);
            for (client, stream) in &sockets {
                // Fails only where the connection is gone already.
                let _ = client.shutdown(Shutdown::Both);
                let _ = stream.shutdown(Shutdown::Both);
            }
            threads.into_iter().try_for_each(joined)?;
            result
        })
    }
}

/// What one end of a tunnel does.
type Job<'a> = dyn FnOnce() -> io::Result<()> + Send + 'a;

fn send_up(client: &mut Client, frame: usize, shared: &Shared) -> io::Result<()> {
    let block = client.wrapped(&payload(BLOCK), frame)?;
    while !shared.over.load(Ordering::Relaxed) {
        client.send(&block)?;
    }
    Ok(())
}

fn take_up(stream: &mut TcpStream, shared: &Shared) -> io::Result<()> {
    let mut buffer = vec![0; END_BUFFER];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Err(io::Error::other("the tunnel ended in the middle of a load")),
            count => shared.arrived.fetch_add(count as u64, Ordering::Relaxed),
        };
    }
}

fn send_down(stream: &mut TcpStream) -> io::Result<()> {
    let block = payload(BLOCK);
    loop {
        stream.write_all(&block)?;
    }
}

fn take_down(client: &mut Client, shared: &Shared) -> io::Result<()> {
    let mut buffer = vec![0; END_BUFFER];
    while let Some(count) = client.receive(&mut buffer, |_| ())? {
        shared.arrived.fetch_add(count as u64, Ordering::Relaxed);
    }
    Err(io::Error::other("the tunnel ended in the middle of a load"))
}

/// MiB/s of payload in all tunnels together, and CPU seconds per GiB, those of the proxy and those of both ends.
pub(crate) fn throughput(
    lab: &Lab,
    variant: &Variant,
    tunnels: usize,
    direction: Direction,
    frame: usize,
    window: Duration,
) -> io::Result<Vec<f64>> {
    Load::open(lab, variant, tunnels, direction, frame)?.during(|arrived| {
        // Buffers fill and windows open first.
        thread::sleep(window / 4);
        let (cpu, ends) = (usage::cpu_only(variant)?.cpu, usage::own_cpu());
        let (before, started) = (arrived.load(Ordering::Relaxed), Instant::now());
        thread::sleep(window);
        let (bytes, time) = (arrived.load(Ordering::Relaxed) - before, started.elapsed().as_secs_f64());
        let (cpu, ends) = (usage::cpu_only(variant)?.cpu - cpu, usage::own_cpu() - ends);
        let mib = bytes as f64 / MIB as f64;
        let gib = mib / 1024.0;
        Ok(vec![mib / time, cpu / gib, ends / gib])
    })
}

/// Median and 99th percentile of a round trip, in microseconds, on one core: `benches/support/pin.rs` says why.
pub(crate) fn alone(lab: &Lab, variant: &Variant, window: Duration) -> io::Result<Vec<f64>> {
    let _one_core = OneCore::hold(variant.id())?;
    round_trips(lab, variant, window)
}

/// The same while another tunnel of the same proxy is full, upwards, on all cores.
pub(crate) fn beside_bulk(lab: &Lab, variant: &Variant, window: Duration) -> io::Result<Vec<f64>> {
    Load::open(lab, variant, 1, Direction::Up, BLOCK)?.during(|_| round_trips(lab, variant, window))
}

fn round_trips(lab: &Lab, variant: &Variant, window: Duration) -> io::Result<Vec<f64>> {
    let (mut client, mut stream) = lab.pair(variant)?;
    let message = client.wrapped(&payload(SMALL), SMALL)?;
    let socket = stream.try_clone()?;
    let mut times = Vec::new();
    thread::scope(|scope| {
        // Ends when the socket is shut down; a wrong byte shows at the client.
        thread::Builder::new().name("bench-echo".into()).spawn_scoped(scope, move || {
            let mut piece = [0; SMALL];
            while stream.read_exact(&mut piece).and_then(|()| stream.write_all(&piece)).is_ok() {}
        })?;
        let mut begun = Instant::now();
        let mut trips = || {
            for trip in 0..WARM_UP + ROUND_TRIPS {
                let started = Instant::now();
                if trip == WARM_UP {
                    // Beside a bulk transfer the warm-up alone may take longer than the window.
                    begun = started;
                }
                exchange(&mut client, &message)?;
                if trip >= WARM_UP {
                    times.push(started.elapsed());
                    if begun.elapsed() > window {
                        break;
                    }
                }
            }
            Ok(())
        };
        let result: io::Result<()> = trips();
        let _ = socket.shutdown(Shutdown::Both);
        result
    })?;
    times.sort_unstable();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    Ok(vec![micros(times[times.len() / 2]), micros(times[times.len() * 99 / 100])])
}
