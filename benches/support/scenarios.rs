//! What is measured. Each function makes one measurement of one way: it opens both ends, runs the clock only while
//! payload moves, and ends the connection properly, which shows that not a byte was lost or doubled.
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::client::Client;
use super::lab::{Lab, Variant};
use super::pin::OneCore;
use super::settings::{MIB, Settings};
use super::{backend, joined};

/// Payload of one write in the rows with large frames, and of one write with many small frames.
const BLOCK: usize = 64 << 10;
/// Payload of a small frame.
const SMALL: usize = 64;
/// Both ends read with a buffer that is larger than any proxy's, so that they are not what limits.
const END_BUFFER: usize = 512 << 10;
/// Round trips that are not counted, and those that are.
const WARM_UP: usize = 200;
const ROUND_TRIPS: usize = 2000;
/// Connections per measurement.
const CONNECTIONS: usize = 400;

/// A row or more of the table, from one kind of measurement.
pub(crate) struct Scenario {
    /// As `BERTH_BENCH_ONLY` finds it.
    pub(crate) name: &'static str,
    /// What it yields, in the order of the values.
    pub(crate) figures: &'static [Figure],
    /// Measures once. A way without a proxy has no CPU time, the last value.
    pub(crate) run: fn(&Lab, &Variant) -> io::Result<Vec<f64>>,
}

/// One row of the table.
pub(crate) struct Figure {
    /// What it is and in which unit.
    pub(crate) title: &'static str,
    /// Digits behind the point.
    pub(crate) digits: usize,
    /// How rounds become one value.
    pub(crate) middle: Middle,
}

/// How rounds become one value.
#[derive(Clone, Copy)]
pub(crate) enum Middle {
    /// One slow round does not count.
    Median,
    /// For CPU times: the kernel counts them in steps of 10 ms, which a sum over all rounds evens out.
    Mean,
}

/// A rate or a latency.
const fn timed(title: &'static str, digits: usize) -> Figure {
    Figure { title, digits, middle: Middle::Median }
}

/// CPU time of the proxy's process.
const CPU: Figure = Figure { title: "proxy's CPU, s/GiB (less is better)", digits: 2, middle: Middle::Mean };

const ALL: &[Scenario] = &[
    Scenario {
        name: "up, 64 KiB frames",
        figures: &[timed("MiB/s", 0), CPU],
        run: |lab, variant| up(lab, variant, BLOCK, lab.bytes),
    },
    Scenario {
        name: "down, 64 KiB writes",
        figures: &[timed("MiB/s", 0), CPU],
        run: |lab, variant| down(lab, variant, BLOCK, lab.bytes),
    },
    // Less of what is slower per byte, so that all rows take about as long.
    Scenario {
        name: "up, 64-byte frames, 1024 per write",
        figures: &[timed("MiB/s", 0), CPU],
        run: |lab, variant| up(lab, variant, SMALL, lab.bytes / 4),
    },
    Scenario {
        name: "down, 64-byte writes",
        figures: &[timed("MiB/s", 1), CPU],
        run: |lab, variant| down(lab, variant, SMALL, lab.bytes / 16),
    },
    Scenario {
        name: "round trip of 64 bytes on one core",
        figures: &[timed("median, µs (less is better)", 1), timed("99th percentile, µs (less is better)", 1)],
        run: |lab, variant| {
            let _one_core = OneCore::hold(variant.id())?;
            round_trips(lab, variant)
        },
    },
    Scenario {
        name: "connections, one after another, on one core",
        figures: &[timed("1/s", 0)],
        run: |lab, variant| {
            let _one_core = OneCore::hold(variant.id())?;
            connections(lab, variant, 1)
        },
    },
    Scenario {
        name: "connections, 4 at a time",
        figures: &[timed("1/s", 0)],
        run: |lab, variant| connections(lab, variant, 4),
    },
];

/// The scenarios that were asked for.
pub(crate) fn chosen(settings: &Settings) -> io::Result<Vec<&'static Scenario>> {
    let chosen: Vec<_> = ALL.iter().filter(|scenario| scenario.name.contains(&settings.only)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = ALL.iter().map(|scenario| scenario.name).collect();
        return Err(io::Error::other(format!("no row contains '{}'; there are: {}", settings.only, names.join("; "))));
    }
    Ok(chosen)
}

/// Client to backend: every write carries one block of payload, in one frame or in many.
fn up(lab: &Lab, variant: &Variant, frame: usize, total: usize) -> io::Result<Vec<f64>> {
    let (mut client, stream) = lab.pair(variant)?;
    let block = client.wrapped(&payload(BLOCK), frame)?;
    let cpu = variant.cpu_seconds()?;
    let seconds = thread::scope(|scope| {
        let receiver = named(scope, "bench-backend", || {
            backend::receive(&stream, total, &mut vec![0; END_BUFFER], |_| ())?;
            Ok(Instant::now())
        })?;
        let started = Instant::now();
        for _ in 0..total / BLOCK {
            client.send(&block)?;
        }
        joined(receiver).map(|ended| ended - started)
    })?;
    let values = throughput(variant, total, seconds, cpu)?;
    close(&mut client, stream)?;
    Ok(values)
}

