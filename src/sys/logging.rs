//! Logs for people (text) and for collectors (JSON), to standard output or a file.
//!
//! Nobody waits for the log: records go through a bounded queue to one thread that writes. When the output is
//! stuck (a pipe that nobody reads, a full disk) records are lost and counted; the server goes on.

mod json;
mod output;

use std::borrow::Cow;
use std::path::PathBuf;

use log::{Level, LevelFilter, Log, Metadata, Record};
use simplelog::{ConfigBuilder, WriteLogger, format_description};

use json::JsonLogger;
pub use output::LogControl;

/// Records with this target are shown at every verbosity: scripts read the addresses from them.
pub const START: &str = "start";

/// Where log lines go, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// 0 warnings only, 1 a line per tunnel (the default), 2 a line per request, 3 everything.
    pub verbosity: u8,
    /// A file to append to; `None` is standard output.
    pub file: Option<PathBuf>,
    /// The form of a line.
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Makes `config` the process's log. The answer reopens the file and flushes.
///
/// # Errors
/// The file cannot be opened, no thread can be made, or a logger is installed already. The text names the file.
pub fn init(config: &LogConfig) -> Result<LogControl, String> {
    let note = match config.format {
        LogFormat::Json => |text: &str| json::line(Level::Warn, text),
        LogFormat::Text => |text: &str| format!("{text}\n").into_bytes(),
    };
    let (writer, control) = output::start(config.file.clone(), note)?;
    let inner: Box<dyn Log> = match config.format {
        LogFormat::Json => Box::new(JsonLogger::new(writer)),
        LogFormat::Text => WriteLogger::new(LevelFilter::Trace, text_style(), writer),
    };
    let level = level(config.verbosity);
    let front = Front { level, inner };
    log::set_boxed_logger(Box::new(front)).map_err(|error| format!("cannot install the log: {error}"))?;
    // Records for START pass at any level, so the global filter must let Info through.
    log::set_max_level(level.max(LevelFilter::Info));
    Ok(control)
}

fn level(verbosity: u8) -> LevelFilter {
    match verbosity {
        0 => LevelFilter::Warn,
        1 => LevelFilter::Info,
        2 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    }
}

fn text_style() -> simplelog::Config {
    ConfigBuilder::new()
        .set_time_format_custom(format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        ))
        .set_time_level(LevelFilter::Error)
        .set_target_level(LevelFilter::Off)
        .set_thread_level(LevelFilter::Off)
        .set_location_level(LevelFilter::Off)
        .set_level_padding(simplelog::LevelPadding::Right)
        .build()
}

/// Decides which records are shown, and keeps a record on one line whatever a client put into it.
struct Front {
    level: LevelFilter,
    inner: Box<dyn Log>,
}

impl Log for Front {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == START
            || (metadata.level() <= self.level && metadata.target().starts_with(env!("CARGO_PKG_NAME")))
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = record.args().to_string();
        let line = one_line(&text);
        let mut copy = Record::builder();
        copy.metadata(record.metadata().clone());
        copy.key_values(record.key_values());
        self.inner.log(&copy.args(format_args!("{line}")).build());
    }

    fn flush(&self) {
        self.inner.flush();
    }
}

/// Writes control characters as escapes, so that no client can forge a line or drive a terminal.
fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if letter.is_control() {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
    }
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_stays_on_one_line() {
        assert_eq!(one_line("plain ünïcode"), "plain ünïcode");
        assert_eq!(one_line("a\r\nb\u{1b}[31m"), "a\\r\\nb\\u{1b}[31m");
    }

    #[test]
    fn verbosity_chooses_the_level() {
        assert_eq!(level(0), LevelFilter::Warn);
        assert_eq!(level(1), LevelFilter::Info);
        assert_eq!(level(9), LevelFilter::Trace);
    }
}
