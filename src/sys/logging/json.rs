//! The JSON form of a log line, which simplelog does not have.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use log::kv::{Key, VisitSource};
use log::{Level, Log, Metadata, Record};
use serde::Serialize;
use serde_json::{Map, Value};

use super::output::LONGEST_LINE;

/// One line's keys, in this order.
#[derive(Serialize)]
struct Line<'a> {
    /// Seconds since 1970-01-01 UTC.
    timestamp: f64,
    level: &'a str,
    message: &'a str,
    /// What the record says beside its message.
    #[serde(flatten)]
    fields: &'a Map<String, Value>,
}

/// Bytes of a message; the rest is cut. Escaped it is twice as long at most, since it holds no control characters, so
/// the whole line passes uncut.
const LONGEST_MESSAGE: usize = LONGEST_LINE / 2 - 128;

/// One line without fields, with its end.
pub(super) fn line(level: Level, message: &str) -> Vec<u8> {
    line_with(level, message, &Map::new())
}

fn line_with(level: Level, message: &str, fields: &Map<String, Value>) -> Vec<u8> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let message = message.get(..message.floor_char_boundary(LONGEST_MESSAGE)).unwrap_or(message);
    let line = Line { timestamp: since.as_secs_f64(), level: level.as_str(), message, fields };
    // Numbers and strings cannot fail to be JSON.
    let mut text = serde_json::to_vec(&line).unwrap_or_default();
    text.push(b'\n');
    text
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
        let mut fields = Fields::default();
        // Collecting cannot fail: what is no JSON is left out.
        let _ = record.key_values().visit(&mut fields);
        let line = line_with(record.level(), &record.args().to_string(), &fields.0);
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that cannot be written has nowhere to say so.
        let _ = writer.write_all(&line);
    }

    fn flush(&self) {}
}

/// The fields of a record as JSON.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: log::kv::Value<'kvs>) -> Result<(), log::kv::Error> {
        if let Ok(value) = serde_json::to_value(&value) {
            self.0.insert(key.to_string(), value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_line_is_whole() {
        for letter in ["\"", "\\", "é", "x"] {
            let line = line(Level::Debug, &letter.repeat(LONGEST_LINE));
            assert!(line.len() <= LONGEST_LINE, "{letter}: {}", line.len());
            assert!(serde_json::from_slice::<serde_json::Value>(&line).is_ok(), "{letter}");
        }
    }
}
