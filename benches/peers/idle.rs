//! Tunnels in which nothing moves, or no longer: their memory and threads.
use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::lab::{Lab, Variant};
use crate::support::scenarios::{exchange, payload};
use crate::support::settings::MIB;
use crate::usage;

/// A tunnel that takes so much longer than others ends the opening, which then says how far it came.
const PATIENCE: Duration = Duration::from_secs(15);
/// Who has swallowed so much will swallow more.
const ENOUGH: usize = 256 * MIB;

/// `settle` is how long what handshakes leave running may go on. How many tunnels opened, KiB and threads for each, and how long opening all took, in seconds.
pub(crate) fn tunnels(lab: &Lab, variant: &Variant, wanted: usize, settle: Duration) -> io::Result<Vec<f64>> {
    // One has come and gone, so that what is made once is there.
    drop(lab.pair(variant)?);
    thread::sleep(settle);
    let before = usage::of(variant)?;
    let started = Instant::now();
    let mut pairs = Vec::with_capacity(wanted);
    while pairs.len() < wanted && started.elapsed() < PATIENCE {
        match lab.pair(variant) {
            Ok(pair) => pairs.push(pair),
            Err(error) if pairs.is_empty() => return Err(error),
            // The limit of the proxy, or of this process: what counts is how far it came.
            Err(_) => break,
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    thread::sleep(settle);
    let after = usage::of(variant)?;
    let count = pairs.len() as f64;
    Ok(vec![count, (after.kib - before.kib) / count, (after.threads - before.threads) / count, seconds])
}

/// A sender that waits for `patience` waits for the reader. MiB by which the proxy grows when the backend sends and the client never reads, and MiB that the backend could
/// send. A server that stops reading is bounded; what it could send is mostly in the kernel's socket buffers.
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
        crate::support::joined(echo)
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
    Ok(vec![(after.kib - before.kib) / 1024.0, sent as f64 / MIB as f64])
}
