//! The JSON form of a log line, which simplelog does not have.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use log::{Log, Metadata, Record};
use serde::Serialize;

/// One line's keys, in this order.
#[derive(Serialize)]
struct Line<'a> {
    /// Seconds since 1970-01-01 UTC.
    timestamp: f64,
    level: &'a str,
    message: String,
}

/// Writes each record as one JSON object.
pub(super) struct JsonLogger<W> {
    writer: Mutex<W>,
}

impl<W: Write> JsonLogger<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer: Mutex::new(writer) }
    }
}

impl<W: Write + Send> Log for JsonLogger<W> {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let line =
            Line { timestamp: since.as_secs_f64(), level: record.level().as_str(), message: record.args().to_string() };
        // A log that cannot be written has nowhere to say so.
        if let Ok(mut text) = serde_json::to_vec(&line) {
            text.push(b'\n');
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = writer.write_all(&text);
        }
    }

    fn flush(&self) {}
}
