//! What happens to rooms and members, in the log: the words of the original, for those who read them with scripts.

use log::{Level, Record};
use serde_json::{Value, json};

use crate::sys::process::Exit;

/// Characters of a room's name that a line shows.
const NAME: usize = 200;

/// Writes the lines. In text a line holds everything; in JSON what belongs to it stands in fields of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Journal {
    pub(super) json: bool,
}

impl Journal {
    pub(super) fn attached(self, room: &str, id: u32) {
        self.write(Level::Info, "attach", "client connected", room, &[("id", json!(id))]);
    }

    pub(super) fn left(self, room: &str, id: u32, how: &str) {
        self.write(Level::Info, "disconnect", "client disconnected", room, &[("id", json!(id)), ("how", json!(how))]);
    }

    pub(super) fn empty(self, room: &str) {
        self.write(Level::Info, "disconnect", "all clients disconnected, killing process", room, &[]);
    }

    pub(super) fn exited(self, room: &str, exit: Option<Exit>, asked: bool) {
        let level = if asked || exit == Some(Exit::Code(0)) { Level::Info } else { Level::Error };
        let how = match exit {
            Some(Exit::Code(code)) => vec![("code", json!(code))],
            Some(Exit::Signal(signal)) => vec![("signal", json!(signal))],
            None => Vec::new(),
        };
        self.write(level, "exit", "process exited", room, &how);
    }

    pub(super) fn failed(self, room: &str, reason: &str) {
        self.write(Level::Error, "spawn", reason, room, &[]);
    }

    pub(super) fn complained(self, room: &str, event: &str, sentence: &str) {
        self.write(Level::Warn, event, sentence, room, &[]);
    }

    pub(super) fn member(self, level: Level, room: &str, id: u32, sentence: &str) {
        self.write(level, "message", sentence, room, &[("id", json!(id))]);
    }

    fn write(self, level: Level, event: &str, message: &str, room: &str, fields: &[(&str, Value)]) {
        let name: String = room.chars().take(NAME).collect();
        let mut record = Record::builder();
        record.level(level).target(module_path!());
        if self.json {
            let span = json!({"room": format!("{name:?}"), "name": event});
            let mut all: Vec<(&str, Value)> = fields.to_vec();
            all.extend([("room", json!(name)), ("span", span)]);
            let all: Vec<(&str, log::kv::Value<'_>)> =
                all.iter().map(|(key, value)| (*key, log::kv::Value::from_serde(value))).collect();
            log::logger().log(&record.args(format_args!("{message}")).key_values(&all).build());
        } else {
            let fields: Vec<String> = fields.iter().map(|(key, value)| format!("{key}={value} ")).collect();
            let fields = fields.concat();
            log::logger().log(&record.args(format_args!("event:{event}: {message} {fields}room={name:?}")).build());
        }
    }
}
