//! Command lines: from words to a checked configuration.
//!
//! A command is a [`table`] of flags. A normaliser that knows the habits of one kind of command line
//! ([`argparse`], [`clap`]) turns what was typed into plain pairs, [`words`] hands them out by flag, [`values`] checks
//! each of them, and the command's own module puts the result together. [`help`] is written from the same
//! table, so a new flag is one row there and one line where it is read.

pub mod argparse;
pub mod clap;
pub mod error;
pub mod help;
pub mod names;
pub mod scalesocket;
pub mod table;
#[cfg(test)]
mod testing;
pub mod values;
pub mod websocketserver;
pub mod words;

/// What a command line asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Parsed<C> {
    /// `--help`: the text to print.
    Help(String),
    /// `--version`: the line to print.
    Version(String),
    /// To do the work, so configured.
    Run(Box<C>),
}
