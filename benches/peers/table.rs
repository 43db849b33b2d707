//! The table: a row per figure, a column per way.
use std::collections::BTreeMap;

use crate::ways::YARDSTICK;

/// How rounds become one value, and which end of the scale is the better one.
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
    pub(crate) digits: usize,
    /// Which of two values wins.
    pub(crate) better: Better,
    /// All rounds, by column.
    values: BTreeMap<usize, Vec<f64>>,
}

impl Figure {
    /// A row without values.
    pub(crate) fn new(title: &str, digits: usize, better: Better) -> Self {
        Self { title: title.to_owned(), digits, better, values: BTreeMap::new() }
    }

    /// Takes the value of one round.
    pub(crate) fn add(&mut self, column: usize, value: f64) {
        self.values.entry(column).or_default().push(value);
    }

    fn median(&self, column: usize) -> Option<f64> {
        let mut sorted = self.values.get(&column)?.clone();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        Some(f64::midpoint(sorted[(count - 1) / 2], sorted[count / 2]))
    }

    /// The row; the best of those that carry the same scheme is bold. The relay carries none, so it never is.
    fn line(&self, columns: &[&str]) -> String {
        let shown = |column| self.median(column).map(|value| format!("{value:.digits$}", digits = self.digits));
        let mut cells = vec![self.title.clone()];
        for (column, name) in columns.iter().enumerate() {
            let Some(value) = shown(column) else {
                cells.push("-".to_owned());
                continue;
            };
            let rivals = (0..columns.len()).filter(|rival| scheme(columns[*rival]) == scheme(name));
            let medians = rivals.filter_map(|rival| self.median(rival));
            let best = match self.better {
                Better::More => medians.max_by(f64::total_cmp),
                Better::Less => medians.min_by(f64::total_cmp),
                Better::Neither => None,
            };
            let is_best = *name != YARDSTICK && best.is_some() && best == self.median(column);
            cells.push(if is_best { format!("**{value}**") } else { value });
        }
        format!("| {} |", cells.join(" | "))
    }
}

/// `ws`, `wss`, or what else a name ends with.
fn scheme(name: &str) -> &str {
    name.rsplit(' ').next().unwrap_or(name)
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
}
