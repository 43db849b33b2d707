//! Tunnels in which nothing moves, or no longer: their memory and threads, and what goes on beside them.
use std::io::{self, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::moving::{self, BLOCK, Direction};
use crate::support::client::Client;
use crate::support::joined;
use crate::support::lab::{Lab, Variant};
use crate::support::scenarios::{exchange, payload};
use crate::support::settings::MIB;
use crate::table::median;
use crate::usage;

/// Opening all ends by then; the result says how far it came.
const PATIENCE: Duration = Duration::from_secs(15);
/// A tunnel that takes so much longer than others was not opened: the proxy is at a limit of its own.
const ONE: Duration = Duration::from_secs(3);
/// Clients that open them.
const OPENERS: usize = 4;
/// Tunnels opened beside the idle ones, one after another.
const NEW: usize = 50;
/// Uploads beside the idle ones, and after them.
const UPLOADS: usize = 5;
/// So many idle ones end where the proxy takes no more.
const ROOM: usize = NEW + 10;
/// Who has swallowed so much will swallow more.
const ENOUGH: usize = 256 * MIB;

/// Both ends of tunnels, in no order.
struct Idle {
    clients: Vec<Client>,
    streams: Vec<TcpStream>,
    /// Until the last of them was open.
    seconds: f64,
}

/// `settle` is how long what handshakes leave running may go on. How many tunnels opened, KiB and threads for each, how
/// long opening all took, in seconds; then what [`beside`] says.
pub(crate) fn tunnels(
    lab: &Lab,
    variant: &Variant,
    wanted: usize,
    settle: Duration,
    window: Duration,
) -> io::Result<Vec<f64>> {
    // One has come and gone, so that what is made once is there.
    drop(lab.pair(variant)?);
    thread::sleep(settle);
    let before = usage::of(variant)?;
    let idle = open(lab, variant, wanted)?;
    thread::sleep(settle);
    let after = usage::of(variant)?;
    let opened = idle.clients.len();
    let count = opened as f64;
    let each = |before: f64, after: f64| (after - before) / count;
    let mut values = vec![count, each(before.kib, after.kib), each(before.threads, after.threads), idle.seconds];
    match beside(lab, variant, idle, wanted, settle, window) {
        Ok(more) => values.extend(more),
        Err(error) => eprintln!("  {}: beside {opened} idle tunnels: {error}", variant.name),
    }
    Ok(values)
}

/// Opens as many as the proxy takes, by several clients at once.
fn open(lab: &Lab, variant: &Variant, wanted: usize) -> io::Result<Idle> {
    let started = Instant::now();
    let open_part = |part: usize| {
        let (mut clients, mut last, mut failed) = (Vec::with_capacity(part), 0.0_f64, None);
        while clients.len() < part && started.elapsed() < PATIENCE {
            match lab.connect_within(variant, ONE) {
                Ok(client) => clients.push(client),
                // The limit of the proxy, or of this process: what counts is how far it came.
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
            last = started.elapsed().as_secs_f64();
        }
        Ok((clients, last, failed))
    };
    let mut idle = Idle { clients: Vec::with_capacity(wanted), streams: Vec::with_capacity(wanted), seconds: 0.0 };
    thread::scope(|scope| {
        let mut openers = Vec::new();
        for opener in 0..OPENERS {
            let part = wanted / OPENERS + usize::from(opener < wanted % OPENERS);
            openers
                .push(thread::Builder::new().name("bench-opener".into()).spawn_scoped(scope, move || open_part(part))?);
        }
        while openers.iter().any(|opener| !opener.is_finished()) {
            accept_within(lab, &mut idle.streams, 10)?;
        }
        let mut why = None;
        for opener in openers {
            let (clients, last, failed) = joined(opener)?;
            idle.clients.extend(clients);
            idle.seconds = idle.seconds.max(last);
            why = why.or(failed);
        }
        match why {
            Some(error) if idle.clients.is_empty() => Err(error),
            _ => Ok(()),
        }
    })?;
    // Some answer the client before they have reached the backend.
    while idle.streams.len() < idle.clients.len() {
        let before = idle.streams.len();
        accept_within(lab, &mut idle.streams, 1000)?;
        if idle.streams.len() == before {
            break;
        }
    }
    Ok(idle)
}

/// Takes the connections that are there, after waiting so long for the first.
fn accept_within(lab: &Lab, streams: &mut Vec<TcpStream>, milliseconds: u32) -> io::Result<()> {
    let mut wait = milliseconds;
    while lab.backend.waiting(wait)? {
        streams.push(lab.backend.accept()?);
        wait = 0;
    }
    Ok(())
}

/// How long a new tunnel takes to open beside the idle ones, in milliseconds: the median and the slowest. And the speed
/// of an upload beside them, in percent of what it is after they have gone.
fn beside(
    lab: &Lab,
    variant: &Variant,
    mut idle: Idle,
    wanted: usize,
    settle: Duration,
    window: Duration,
) -> io::Result<Vec<f64>> {
    if idle.clients.len() < wanted {
        let kept = idle.clients.len().saturating_sub(ROOM);
        idle.clients.truncate(kept);
        wait_rest(variant, settle)?;
    }
    lab.backend.forget_leftovers();
    let mut times = Vec::with_capacity(NEW);
    for _ in 0..NEW {
        let started = Instant::now();
        let pair = lab.pair(variant)?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
        drop(pair);
    }
    times.sort_unstable_by(f64::total_cmp);
    wait_rest(variant, settle)?;
    let beside = upload(lab, variant, window)?;
    drop(idle);
    wait_rest(variant, settle)?;
    lab.backend.forget_leftovers();
    Ok(vec![times[NEW / 2], times[NEW - 1], beside / upload(lab, variant, window)? * 100.0])
}

/// The speed of one upload after another, their median: a single one would say more of the moment than of the proxy.
fn upload(lab: &Lab, variant: &Variant, window: Duration) -> io::Result<f64> {
    let one = |_| moving::throughput(lab, variant, 1, Direction::Up, BLOCK, window).map(|values| values[0]);
    let speeds = (0..UPLOADS).map(one).collect::<io::Result<Vec<_>>>()?;
    Ok(median(speeds.into_iter()).unwrap_or(f64::NAN))
}

/// Waits until the proxy has used no processor time for `settle`; it may have thousands of tunnels to end.
fn wait_rest(variant: &Variant, settle: Duration) -> io::Result<()> {
    let deadline = Instant::now() + ONE;
    let mut used = usage::cpu_only(variant)?.cpu;
    while Instant::now() < deadline {
        thread::sleep(settle);
        let now = usage::cpu_only(variant)?.cpu;
        if now <= used {
            break;
        }
        used = now;
    }
    Ok(())
}

/// A sender that waits for `patience` waits for the reader. MiB by which the proxy grows when the backend sends and the
/// client never reads, and MiB that the backend could send. A server that stops reading is bounded; what it could send is
/// mostly in the kernel's socket buffers.
pub(crate) fn stuck_reader(lab: &Lab, variant: &Variant, patience: Duration) -> io::Result<Vec<f64>> {
    let (mut client, mut stream) = lab.pair(variant)?;
    let before = usage::of(variant)?;
    // One exchange shows that it is not stuck by being broken.
    let message = client.wrapped(&payload(64), 64)?;
    thread::scope(|scope| {
        let far = &stream;
        let echo = scope.spawn(move || {
            let mut piece = [0; 64];
            io::Read::read_exact(&mut &*far, &mut piece).and_then(|()| (&mut &*far).write_all(&piece))
        });
        exchange(&mut client, &message)?;
        joined(echo)
    })?;
    stream.set_write_timeout(Some(patience))?;
    let block = payload(64 << 10);
    let mut sent = 0;
    while sent < ENOUGH {
        match stream.write(&block) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    let after = usage::of(variant)?;
    // What it has given back since is no growth.
    Ok(vec![((after.kib - before.kib) / 1024.0).max(0.0), sent as f64 / MIB as f64])
}
