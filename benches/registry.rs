//! How many reservations the registry makes and frees in a second, asked by one and by many threads at once.
//!
//! `cargo bench --bench registry`. What is counted are pairs: reserve, wait for the token, release, wait for the answer.
#![allow(clippy::unwrap_used, reason = "a panic ends a benchmark, and nothing here comes from outside")]
#![allow(missing_docs, reason = "criterion's macros document nothing")]

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use berth::cli::websocketserver::{Parsed, parse};
use berth::websocketserver::registry::{Handle, Options};
use berth::websocketserver::registry_alone;
use berth::websocketserver::services::Services;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Threads that ask; a server has one per connection.
const THREADS: [u64; 3] = [1, 4, 64];

fn registry() -> Handle {
    let words = ["0", "--local_session", "envision", "100"];
    let Ok(Parsed::Run(config)) = parse(words.map(Into::into).to_vec(), &[]) else {
        panic!("the command line is a good one");
    };
    let services = Services::load(&config).unwrap();
    registry_alone(&config, &services).unwrap()
}

/// The time that `pairs` take, shared among the threads.
fn measure(registry: &Handle, threads: u64, pairs: u64) -> Duration {
    let start = Barrier::new(usize::try_from(threads).unwrap() + 1);
    thread::scope(|scope| {
        for number in 0..threads {
            let (registry, start) = (registry.clone(), &start);
            let share = pairs / threads + u64::from(number < pairs % threads);
            scope.spawn(move || {
                start.wait();
                for _ in 0..share {
                    let reservation = registry.reserve(0, Options::new()).unwrap();
                    registry.release(&reservation.token).unwrap();
                }
            });
        }
        start.wait();
        Instant::now()
    })
    .elapsed()
}

fn pairs(criterion: &mut Criterion) {
    let registry = registry();
    let mut group = criterion.benchmark_group("registry");
    group.throughput(Throughput::Elements(1)).measurement_time(Duration::from_secs(5));
    for threads in THREADS {
        group.bench_function(format!("reserve and release, {threads} threads"), |bencher| {
            bencher.iter_custom(|pairs| measure(&registry, threads, pairs));
        });
    }
    group.finish();
}

criterion_group!(benches, pairs);
criterion_main!(benches);
