//! The small runner behind the benchmark. Reading order: [`scenarios`] (what is measured), [`lab`] (between what),
//! [`client`] with [`tls`], and [`backend`] (the two ends), [`relay`] (the yardstick), [`process`], [`pin`], [`report`],
//! [`settings`].
pub(crate) mod backend;
pub(crate) mod client;
pub(crate) mod lab;
pub(crate) mod pin;
pub(crate) mod process;
pub(crate) mod relay;
pub(crate) mod report;
pub(crate) mod scenarios;
pub(crate) mod settings;
pub(crate) mod tls;
pub(crate) mod verify;

use std::io;
use std::thread::ScopedJoinHandle;
use std::time::Instant;

use lab::Lab;
use report::Results;
use scenarios::Scenario;
use settings::Settings;

/// The whole run; or the relay, when this process was started as one.
pub(crate) fn run() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, buffer, target] = arguments.as_slice()
        && word == relay::ARGUMENT
    {
        return relay::run(buffer, target);
    }
    let settings = Settings::read(&arguments)?;
    let scenarios = scenarios::chosen(&settings)?;
    println!("{}", report::machine());
    let lab = Lab::open(&settings)?;
    for variant in &lab.variants {
        verify::both_ways(&lab, variant).map_err(|error| named(&error, variant.name))?;
    }
    println!("every way carries every byte: checksums agree");

    let budget = settings.budget / u32::try_from(scenarios.len()).map_err(io::Error::other)?;
    let mut table = report::Table::new(&lab.variants);
    for scenario in scenarios {
        let results = measure(&lab, scenario, settings.rounds, budget)?;
        results.print(&lab.variants);
        table.add(&results);
    }
    table.print();
    println!("\n{}", report::machine());
    Ok(())
}

/// All rounds of one scenario. The ways take turns within a round, and another one begins each time, so that none
/// always follows the same neighbour.
fn measure(lab: &Lab, scenario: &'static Scenario, rounds: usize, budget: std::time::Duration) -> io::Result<Results> {
    let started = Instant::now();
    let mut results = Results::new(scenario, lab.variants.len());
    for round in 0..rounds {
        if started.elapsed() > budget {
            break;
        }
        for turn in 0..lab.variants.len() {
            let which = (round + turn) % lab.variants.len();
            let variant = &lab.variants[which];
            let values = (scenario.run)(lab, variant)
                .map_err(|error| named(&error, &format!("{}, {}", scenario.name, variant.name)))?;
            results.add(which, &values);
        }
    }
    Ok(results)
}

/// The result of a scoped thread; its panic as an error.
pub(crate) fn joined<T>(handle: ScopedJoinHandle<'_, io::Result<T>>) -> io::Result<T> {
    handle.join().map_err(|_| io::Error::other("a thread of the benchmark panicked"))?
}

/// The error, with where it happened.
pub(crate) fn named(error: &io::Error, place: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{place}: {error}"))
}
