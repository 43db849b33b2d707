//! Names of flags, as they are typed.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::error::{UsageError, quoted};
use super::table::{Command, Flag};

/// How like a flag's name an unknown one must be to be taken for a misspelling of it, from 0 to 1.
const LIKENESS: f64 = 0.6;

/// A word before and behind its first `=`.
pub fn split_at_equals(arg: &OsStr) -> (&OsStr, Option<&OsStr>) {
    let mut parts = arg.as_bytes().splitn(2, |&byte| byte == b'=').map(OsStr::from_bytes);
    (parts.next().unwrap_or(arg), parts.next())
}

/// No flag has this name; one that is like it is suggested.
pub fn unknown(command: &Command, name: &str) -> UsageError {
    let bare = |name: &str| name.trim_start_matches('-').replace('-', "_");
    let meant = bare(name);
    let near = command
        .flags()
        .flat_map(|flag| [flag.long].into_iter().chain(flag.aliases.iter().copied()))
        .map(|long| (strsim::normalized_damerau_levenshtein(&meant, &bare(long)), long))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    UsageError::new(match near {
        Some((_, long)) => format!("unknown flag {} (did you mean {long}?)", quoted(name)),
        None => format!("unknown flag {}", quoted(name)),
    })
}

/// A flag came without the value that only `=` can give it.
pub fn not_attached(flag: &Flag) -> UsageError {
    let Flag { long, metavar, .. } = flag;
    UsageError::new(format!("{long} expects a value, attached: {long}={metavar}"))
}

/// A flag came without its value: the line ends, or goes on with something else.
pub fn without_value(flag: &Flag, next: Option<&OsString>) -> UsageError {
    let Flag { long, metavar, .. } = flag;
    UsageError::new(match next {
        None => format!("{long} expects a value ({metavar})"),
        Some(next) => format!(
            "{long} expects a value ({metavar}) but {} follows; a value that starts with '-' is written {long}=VALUE",
            quoted(split_at_equals(next).0)
        ),
    })
}
