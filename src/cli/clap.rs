//! The habits of Rust's clap, as far as they are strict: names are never cut short, what is not meant to be repeated
//! is an error the second time, a value that begins with a dash has to be attached, and what follows `--` is passed on.

use std::ffi::{OsStr, OsString};
use std::iter::Peekable;
use std::os::unix::ffi::OsStrExt;

use super::error::UsageError;
use super::names::{self, split_at_equals};
use super::table::{Command, Flag, Kind};
use super::words::{Builder, Words};

#[cfg(test)]
mod tests;

type Args = Peekable<std::vec::IntoIter<OsString>>;

/// Sorts the words of a command line (without the program's name) into flags with their values, the positional, and
/// what follows `--`.
pub fn normalise(command: &Command, args: Vec<OsString>) -> Result<Words, UsageError> {
    let mut args = args.into_iter().peekable();
    let mut reader = Reader { command, words: Builder::default(), seen: Vec::new() };
    while let Some(arg) = args.next() {
        if arg == "--" {
            args.for_each(|word| reader.words.trailing(word));
            break;
        }
        let next = if arg.as_bytes().starts_with(b"--") {
            reader.long(&arg, &mut args)?
        } else if looks_like_flag(&arg) {
            reader.shorts(&arg)?
        } else {
            reader.words.positional(arg);
            Next::Word
        };
        if next == Next::Nothing {
            break;
        }
    }
    Ok(reader.words.finish())
}

/// What is to be looked at after a flag.
#[derive(PartialEq, Eq)]
enum Next {
    Word,
    Nothing,
}

struct Reader<'a> {
    command: &'a Command,
    words: Builder,
    /// Flags that may not come again.
    seen: Vec<&'static str>,
}

impl Reader<'_> {
    fn long(&mut self, arg: &OsStr, args: &mut Args) -> Result<Next, UsageError> {
        let (name, attached) = split_at_equals(arg);
        let name = name.to_string_lossy();
        let found = self.command.flags().find(|flag| flag.is_called(&name));
        let flag = found.ok_or_else(|| names::unknown(self.command, &name))?;
        self.see(flag)?;
        match (flag.kind, attached) {
            (Kind::Switch | Kind::Count | Kind::Info, Some(_)) => {
                return Err(UsageError::new(format!("{} takes no value", flag.long)));
            }
            (Kind::Switch | Kind::Count | Kind::Info, None) => return Ok(self.switch(flag)),
            (Kind::Attached, None) => return Err(names::not_attached(flag)),
            (Kind::Optional(implied), None) => self.words.value(flag.long, OsStr::new(implied)),
            (Kind::Value | Kind::Pair | Kind::Many, None) => self.words.value(flag.long, &following(flag, args)?),
            (_, Some(value)) => self.words.value(flag.long, value),
        }
        Ok(Next::Word)
    }

    /// One or more flags of one letter: `-bv`.
    fn shorts(&mut self, arg: &OsStr) -> Result<Next, UsageError> {
        let text = arg.to_string_lossy();
        for letter in text.chars().skip(1) {
            let name = format!("-{letter}");
            let found =
                self.command.flags().find(|flag| flag.short == Some(name.as_str()) || flag.long == name.as_str());
            let flag = found.ok_or_else(|| names::unknown(self.command, &text))?;
            self.see(flag)?;
            if !matches!(flag.kind, Kind::Switch | Kind::Count | Kind::Info) {
                return Err(UsageError::new(format!("{name} is written {}, with its value", flag.long)));
            }
            if self.switch(flag) == Next::Nothing {
                return Ok(Next::Nothing);
            }
        }
        Ok(Next::Word)
    }

    fn switch(&mut self, flag: &Flag) -> Next {
        self.words.switch(flag.long);
        if flag.kind == Kind::Info { Next::Nothing } else { Next::Word }
    }

    fn see(&mut self, flag: &Flag) -> Result<(), UsageError> {
        if self.seen.contains(&flag.long) {
            return Err(UsageError::new(format!("{} is given twice", flag.long)));
        }
        if !flag.repeats {
            self.seen.push(flag.long);
        }
        Ok(())
    }
}

/// The word after a flag, if it can be a value.
fn following(flag: &Flag, args: &mut Args) -> Result<OsString, UsageError> {
    if let Some(value) = args.next_if(|word| !looks_like_flag(word)) {
        return Ok(value);
    }
    Err(names::without_value(flag, args.peek()))
}

/// Whether a word is a flag rather than a value: something follows its dash.
fn looks_like_flag(word: &OsStr) -> bool {
    word.as_bytes().strip_prefix(b"-").is_some_and(|rest| !rest.is_empty())
}
