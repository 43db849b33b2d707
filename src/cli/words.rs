//! A normalised command line, handed out flag by flag.
//!
//! The reading is pico-args's. It takes whatever follows a flag as its value, and finds a flag wherever the
//! same word stands, also where it is a value; so the normaliser decides what is a value, and each value
//! carries a mark that no flag begins with.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::error::UsageError;

/// What every value begins with, between the normaliser and the reader.
const MARK: &str = "=";

/// What a normaliser writes: flags by their long names, values that belong to them, and the rest.
#[derive(Debug, Default)]
pub struct Builder {
    pairs: Vec<OsString>,
    positionals: Vec<OsString>,
    trailing: Vec<OsString>,
}

impl Builder {
    /// A flag without a value.
    pub fn switch(&mut self, long: &str) {
        self.pairs.push(long.into());
    }

    /// A flag with a value; for a flag with several, once for each of them.
    pub fn value(&mut self, long: &str, value: &OsStr) {
        let mut marked = OsString::from(MARK);
        marked.push(value);
        self.pairs.extend([long.into(), marked]);
    }

    /// A word that belongs to no flag.
    pub fn positional(&mut self, word: OsString) {
        self.positionals.push(word);
    }

    /// A word behind `--` that is to be passed on.
    pub fn trailing(&mut self, word: OsString) {
        self.trailing.push(word);
    }

    /// Whether no such word has been seen so far.
    pub fn lacks_positional(&self) -> bool {
        self.positionals.is_empty()
    }

    /// The line, ready to be read.
    pub fn finish(self) -> Words {
        Words {
            pairs: pico_args::Arguments::from_vec(self.pairs),
            positionals: self.positionals,
            trailing: self.trailing,
        }
    }
}

/// A command line to be read: each flag once, in any order.
#[derive(Debug)]
pub struct Words {
    pairs: pico_args::Arguments,
    positionals: Vec<OsString>,
    trailing: Vec<OsString>,
}

impl Words {
    /// Whether a switch was given, once or more.
    pub fn switch(&mut self, long: &'static str) -> bool {
        self.count(long) > 0
    }

    /// How often a switch was given.
    pub fn count(&mut self, long: &'static str) -> usize {
        let mut count = 0;
        while self.pairs.contains(long) {
            count += 1;
        }
        count
    }

    /// Every value of a flag, whatever bytes they hold.
    pub fn all_os(&mut self, long: &'static str) -> Result<Vec<OsString>, UsageError> {
        self.pairs.values_from_os_str(long, unmarked).map_err(|error| UsageError::about(long, &error.to_string()))
    }

    /// Every value of a flag, checked by `read`, which says in an error what is wrong.
    pub fn all<T>(&mut self, long: &'static str, read: fn(&str) -> Result<T, String>) -> Result<Vec<T>, UsageError> {
        self.all_os(long)?
            .iter()
            .map(|value| read(utf8(long, value)?).map_err(|cause| UsageError::about(long, &cause)))
            .collect()
    }

    /// The last value of a flag. Those before it are checked too: a typing mistake is never passed over.
    pub fn last<T>(
        &mut self,
        long: &'static str,
        read: fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, UsageError> {
        Ok(self.all(long, read)?.pop())
    }

    /// A path of any bytes, but not an empty one: that would be the working directory, which nobody means.
    pub fn path(&mut self, long: &'static str) -> Result<Option<PathBuf>, UsageError> {
        let given = self.all_os(long)?;
        if given.iter().any(|path| path.is_empty()) {
            return Err(UsageError::about(long, "the value is empty"));
        }
        Ok(given.into_iter().next_back().map(PathBuf::from))
    }

    /// The words behind `--`, when they are not among the positionals.
    pub fn take_trailing(&mut self) -> Vec<OsString> {
        std::mem::take(&mut self.trailing)
    }

    /// The words that belong to no flag, once every flag has been read.
    pub fn positionals(self) -> Vec<OsString> {
        let unread = self.pairs.finish();
        debug_assert!(unread.is_empty(), "flags in the table that nobody reads: {unread:?}");
        self.positionals
    }
}

/// A value that has to be text, named in the error if it is not.
pub fn utf8<'a>(name: &str, value: &'a OsStr) -> Result<&'a str, UsageError> {
    value.to_str().ok_or_else(|| UsageError::about(name, "the value is not valid UTF-8"))
}

fn unmarked(marked: &OsStr) -> Result<OsString, &'static str> {
    let value = marked.as_bytes().strip_prefix(MARK.as_bytes());
    let value = value.ok_or("a flag stands where its value should be")?;
    Ok(OsStr::from_bytes(value).to_owned())
}
