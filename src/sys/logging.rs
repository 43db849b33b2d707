//! Logs for people (text) and for collectors (JSON), to standard output or a file.

use std::path::PathBuf;

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
