//! A server that has just been started.
use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::lab::{Lab, Scheme, Variant};
use crate::support::settings::{MIB, Settings};
use crate::{usage, ways};

/// Milliseconds until it listens, MiB that it then uses, and MiB of the program's file, without its libraries. The last
/// is of no meaning where the program is a script, or this benchmark.
pub(crate) fn measure(lab: &Lab, settings: &Settings, variant: &Variant, settle: Duration) -> io::Result<Vec<f64>> {
    let started = Instant::now();
    let process = ways::start(lab, settings, variant.name)?;
    let millis = started.elapsed().as_secs_f64() * 1000.0;
    let another = Variant::through(variant.name, variant.scheme, process);
    thread::sleep(settle);
    let mut values = vec![millis, usage::of(&another)?.kib / 1024.0];
    if let Some(id) = another.id()
        && variant.scheme != Scheme::Tcp
        && !variant.name.starts_with("websockify")
    {
        values.push(fs::metadata(format!("/proc/{id}/exe"))?.len() as f64 / MIB as f64);
    }
    Ok(values)
}
