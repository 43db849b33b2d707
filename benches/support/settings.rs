//! What the environment says about a run.
use std::fmt::Debug;
use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// One MiB in bytes.
pub(crate) const MIB: usize = 1 << 20;

/// How much to measure, and of what.
pub(crate) struct Settings {
    /// Bytes that a round moves in the rows with large frames.
    pub(crate) bytes: usize,
    /// Rounds per row, when the budget lasts.
    pub(crate) rounds: usize,
    /// Time for all rows together.
    pub(crate) budget: Duration,
    /// Part of the name of the rows wanted; empty for all.
    pub(crate) only: String,
    /// The server to measure.
    pub(crate) server: PathBuf,
}

impl Settings {
    /// From the environment and the arguments that cargo passes on. Cargo says `--bench` when it means it; without
    /// that (`cargo test --all-targets`) one small round proves that the benchmark still works.
    pub(crate) fn read(arguments: &[String]) -> io::Result<Self> {
        let serious = arguments.iter().any(|argument| argument == "--bench");
        let free = arguments.iter().find(|argument| !argument.starts_with('-'));
        let only = variable("BERTH_BENCH_ONLY").or_else(|| free.cloned());
        let server = variable("BERTH_BENCH_SERVER").map(PathBuf::from);
        // 4 MiB leave every row some blocks; 64 GiB per round is more patience than anyone has.
        let mib = number("BERTH_BENCH_MIB", if serious { 512 } else { 4 }, 4..=65_536)?;
        Ok(Self {
            bytes: mib * MIB,
            rounds: number("BERTH_BENCH_ROUNDS", if serious { 9 } else { 1 }, 1..=1000)?,
            budget: Duration::from_secs(number("BERTH_BENCH_SECONDS", 200, 1..=86_400)?),
            only: only.unwrap_or_default(),
            server: server.unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_websocketserver"))),
        })
    }
}

/// A variable that is set to something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A number from the environment, within its limits.
fn number<T: FromStr + PartialOrd + Debug>(name: &str, default: T, limits: RangeInclusive<T>) -> io::Result<T> {
    let Some(text) = variable(name) else {
        return Ok(default);
    };
    match text.parse() {
        Ok(value) if limits.contains(&value) => Ok(value),
        _ => Err(io::Error::other(format!("{name} is '{text}', not a number in {limits:?}"))),
    }
}
