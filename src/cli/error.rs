//! A command line that cannot be used, and why.

use std::ffi::OsStr;
use std::fmt;

/// Longest quotation of a user's word in a message, in characters: a terminal line, not a pasted file.
const QUOTED_CHARS: usize = 100;

/// One sentence that names the flag and the cause, in lower case and without a dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageError(String);

impl UsageError {
    /// An error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// What is wrong with the value of a flag, a positional or an environment variable.
    pub fn about(name: &str, cause: &str) -> Self {
        Self(format!("{name}: {cause}"))
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// A user's word for a message: in quotes, on one line, never longer than a line, whatever bytes it holds.
pub fn quoted(word: impl AsRef<OsStr>) -> String {
    let text = word.as_ref().to_string_lossy();
    let mut shown = String::from("'");
    for (count, c) in text.chars().enumerate() {
        if count == QUOTED_CHARS {
            shown.push('…');
            break;
        }
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown.push('\'');
    shown
}
