//! From measurements to lines and a table.
use std::fs;

use super::lab::{Variant, YARDSTICK};
use super::scenarios::{Figure, Middle, Scenario};

/// All measurements of one scenario.
pub(crate) struct Results {
    scenario: &'static Scenario,
    /// By figure, by variant, by round. No rounds where there is nothing to measure.
    values: Vec<Vec<Vec<f64>>>,
}

impl Results {
    pub(crate) fn new(scenario: &'static Scenario, variants: usize) -> Self {
        Self { scenario, values: vec![vec![Vec::new(); variants]; scenario.figures.len()] }
    }

    /// Takes the values of one measurement, in the order of the figures.
    pub(crate) fn add(&mut self, variant: usize, values: &[f64]) {
        for (figure, value) in self.values.iter_mut().zip(values) {
            figure[variant].push(*value);
        }
    }

    /// One line per figure and variant: the middle, the range, and the ratio to the yardstick.
    pub(crate) fn print(&self, variants: &[Variant]) {
        for (figure, values) in self.scenario.figures.iter().zip(&self.values) {
            let rounds = values[YARDSTICK].len();
            println!("\n{}: {}; rounds: {rounds}", self.scenario.name, figure.title);
            let yardstick = middle(figure, &values[YARDSTICK]);
            for (variant, values) in variants.iter().zip(values) {
                let Some(value) = middle(figure, values) else {
                    continue;
                };
                let least = values.iter().copied().fold(f64::INFINITY, f64::min);
                let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let digits = figure.digits;
                let ratio = ratio(Some(value), yardstick);
                println!("  {:<14} {value:>10.digits$}  ({least:.digits$}..{most:.digits$})  x {ratio}", variant.name);
            }
        }
    }
}

/// The table for the README: ratios to the yardstick, and its own value as it was.
pub(crate) struct Table {
    lines: Vec<String>,
}

impl Table {
    pub(crate) fn new(variants: &[Variant]) -> Self {
        let names: Vec<_> = variants.iter().map(|variant| variant.name).collect();
        let lines = vec![
            format!("| x {} | {} |", names[YARDSTICK], names.join(" | ")),
            format!("| --- {}|", "| ---: ".repeat(names.len())),
        ];
        Self { lines }
    }

    pub(crate) fn add(&mut self, results: &Results) {
        for (figure, values) in results.scenario.figures.iter().zip(&results.values) {
            let yardstick = middle(figure, &values[YARDSTICK]);
            let mut cells = vec![format!("{}: {}", results.scenario.name, figure.title)];
            for (index, values) in values.iter().enumerate() {
                let value = middle(figure, values);
                cells.push(match value {
                    Some(value) if index == YARDSTICK => {
                        format!("1.00 = {value:.digits$}", digits = figure.digits)
                    }
                    _ => ratio(value, yardstick),
                });
            }
            self.lines.push(format!("| {} |", cells.join(" | ")));
        }
    }

    pub(crate) fn print(&self) {
        println!("\n{}", self.lines.join("\n"));
        println!(
            "\nEvery cell is a ratio to the plain TCP relay with 64 KiB reads and writes, of medians (CPU: of \
             means) over rounds that take turns. Client and backend run on the same machine and take their part \
             of it; with wss that includes TLS at the client, a full handshake per connection and the encryption \
             of every byte, while the relay beside it stays plain TCP. 'On one core' holds client, proxy and \
             backend on the same one."
        );
    }
}

/// The middle of the rounds, if there were any.
fn middle(figure: &Figure, values: &[f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let count = values.len();
    Some(match figure.middle {
        Middle::Mean => values.iter().sum::<f64>() / count as f64,
        Middle::Median => {
            let mut sorted = values.to_vec();
            sorted.sort_by(f64::total_cmp);
            f64::midpoint(sorted[(count - 1) / 2], sorted[count / 2])
        }
    })
}

/// How much of the yardstick that is; a dash where one of them is missing, or too small for the clock.
fn ratio(value: Option<f64>, yardstick: Option<f64>) -> String {
    match (value, yardstick) {
        (Some(value), Some(yardstick)) if yardstick > 0.0 => format!("{:.2}", value / yardstick),
        _ => "-".to_owned(),
    }
}

/// What the numbers hold for, and how busy it is.
pub(crate) fn machine() -> String {
    let text = |path| fs::read_to_string(path).unwrap_or_default();
    let cpu = text("/proc/cpuinfo");
    let model = cpu.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = text("/proc/loadavg");
    format!(
        "berth {}, {}, {cores} cores, Linux {}, load {}",
        env!("CARGO_PKG_VERSION"),
        model.unwrap_or("unknown CPU").trim(),
        text("/proc/sys/kernel/osrelease").trim(),
        load.split(' ').next().unwrap_or("unknown"),
    )
}
