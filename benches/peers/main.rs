//! Ours beside a plain TCP relay and beside every peer that is installed: `benches/compare` runs it, and can install
//! them. All ways take turns within a round, as in `benches/tunnel.rs`, which says why; the cells are medians.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `BERTH_PEERS` | the folder that `benches/compare --install` fills; without it, what is on PATH counts |
//! | `BERTH_COMPARE_QUICK` | `yes`: one short round |
//! | `BERTH_BENCH_ONLY` | only rows whose name contains this; also the first free argument |
//!
//! Reading order: [`ways`] (who is measured, and how each is configured), [`rows`] (what), [`run`] (in which turns, for
//! how long), [`start`], [`idle`], [`moving`], [`opening`] and [`files`] (the measurements), [`table`].
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its results")]
#![allow(clippy::indexing_slicing, reason = "a panic ends a benchmark, and nothing here comes from outside")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts become rates; 52 bits are plenty"
)]

#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod idle;
#[cfg(target_os = "linux")]
mod moving;
#[cfg(target_os = "linux")]
mod opening;
#[cfg(target_os = "linux")]
mod rows;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod start;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "shared with benches/tunnel.rs, which uses the rest")]
#[path = "../support/mod.rs"]
mod support;
#[cfg(target_os = "linux")]
mod table;
#[cfg(target_os = "linux")]
mod usage;
#[cfg(target_os = "linux")]
mod ways;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    match rows::run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("this benchmark reads CPU times from /proc, so it needs Linux");
}
