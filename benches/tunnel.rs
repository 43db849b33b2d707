//! The tunnel's speed, side by side with a plain TCP relay.
//!
//! `cargo bench --bench tunnel` measures five ways from a client to a TCP backend: directly, through a relay of two
//! threads per connection with 64 KiB reads and writes, through the same relay with 256 KiB, and through the
//! `websocketserver` of this build over ws and over wss. It prints medians with their range while it runs and a
//! Markdown table of ratios at the end. A wrong byte anywhere is an error, not a slow result.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `BERTH_BENCH_MIB` | MiB per round in the rows with large frames, default 512; the rows with small ones take a part of it |
//! | `BERTH_BENCH_ROUNDS` | rounds per row, default 9 |
//! | `BERTH_BENCH_ONLY` | only rows whose name contains this, such as `up` or `64-byte`; also the first free argument |
//! | `BERTH_BENCH_SECONDS` | no new round starts in a row that has used up its share of this, default 200 |
//! | `BERTH_BENCH_SERVER` | another `websocketserver` to measure instead, such as the last release |
//!
//! Why not criterion: what we claim is a *ratio*, on machines whose speed moves by a third within minutes. Criterion
//! finishes one benchmark before it starts the next, so a slow minute would fall on one side of the ratio alone, and
//! it knows neither CPU time of another process nor percentiles of a round trip. Here the ways take turns within each
//! round, so a slow minute falls on all of them. Criterion measures what runs in one thread: the frame codec.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its results")]
#![allow(clippy::indexing_slicing, reason = "a panic ends a benchmark, and nothing here comes from outside")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts become rates; 52 bits are plenty"
)]

#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "shared with benches/peers, which uses the rest")]
mod support;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    match support::run() {
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