/// Backend to client, in writes of one size. The proxy decides about frames.
fn down(lab: &Lab, variant: &Variant, piece: usize, total: usize) -> io::Result<Vec<f64>> {
    let (mut client, stream) = lab.pair(variant)?;
    let piece = payload(piece);
    let mut buffer = vec![0; END_BUFFER];
    let cpu = variant.cpu_seconds()?;
    let seconds = thread::scope(|scope| {
        let started = Instant::now();
        let sender =
            named(scope, "bench-backend", || (0..total / piece.len()).try_for_each(|_| (&stream).write_all(&piece)))?;
        client.receive_all(total, &mut buffer, |_| ())?;
        let ended = Instant::now();
        joined(sender).map(|()| ended - started)
    })?;
    let values = throughput(variant, total, seconds, cpu)?;
    close(&mut client, stream)?;
    Ok(values)
}

/// One small message at a time, there and back.
fn round_trips(lab: &Lab, variant: &Variant) -> io::Result<Vec<f64>> {
    let (mut client, stream) = lab.pair(variant)?;
    let message = client.wrapped(&payload(SMALL), SMALL)?;
    let mut times = Vec::with_capacity(ROUND_TRIPS);
    thread::scope(|scope| {
        let backend = named(scope, "bench-backend", || backend::echo(&stream, SMALL))?;
        for trip in 0..WARM_UP + ROUND_TRIPS {
            let started = Instant::now();
            exchange(&mut client, &message)?;
            if trip >= WARM_UP {
                times.push(started.elapsed());
            }
        }
        client.finish()?;
        joined(backend)
    })?;
    drop(stream);
    client.expect_end()?;
    times.sort_unstable();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    Ok(vec![micros(times[times.len() / 2]), micros(times[times.len() * 99 / 100])])
}

/// Whole connections: handshake, a small message there and back, and the end seen from both sides.
fn connections(lab: &Lab, variant: &Variant, at_a_time: usize) -> io::Result<Vec<f64>> {
    let each = CONNECTIONS / at_a_time;
    let to_accept = AtomicUsize::new(each * at_a_time);
    let seconds = thread::scope(|scope| {
        let started = Instant::now();
        let mut threads = Vec::new();
        for _ in 0..at_a_time {
            threads.push(named(scope, "bench-backend", || serve(lab, &to_accept))?);
            threads.push(named(scope, "bench-client", || (0..each).try_for_each(|_| visit(lab, variant)))?);
        }
        threads.into_iter().try_for_each(joined)?;
        Ok::<_, io::Error>(started.elapsed())
    })?;
    Ok(vec![(each * at_a_time) as f64 / seconds.as_secs_f64()])
}

/// Takes connections and echoes, as long as any are to come.
fn serve(lab: &Lab, to_accept: &AtomicUsize) -> io::Result<()> {
    let one_less = |left: usize| left.checked_sub(1);
    while to_accept.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
        backend::echo(&lab.backend.accept()?, SMALL)?;
    }
    Ok(())
}

/// One connection from its first to its last byte.
fn visit(lab: &Lab, variant: &Variant) -> io::Result<()> {
    let mut client = lab.connect(variant)?;
    let message = client.wrapped(&payload(SMALL), SMALL)?;
    exchange(&mut client, &message)?;
    client.finish()?;
    client.expect_end()
}

/// Sends the small message and checks what comes back.
pub(crate) fn exchange(client: &mut Client, message: &[u8]) -> io::Result<()> {
    let mut sequence = 0_u8;
    let mut right = true;
    client.send(message)?;
    client.receive_all(SMALL, &mut [0; 4 * SMALL], |piece| {
        for byte in piece {
            right &= *byte == sequence;
            sequence = sequence.wrapping_add(1);
        }
    })?;
    if right { Ok(()) } else { Err(io::Error::other("the echo differs from what was sent")) }
}

/// Ends a connection from the client's side; nothing more may arrive at either end.
fn close(client: &mut Client, stream: TcpStream) -> io::Result<()> {
    client.finish()?;
    backend::expect_end(&stream)?;
    // The end of the backend's side before the socket closes: a reset would hide what should not be there.
    stream.shutdown(Shutdown::Write)?;
    drop(stream);
    client.expect_end()
}

/// MiB/s, and the proxy's CPU seconds per GiB since `before`.
fn throughput(variant: &Variant, total: usize, time: Duration, before: Option<f64>) -> io::Result<Vec<f64>> {
    let mib = total as f64 / MIB as f64;
    let mut values = vec![mib / time.as_secs_f64()];
    if let (Some(before), Some(after)) = (before, variant.cpu_seconds()?) {
        values.push((after - before) / (mib / 1024.0));
    }
    Ok(values)
}

/// Bytes that count up.
pub(crate) fn payload(length: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(length).collect()
}

/// A scoped thread with a name.
fn named<'scope, 'env, T: Send + 'scope>(
    scope: &'scope thread::Scope<'scope, 'env>,
    name: &str,
    work: impl FnOnce() -> io::Result<T> + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, io::Result<T>>> {
    thread::Builder::new().name(name.into()).spawn_scoped(scope, work)
}
