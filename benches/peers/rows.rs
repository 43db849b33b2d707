//! What is measured, in which order, and for how long.
use std::io;
use std::time::{Duration, Instant};

use crate::files;
use crate::idle;
use crate::moving::{self, Direction};
use crate::support::lab::{Lab, Variant};
use crate::support::settings::Settings;
use crate::support::{relay, report};
use crate::table::{self, Better, Figure};
use crate::ways;

/// How thorough a run is.
struct Pace {
    rounds: usize,
    /// How long one measurement of one way takes.
    window: Duration,
    /// How long a proxy gets until it stands still.
    settle: Duration,
    /// Numbers of tunnels that carry a load.
    loads: &'static [usize],
    /// Numbers of tunnels that carry nothing.
    idle: &'static [usize],
    /// No new round starts when a row has taken so long.
    row: Duration,
    peers: bool,
}

impl Pace {
    /// Cargo says `--bench` when it means it; otherwise this only proves that it works.
    fn read(arguments: &[String]) -> Self {
        let seconds = Duration::from_secs;
        let quick = std::env::var("BERTH_COMPARE_QUICK").is_ok_and(|value| value == "yes");
        let settle = Duration::from_millis(400);
        let (loads, idle): (&[usize], &[usize]) = (&[1, 8, 64], &[1000, 10_000]);
        if !arguments.iter().any(|argument| argument == "--bench") {
            let (window, row) = (Duration::from_millis(20), seconds(1));
            Self { rounds: 1, window, settle: window, loads: &[2], idle: &[10], row, peers: false }
        } else if quick {
            let window = Duration::from_millis(300);
            Self { rounds: 1, window, settle, loads, idle: &idle[..1], row: seconds(10), peers: true }
        } else {
            Self { rounds: 5, window: Duration::from_millis(500), settle, loads, idle, row: seconds(25), peers: true }
        }
    }
}

/// One measurement of one way.
type Work<'a> = &'a dyn Fn(&Lab, &Variant) -> io::Result<Vec<f64>>;

/// The rows up to now.
struct Run<'a> {
    lab: &'a Lab,
    pace: &'a Pace,
    only: &'a str,
    figures: Vec<Figure>,
}

impl Run<'_> {
    fn wants(&self, name: &str) -> bool {
        name.contains(self.only)
    }

    /// Measures all ways in turn. A way that fails has no value in that round: the others still do.
    fn row(&mut self, name: &str, figures: Vec<Figure>, rounds: usize, work: Work<'_>) {
        if !self.wants(name) {
            return;
        }
        eprintln!("{name}");
        let started = Instant::now();
        let first = self.figures.len();
        self.figures.extend(figures);
        let count = self.lab.variants.len();
        for round in 0..rounds {
            for turn in 0..count {
                // Another one begins each time, so that none always follows the same neighbour.
                let column = (round + turn) % count;
                let variant = &self.lab.variants[column];
                match work(self.lab, variant) {
                    Ok(values) => self.take(first, column, &values),
                    Err(error) => eprintln!("  {}: {error}", variant.name),
                }
                forget_leftovers(self.lab);
            }
            if started.elapsed() > self.pace.row {
                break;
            }
        }
    }

    fn take(&mut self, first: usize, column: usize, values: &[f64]) {
        for (figure, value) in self.figures[first..].iter_mut().zip(values) {
            figure.add(column, *value);
        }
    }
}

/// Connections that a way opened and whose client has given up, so that the next way does not get them.
fn forget_leftovers(lab: &Lab) {
    while lab.backend.waiting().is_ok_and(|waiting| waiting) {
        drop(lab.backend.accept());
    }
}

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
    let mut figures = Vec::new();
    let mut columns: Option<Vec<&'static str>> = None;
    for part in [memory, movement] {
        let lab = ways::lab(&settings, pace.peers)?;
        let names: Vec<_> = lab.variants.iter().map(|variant| variant.name).collect();
        if columns.get_or_insert_with(|| names.clone()) != &names {
            return Err(io::Error::other("a peer worked in one half of the run only"));
        }
        let mut run = Run { lab: &lab, pace: &pace, only: &settings.only, figures };
        part(&mut run);
        figures = run.figures;
    }
    let columns = columns.unwrap_or_default();
    figures.extend(static_files(&settings, &pace, &columns)?);
    table::print(&columns, &figures);
    println!("\n{}", report::machine());
    Ok(())
}

