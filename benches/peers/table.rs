//! The tables: a row per figure and a column per way; then ours beside the relay and beside the best peer.
use std::collections::BTreeMap;

use crate::ways::YARDSTICK;

/// Which end of the scale is the better one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    /// Rates.
    More,
    /// Times and sizes.
    Less,
    /// Only told, not judged.
    Neither,
}

/// One row.
pub(crate) struct Figure {
    /// What it is and in which unit.
    pub(crate) title: String,
    /// Digits behind the point.
    digits: usize,
    /// Which of two values wins.
    better: Better,
    /// By column and round.
    values: BTreeMap<&'static str, BTreeMap<usize, f64>>,
}

impl Figure {
    /// A row without values.
    pub(crate) fn new(title: &str, digits: usize, better: Better) -> Self {
        Self { title: title.to_owned(), digits, better, values: BTreeMap::new() }
    }

    /// Takes the value of one round.
    pub(crate) fn add(&mut self, column: &'static str, round: usize, value: f64) {
        self.values.entry(column).or_default().insert(round, value);
    }

    fn median(&self, column: &str) -> Option<f64> {
        median(self.values.get(column)?.values().copied())
    }

    /// The row; the best of those that carry the same scheme is bold. The relay carries none, so it never is.
    pub(crate) fn line(&self, columns: &[&str]) -> String {
        let mut cells = vec![self.title.clone()];
        for name in columns {
            let Some(value) = self.median(name) else {
                cells.push("-".to_owned());
                continue;
            };
            let shown = format!("{value:.digits$}", digits = self.digits);
            let rivals = columns.iter().filter(|rival| scheme(rival) == scheme(name));
            let best = self.best(rivals.copied()).and_then(|best| self.median(best));
            let is_best = *name != YARDSTICK && best == Some(value);
            cells.push(if is_best { format!("**{shown}**") } else { shown });
        }
        format!("| {} |", cells.join(" | "))
    }

    /// Who has the best median; nobody where none is judged.
    fn best<'a>(&self, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        let medians = names.filter_map(|name| Some((name, self.median(name)?)));
        let best = match self.better {
            Better::More => medians.max_by(|one, other| one.1.total_cmp(&other.1)),
            Better::Less => medians.min_by(|one, other| one.1.total_cmp(&other.1)),
            Better::Neither => None,
        };
        best.map(|(name, _)| name)
    }

    /// One column over another: the median of what each round says, for a slow round is slow for both.
    fn ratio(&self, ours: &str, other: &str) -> Option<f64> {
        let (ours, other) = (self.values.get(ours)?, self.values.get(other)?);
        let rounds = ours.iter().filter_map(|(round, value)| Some(value / other.get(round)?));
        median(rounds.filter(|ratio| ratio.is_finite()))
    }

    /// Ours beside another column, with the word for it.
    fn judged(&self, ours: &str, other: &str) -> Option<String> {
        // Nothing at all beside something: no ratio says how much less that is.
        let (mine, theirs) = (self.median(ours)?, self.median(other)?);
        let shown = |value: f64| format!("{value:.digits$}", digits = self.digits);
        if shown(mine) == shown(theirs) {
            return Some("level".to_owned());
        }
        let ratio = self.ratio(ours, other).filter(|_| mine > 0.0 && theirs > 0.0);
        if ratio.is_some_and(|ratio| (0.995..1.005).contains(&ratio)) {
            return Some("1.00 level".to_owned());
        }
        let more = ratio.map_or(mine > theirs, |ratio| ratio > 1.0);
        let word = if more == (self.better == Better::More) { "ahead" } else { "**behind**" };
        Some(ratio.map_or_else(|| word.to_owned(), |ratio| format!("{ratio:.2} {word}")))
    }

    /// Ours beside the relay and beside the best peer, for ws and for wss; nothing where there is nothing to judge.
    fn beside(&self, columns: &[&str]) -> Option<String> {
        if self.better == Better::Neither {
            return None;
        }
        let mut cells = vec![self.title.clone()];
        for ours in ["berth ws", "berth wss"] {
            cells.push(self.judged(ours, YARDSTICK).unwrap_or_else(|| "-".to_owned()));
            let peers = columns.iter().filter(|name| **name != ours && scheme(name) == scheme(ours));
            let best = self.best(peers.copied());
            let cell = best.and_then(|best| Some(format!("{}, {}", self.judged(ours, best)?, short(best))));
            cells.push(cell.unwrap_or_else(|| "-".to_owned()));
        }
        let said = cells.iter().skip(1).any(|cell| cell != "-");
        said.then(|| format!("| {} |", cells.join(" | ")))
    }
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    Some(f64::midpoint(sorted[last / 2], sorted[last.div_ceil(2)]))
}

/// `ws`, `wss`, or what else a name ends with.
fn scheme(name: &str) -> &str {
    name.rsplit(' ').next().unwrap_or(name)
}

/// A name without its scheme.
fn short(name: &str) -> &str {
    name.rsplit_once(' ').map_or(name, |(short, _)| short)
}

/// Prints all rows as Markdown.
pub(crate) fn print(columns: &[&str], figures: &[Figure]) {
    println!("\n| | {} |", columns.join(" | "));
    println!("| --- {}|", "| ---: ".repeat(columns.len()));
    for figure in figures {
        println!("{}", figure.line(columns));
    }
    println!(
        "\nMedians over rounds in which all ways take turns; bold is the best of the ws columns and of the wss \
         columns. Clients and backend run on the same cores. 'On one core' holds client, proxy and backend on one."
    );
    println!("\n| ours over theirs | ws: relay | ws: best peer | wss: relay (plain) | wss: best peer |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    // A row that begins with dots continues the one above, which may not be here.
    let mut named = "";
    for figure in figures {
        let continues = figure.title.starts_with('…');
        if !continues {
            named = figure.title.as_str();
        }
        if let Some(line) = figure.beside(columns) {
            println!("{}", if continues { line.replacen('…', &format!("{} …", head(named)), 1) } else { line });
        }
    }
    println!(
        "\nEach ratio is the median of the ratios of all rounds, beside the peer with the best median. Where less is \
         better, a ratio below 1 is ahead."
    );
}

/// A title without its first figure.
fn head(title: &str) -> &str {
    // Names may hold a colon; where they do, a semicolon ends them.
    let parts = title.split_once(';').or_else(|| title.split_once(':'));
    parts.map_or(title, |(name, _)| name)
}
