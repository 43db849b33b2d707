//! New connections: connect, handshake, 64 bytes there and back, and both ends hang up.
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::backend::connect;
use crate::support::client::Client;
use crate::support::joined;
use crate::support::lab::{Lab, Variant};
use crate::support::pin::OneCore;
use crate::support::scenarios::{exchange, payload};
use crate::support::tls::TlsClient;

/// Payload of the small message.
const SMALL: usize = 64;
/// Clients that connect at once.
const CLIENTS: usize = 8;

/// Connections per second, one after another. One thread plays both ends, and shares its core with the proxy:
/// `benches/support/pin.rs` says why.
pub(crate) fn in_turn(lab: &Lab, variant: &Variant, window: Duration) -> io::Result<Vec<f64>> {
    let _one_core = OneCore::hold(variant.id())?;
    Ok(vec![rate(lab, window, || lab.connect(variant))?])
}

/// The same by a client that takes up sessions it knows: connections per second, and how many percent of them were
/// resumed.
pub(crate) fn resumed(lab: &Lab, variant: &Variant, window: Duration) -> io::Result<Vec<f64>> {
    let _one_core = OneCore::hold(variant.id())?;
    let (mut all, mut known) = (0_u32, 0_u32);
    // Sessions belong to the server of this measurement alone.
    let tls = TlsClient::new(&lab.certificate(), true)?;
    let resuming = rate(lab, window, || {
        let (client, resumed) = variant.connect_by(&tls)?;
        all += 1;
        known += u32::from(resumed);
        Ok(client)
    })?;
    Ok(vec![resuming, f64::from(known) / f64::from(all) * 100.0])
}

fn rate(lab: &Lab, window: Duration, mut connect: impl FnMut() -> io::Result<Client>) -> io::Result<f64> {
    let started = Instant::now();
    let mut count = 0;
    while started.elapsed() < window {
        let mut client = connect()?;
        let mut stream = lab.backend.accept()?;
        let message = client.wrapped(&payload(SMALL), SMALL)?;
        client.send(&message)?;
        answer(&mut stream)?;
        client.receive_all(SMALL, &mut [0; 4 * SMALL], |_| ())?;
        count += 1;
    }
    Ok(f64::from(count) / started.elapsed().as_secs_f64())
}

/// Connections per second of several clients at once, on all cores.
pub(crate) fn at_once(lab: &Lab, variant: &Variant, window: Duration) -> io::Result<Vec<f64>> {
    let (count, over) = (&AtomicU64::new(0), &AtomicBool::new(false));
    let started = Instant::now();
    let seconds = thread::scope(|scope| {
        let name = |name: &str| thread::Builder::new().name(name.into());
        let mut far = Vec::new();
        for _ in 0..CLIENTS {
            far.push(name("bench-backend").spawn_scoped(scope, || serve(lab, over))?);
        }
        let mut near = Vec::new();
        for _ in 0..CLIENTS {
            near.push(name("bench-client").spawn_scoped(scope, || {
                while started.elapsed() < window {
                    let mut client = lab.connect(variant)?;
                    let message = client.wrapped(&payload(SMALL), SMALL)?;
                    exchange(&mut client, &message)?;
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            })?);
        }
        let visits = near.into_iter().map(joined).collect::<Vec<io::Result<()>>>();
        let seconds = started.elapsed().as_secs_f64();
        over.store(true, Ordering::SeqCst);
        // Each wakes one who still waits for a connection.
        let wakers = (0..CLIENTS).map(|_| connect((Ipv4Addr::LOCALHOST, lab.backend.port).into()));
        let wakers = wakers.collect::<io::Result<Vec<TcpStream>>>();
        far.into_iter().try_for_each(joined)?;
        drop(wakers?);
        visits.into_iter().collect::<io::Result<()>>()?;
        Ok::<_, io::Error>(seconds)
    })?;
    Ok(vec![count.load(Ordering::Relaxed) as f64 / seconds])
}

/// Takes connections and answers each, until all is over. What the client does not see cannot count, so a connection
/// that breaks is no concern here.
fn serve(lab: &Lab, over: &AtomicBool) -> io::Result<()> {
    while !over.load(Ordering::SeqCst) {
        let mut stream = lab.backend.accept()?;
        if !over.load(Ordering::SeqCst) {
            let _ = answer(&mut stream);
        }
    }
    Ok(())
}

fn answer(stream: &mut TcpStream) -> io::Result<()> {
    let mut piece = [0; SMALL];
    stream.read_exact(&mut piece)?;
    stream.write_all(&piece)
}