/// Tunnels in which nothing moves, or no longer. The largest number comes last: some do not survive it.
fn memory(run: &mut Run<'_>) {
    let (first, more) = run.pace.idle.split_at(1);
    idle_tunnels(run, first);
    let figures = vec![
        Figure::new("stuck reader: growth, MiB", 2, Better::Less),
        Figure::new("… MiB that the backend could send", 1, Better::Neither),
    ];
    let patience = run.pace.settle;
    run.row("stuck reader", figures, 1, &|lab, variant| idle::stuck_reader(lab, variant, patience));
    idle_tunnels(run, more);
}

fn idle_tunnels(run: &mut Run<'_>, numbers: &[usize]) {
    for wanted in numbers {
        let name = format!("{wanted} idle tunnels");
        let figures = vec![
            Figure::new(&format!("{name}: opened"), 0, Better::Neither),
            Figure::new("… resident KiB for each", 1, Better::Less),
            Figure::new("… threads for each", 2, Better::Neither),
            Figure::new("… seconds to open them", 2, Better::Neither),
        ];
        let settle = run.pace.settle;
        run.row(&name, figures, 1, &|lab, variant| idle::tunnels(lab, variant, bearable(variant, *wanted), settle));
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

/// Bytes that move.
fn movement(run: &mut Run<'_>) {
    let (rounds, window) = (run.pace.rounds, run.pace.window);
    for (direction, word) in [(Direction::Up, "up, 64 KiB frames"), (Direction::Down, "down, 64 KiB writes")] {
        for tunnels in run.pace.loads {
            let name = format!("{word}, tunnels: {tunnels}");
            let figures = vec![
                Figure::new(&format!("{name}; MiB/s"), 0, Better::More),
                Figure::new("… CPU seconds per GiB", 2, Better::Less),
            ];
            run.row(&name, figures, rounds, &|lab, variant| {
                moving::throughput(lab, variant, *tunnels, direction, window)
            });
        }
    }
    let latency = |name: &str| {
        let first = Figure::new(&format!("{name}; median, µs"), 1, Better::Less);
        vec![first, Figure::new("… 99th percentile, µs", 1, Better::Less)]
    };
    let name = "round trip of 64 bytes, alone, on one core";
    run.row(name, latency(name), rounds, &|lab, variant| moving::alone(lab, variant, window));
    let name = "round trip of 64 bytes beside a bulk upload";
    run.row(name, latency(name), rounds, &|lab, variant| moving::beside_bulk(lab, variant, window));
    let name = "connections (wss: full handshakes), on one core";
    let figures = vec![Figure::new(&format!("{name}; 1/s"), 0, Better::More)];
    run.row(name, figures, rounds, &|lab, variant| moving::connections(lab, variant, window));
}

/// Requests per second for a small file.
fn static_files(settings: &Settings, pace: &Pace, columns: &[&str]) -> io::Result<Vec<Figure>> {
    let name = "static file of 4 KiB, 4 clients";
    if !name.contains(&settings.only) {
        return Ok(Vec::new());
    }
    eprintln!("{name}");
    let folder = tempfile::tempdir()?;
    let servers = files::servers(settings, folder.path(), pace.peers)?;
    let mut figures = vec![
        Figure::new(&format!("{name}, keep-alive; 1/s"), 0, Better::More),
        Figure::new("… a new connection for each; 1/s", 0, Better::More),
    ];
    for round in 0..pace.rounds {
        for (figure, keep_alive) in figures.iter_mut().zip([true, false]) {
            for turn in 0..servers.len() {
                let server = &servers[(round + turn) % servers.len()];
                // What was measured before is worth more than this: a failure leaves a gap, no more.
                let rate = match files::requests(server, keep_alive, pace.window) {
                    Ok(rate) => rate,
                    Err(error) => {
                        eprintln!("  {}: {error}", server.name);
                        continue;
                    }
                };
                if let Some(column) = columns.iter().position(|column| *column == server.name) {
                    figure.add(column, rate);
                }
            }
        }
    }
    Ok(figures)
}
