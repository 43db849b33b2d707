//! What a room costs, beside the same work done by others: the newest upstream `scalesocket` and `websocketd`.
//!
//! `cargo bench --bench rooms` takes those peers that are on PATH (or named by `BERTH_SCALESOCKET`, `BERTH_WEBSOCKETD`)
//! and skips the others. All ways take turns within a round, so that a slow moment of the machine falls on all. One
//! thread reads from all members, so that what is measured is the server and not the switches between readers.
//! `websocketd` has no rooms: there each member has a command of its own, which says the same.
#![allow(clippy::unwrap_used, reason = "a panic ends a benchmark, and nothing here comes from outside")]
#![allow(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its results"
)]
#![allow(clippy::cast_precision_loss, reason = "three digits are shown")]

mod client;
mod server;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use client::Client;
use server::{Server, Way};

/// Rounds in which all ways take turns.
const ROUNDS: usize = 5;
/// Lines per round and number of members.
const LINES: [(usize, u64); 3] = [(1, 1_000_000), (10, 300_000), (100, 50_000)];
/// How long a measurement may take before what has arrived is all that counts.
const PATIENCE: Duration = Duration::from_secs(10);
/// No new round starts when a row has taken so long, so that all rows together take three minutes at most.
const ROW: Duration = Duration::from_secs(20);
/// How long rooms are opened and closed in a round, by how many clients at once.
const OPENING: Duration = Duration::from_secs(2);
const CLIENTS: usize = 8;
/// Members whose memory is looked at.
const IDLE: usize = 1_000;
/// Members are let in after the handshake was answered; nobody tells when.
const SETTLE: Duration = Duration::from_millis(200);

/// What was measured: by row, by way, by round.
struct Row {
    title: String,
    unit: &'static str,
    values: Vec<Vec<f64>>,
    /// The least part of the lines that arrived, by way.
    arrived: Vec<f64>,
}

impl Row {
    fn new(title: String, unit: &'static str, ways: usize) -> Self {
        Self { title, unit, values: vec![Vec::new(); ways], arrived: vec![1.0; ways] }
    }
}

fn main() {
    // Without `--bench` (`cargo test --all-targets`) one small round proves that it still works.
    let words: Vec<String> = std::env::args().skip(1).collect();
    let serious = words.iter().any(|word| word == "--bench");
    let (rounds, share) = if serious { (ROUNDS, 1) } else { (1, 100) };
    // A word is part of the title of the rows that are wanted.
    let wanted = words.iter().find(|word| !word.starts_with('-'));
    let ways = server::ways();
    let mut rows: Vec<Row> = Vec::new();
    let mut measure = |title: String, unit, rounds, work: &dyn Fn(&Way) -> (f64, f64)| {
        if wanted.is_some_and(|wanted| !title.contains(wanted.as_str())) {
            return;
        }
        let mut row = Row::new(title, unit, ways.len());
        eprintln!("{}", row.title);
        let began = Instant::now();
        for round in 0..rounds {
            if began.elapsed() > ROW {
                break;
            }
            // Another one begins each time, so that none always follows the same neighbour.
            for turn in (0..ways.len()).map(|turn| (round + turn) % ways.len()) {
                let (value, arrived) = work(&ways[turn]);
                row.values[turn].push(value);
                row.arrived[turn] = row.arrived[turn].min(arrived);
            }
        }
        rows.push(row);
    };
    for (members, lines) in LINES {
        measure(format!("lines of 7 bytes to {members} members"), "thousand lines/s to each", rounds, &|way| {
            lines_to_members(way, members, lines / share)
        });
    }
    measure(format!("rooms opened, one line, closed; {CLIENTS} clients"), "rooms/s", rounds, &|way| {
        (rooms_per_second(way, OPENING / u32::try_from(share).unwrap()), 1.0)
    });
    measure("resident memory of the server per idle member".to_owned(), "KiB", 1, &|way| {
        (memory_per_member(way, IDLE / usize::try_from(share).unwrap()), 1.0)
    });
    // Where one row was asked for, it may be one of another benchmark.
    if !rows.is_empty() {
        print(&ways, &rows);
    }
}

/// Thousands of lines per second that each member got, and the part of them that arrived.
fn lines_to_members(way: &Way, members: usize, lines: u64) -> (f64, f64) {
    let server = Server::start(way, &["sh", "-c", &format!("read go; exec seq 1000000 {}", 999_999 + lines)]);
    let mut clients: Vec<Client> = (0..members).map(|_| Client::open(server.port, "/room").unwrap()).collect();
    std::thread::sleep(SETTLE);
    let speakers = if way.shares { 1 } else { members };
    let began = Instant::now();
    for client in clients.iter_mut().take(speakers) {
        client.say(b"go").unwrap();
    }
    client::read_all(&mut clients, lines, began + PATIENCE);
    let ended = clients.iter().map(|client| client.last).max().unwrap().max(began + Duration::from_micros(1));
    let got: u64 = clients.iter().map(|client| client.messages.min(lines)).sum();
    let each = got as f64 / members as f64;
    (each / 1e3 / (ended - began).as_secs_f64(), each / lines as f64)
}

fn rooms_per_second(way: &Way, time: Duration) -> f64 {
    let server = Server::start(way, &["cat"]);
    let (count, number) = (AtomicU64::new(0), AtomicU64::new(0));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while began.elapsed() < time {
                    let name = number.fetch_add(1, Ordering::Relaxed);
                    let mut client = Client::open(server.port, &format!("/room{name}")).unwrap();
                    client.say(b"one line").unwrap();
                    client.wait_for_message();
                    client.close();
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    count.into_inner() as f64 / began.elapsed().as_secs_f64()
}

fn memory_per_member(way: &Way, members: usize) -> f64 {
    let server = Server::start(way, &["cat"]);
    // What the first one takes is not the members'.
    let _first = Client::open(server.port, "/room").unwrap();
    std::thread::sleep(SETTLE);
    let before = server.resident();
    let all: Vec<Client> = (0..members).map(|_| Client::open(server.port, "/room").unwrap()).collect();
    std::thread::sleep(SETTLE);
    (server.resident() as f64 - before as f64) / 1024.0 / all.len() as f64
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2])
}

fn print(ways: &[Way], rows: &[Row]) {
    let names: Vec<&str> = ways.iter().map(|way| way.name).collect();
    println!("| median of rounds | {} |", names.join(" | "));
    println!("| --- |{}", " ---: |".repeat(ways.len()));
    for row in rows {
        let cells: Vec<String> = (0..ways.len())
            .map(|way| {
                let value = median(&row.values[way]);
                let lost = 100.0 * (1.0 - row.arrived[way]);
                if lost > 0.0 { format!("{value:.0} ({lost:.1} % lost)") } else { format!("{value:.0}") }
            })
            .collect();
        println!("| {}, {} | {} |", row.title, row.unit, cells.join(" | "));
    }
}
