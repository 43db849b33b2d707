//! Rounds in which all ways take turns, and how long all that may take.
use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use crate::support::lab::{Lab, Variant};
use crate::support::settings::Settings;
use crate::table::Figure;

/// A way that has failed so often in one row is not asked again for that row: most failures are a wait for nothing.
const FAILURES: usize = 2;

/// How thorough a run is.
pub(crate) struct Pace {
    /// Rounds of a row whose measurements are short.
    pub(crate) rounds: usize,
    /// How long one measurement of one way takes.
    pub(crate) window: Duration,
    /// How long a proxy gets until it stands still.
    pub(crate) settle: Duration,
    /// Numbers of tunnels that carry a load.
    pub(crate) loads: &'static [usize],
    /// Numbers of tunnels that carry nothing.
    pub(crate) idle: &'static [usize],
    /// No new round starts when a row has taken so long.
    row: Duration,
    /// Every row gets one round only when the whole run has taken so long.
    total: Duration,
    /// Whether peers are measured.
    pub(crate) peers: bool,
}

impl Pace {
    /// Cargo says `--bench` when it means it; otherwise this only proves that it works.
    pub(crate) fn read(arguments: &[String]) -> Self {
        let (seconds, millis) = (Duration::from_secs, Duration::from_millis);
        let quick = std::env::var("BERTH_COMPARE_QUICK").is_ok_and(|value| value == "yes");
        let loads: &[usize] = &[1, 8, 64];
        if !arguments.iter().any(|argument| argument == "--bench") {
            let (window, row, total) = (millis(20), seconds(1), seconds(10));
            return Self { rounds: 1, window, settle: window, loads: &[2], idle: &[10], row, total, peers: false };
        }
        if quick {
            let (window, settle, row, total) = (millis(200), millis(150), seconds(6), seconds(60));
            return Self { rounds: 1, window, settle, loads, idle: &[1000], row, total, peers: true };
        }
        let (window, settle, row, total) = (millis(400), millis(400), seconds(20), seconds(380));
        Self { rounds: 5, window, settle, loads, idle: &[1000, 10_000], row, total, peers: true }
    }
}

/// One measurement of one way.
pub(crate) type Work<'a> = &'a dyn Fn(&Lab, &Variant) -> io::Result<Vec<f64>>;

/// The rows up to now.
pub(crate) struct Run<'a> {
    /// How thorough it is.
    pub(crate) pace: &'a Pace,
    /// Which rows are wanted, and of which server.
    pub(crate) settings: &'a Settings,
    /// Names of all ways that have worked.
    pub(crate) columns: Vec<&'static str>,
    /// The rows.
    pub(crate) figures: Vec<Figure>,
    began: Instant,
}

impl<'a> Run<'a> {
    /// Nothing yet.
    pub(crate) fn new(pace: &'a Pace, settings: &'a Settings) -> Self {
        Self { pace, settings, columns: Vec::new(), figures: Vec::new(), began: Instant::now() }
    }

    /// The columns get those ways that they do not have.
    pub(crate) fn know(&mut self, lab: &Lab) {
        for variant in &lab.variants {
            if !self.columns.contains(&variant.name) {
                self.columns.push(variant.name);
            }
        }
    }

    /// Whether a row was asked for; its figures count as its name, too.
    pub(crate) fn wants(&self, name: &str, figures: &[Figure]) -> bool {
        let only = &self.settings.only;
        name.contains(only) || figures.iter().any(|figure| figure.title.contains(only))
    }

    /// Measures all ways in turn. A way that fails has no value in that round: the others still do.
    pub(crate) fn row(&mut self, lab: &Lab, name: &str, figures: Vec<Figure>, rounds: usize, work: Work<'_>) {
        if !self.wants(name, &figures) {
            return;
        }
        eprintln!("{name}");
        let started = Instant::now();
        let first = self.figures.len();
        self.figures.extend(figures);
        let count = lab.variants.len();
        let mut failures: BTreeMap<&str, usize> = BTreeMap::new();
        for round in 0..rounds {
            for turn in 0..count {
                // Another one begins each time, so that none always follows the same neighbour.
                let variant = &lab.variants[(round + turn) % count];
                if failures.get(variant.name).is_some_and(|failed| *failed >= FAILURES) {
                    continue;
                }
                match work(lab, variant) {
                    Ok(values) => {
                        for (figure, value) in self.figures[first..].iter_mut().zip(values) {
                            figure.add(variant.name, round, value);
                        }
                    }
                    Err(error) => {
                        eprintln!("  {}: {error}", variant.name);
                        *failures.entry(variant.name).or_default() += 1;
                    }
                }
                lab.backend.forget_leftovers();
            }
            if started.elapsed() > self.pace.row || self.began.elapsed() > self.pace.total {
                break;
            }
        }
        // A run that is cut short has said at least this.
        for figure in &self.figures[first..] {
            eprintln!("  {}", figure.line(&self.columns));
        }
        eprintln!("  {:.1} s", started.elapsed().as_secs_f64());
    }
}
