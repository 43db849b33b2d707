//! What is measured, and in which order.
use std::io;

use crate::files;
use crate::idle;
use crate::moving::{self, Direction};
use crate::opening;
use crate::run::{Pace, Run};
use crate::start;
use crate::support::lab::{Lab, Scheme, Variant};
use crate::support::settings::Settings;
use crate::support::{relay, report};
use crate::table::{self, Better, Figure};
use crate::ways;

/// Payload of the large and of the small frames.
const LARGE: usize = 64 << 10;
const SMALL: usize = 64;

/// The whole run; or the relay, when this process was started as one.
pub(crate) fn run() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, buffer, target] = arguments.as_slice()
        && word == relay::ARGUMENT
    {
        return relay::run(buffer, target);
    }
    let settings = Settings::read(&arguments)?;
    let pace = Pace::read(&arguments);
    println!("{}", report::machine());

    // Memory is looked at in servers that have carried nothing else, so the other rows get fresh ones.
    let mut run = Run::new(&pace, &settings);
    for part in [memory, movement] {
        let lab = ways::lab(&settings, pace.peers)?;
        run.know(&lab);
        part(&mut run, &lab);
    }
    static_files(&mut run)?;
    if run.figures.is_empty() {
        println!("no row contains '{}'", settings.only);
        return Ok(());
    }
    table::print(&run.columns, &run.figures);
    println!("\n{}", report::machine());
    Ok(())
}

/// Servers in which nothing moves, or no longer. The largest number of tunnels comes last: some do not survive it.
fn memory(run: &mut Run<'_>, lab: &Lab) {
    let (settings, settle, rounds) = (run.settings, run.pace.settle, run.pace.rounds);
    let figures = vec![
        Figure::new("start: ms until it listens", 1, Better::Less),
        Figure::new("… resident MiB, idle", 2, Better::Less),
        Figure::new("… MiB of the program's file", 1, Better::Neither),
    ];
    run.row(lab, "start", figures, rounds.min(3), &|lab, variant| start::measure(lab, settings, variant, settle / 4));

    let (first, more) = run.pace.idle.split_at(1);
    idle_tunnels(run, lab, first);
    let figures = vec![
        Figure::new("stuck reader: growth, MiB", 2, Better::Less),
        Figure::new("… MiB that the backend could send", 1, Better::Neither),
    ];
    run.row(lab, "stuck reader", figures, 1, &|lab, variant| idle::stuck_reader(lab, variant, settle));
    idle_tunnels(run, lab, more);
}

fn idle_tunnels(run: &mut Run<'_>, lab: &Lab, numbers: &[usize]) {
    for wanted in numbers {
        let name = format!("{wanted} idle tunnels");
        let figures = vec![
            Figure::new(&format!("{name}: opened"), 0, Better::Neither),
            Figure::new("… resident KiB for each", 1, Better::Less),
            Figure::new("… threads for each", 2, Better::Neither),
            Figure::new("… seconds to open them", 2, Better::Neither),
            Figure::new("… beside them a new tunnel opens in ms; median", 2, Better::Less),
            Figure::new("… slowest of 50", 1, Better::Less),
            Figure::new("… beside them one upload has % of its speed", 0, Better::Neither),
        ];
        let (settle, window) = (run.pace.settle, run.pace.window);
        run.row(lab, &name, figures, 1, &|lab, variant| {
            idle::tunnels(lab, variant, bearable(variant, *wanted), settle, window)
        });
    }
}

/// This program can hold two descriptors for each tunnel only up to its limit. A process per tunnel is for few of them,
/// and the relay ends when no thread can be made, which ours may not.
fn bearable(variant: &Variant, wanted: usize) -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let ours = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(200) / 2;
    let theirs = match variant.name.split(' ').next() {
        Some("websockify") => 100,
        Some("relay") => 4000,
        _ => usize::MAX,
    };
    wanted.min(ours).min(theirs)
}

/// Bytes that move, and connections.
fn movement(run: &mut Run<'_>, lab: &Lab) {
    let (rounds, window, loads) = (run.pace.rounds, run.pace.window, run.pace.loads);
    let bulk = |run: &mut Run<'_>, name: &str, tunnels, direction, frame| {
        let figures = vec![
            Figure::new(&format!("{name}; MiB/s"), 0, Better::More),
            Figure::new("… CPU seconds per GiB", 2, Better::Less),
            Figure::new("… those of both ends, which share the cores", 2, Better::Neither),
        ];
        run.row(lab, name, figures, rounds, &|lab, variant| {
            moving::throughput(lab, variant, tunnels, direction, frame, window)
        });
    };
    for (direction, word) in [(Direction::Up, "up, 64 KiB frames"), (Direction::Down, "down, 64 KiB writes")] {
        for tunnels in loads {
            bulk(run, &format!("{word}, tunnels: {tunnels}"), *tunnels, direction, LARGE);
        }
    }
    bulk(run, "up, 64-byte frames (relay: the payload alone), tunnels: 1", 1, Direction::Up, SMALL);

    let latency = |name: &str| {
        let first = Figure::new(&format!("{name}; median, µs"), 1, Better::Less);
        vec![first, Figure::new("… 99th percentile, µs", 1, Better::Less)]
    };
    let name = "round trip of 64 bytes, alone, on one core";
    run.row(lab, name, latency(name), rounds, &|lab, variant| moving::alone(lab, variant, window));
    let name = "round trip of 64 bytes beside a bulk upload";
    run.row(lab, name, latency(name), rounds, &|lab, variant| moving::beside_bulk(lab, variant, window));
    connections(run, lab);
}

fn connections(run: &mut Run<'_>, lab: &Lab) {
    let (rounds, window) = (run.pace.rounds, run.pace.window);
    let name = "connections (wss: full handshakes), on one core";
    let figures = vec![Figure::new(&format!("{name}; 1/s"), 0, Better::More)];
    run.row(lab, name, figures, rounds, &|lab, variant| opening::in_turn(lab, variant, window));

    let name = "connections from 8 clients (wss: full handshakes), all cores";
    let figures = vec![Figure::new(&format!("{name}; 1/s"), 0, Better::More)];
    run.row(lab, name, figures, rounds, &|lab, variant| opening::at_once(lab, variant, window));

    let name = "connections by a client that resumes TLS sessions, on one core";
    let figures = vec![
        Figure::new(&format!("{name}; 1/s"), 0, Better::More),
        Figure::new("… % of them resumed", 0, Better::Neither),
    ];
    run.row(lab, name, figures, rounds, &|lab, variant| match variant.scheme {
        Scheme::Wss => opening::resumed(lab, variant, window),
        _ => Ok(Vec::new()),
    });
}

/// Requests per second for a small file.
fn static_files(run: &mut Run<'_>) -> io::Result<()> {
    let name = "static file of 4 KiB, 4 clients";
    let mut figures = vec![
        Figure::new(&format!("{name}, keep-alive; 1/s"), 0, Better::More),
        Figure::new("… a new connection for each; 1/s", 0, Better::More),
    ];
    if !run.wants(name, &figures) {
        return Ok(());
    }
    eprintln!("{name}");
    let folder = tempfile::tempdir()?;
    let servers = files::servers(run.settings, folder.path(), run.pace.peers)?;
    for round in 0..run.pace.rounds {
        for (figure, keep_alive) in figures.iter_mut().zip([true, false]) {
            for turn in 0..servers.len() {
                let server = &servers[(round + turn) % servers.len()];
                // What was measured before is worth more than this: a failure leaves a gap, no more.
                match files::requests(server, keep_alive, run.pace.window) {
                    Ok(rate) => figure.add(server.name, round, rate),
                    Err(error) => eprintln!("  {}: {error}", server.name),
                }
            }
        }
    }
    run.figures.extend(figures);
    Ok(())
}
