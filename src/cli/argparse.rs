//! The habits of Python's argparse: flags anywhere, `--name value` or `--name=value`, names cut short, and
//! words that begin with a dash taken for flags unless they are negative numbers.

use std::ffi::{OsStr, OsString};
use std::iter::Peekable;
use std::os::unix::ffi::OsStrExt;

use super::error::{UsageError, quoted};
use super::names::{self, split_at_equals};
use super::table::{Command, Flag, Kind};
use super::words::{Builder, Words};

#[cfg(test)]
mod tests;

type Args = Peekable<std::vec::IntoIter<OsString>>;

/// Sorts the words of a command line (without the program's name) into flags with their values and the rest.
pub fn normalise(command: &Command, args: Vec<OsString>) -> Result<Words, UsageError> {
    let mut args = args.into_iter().peekable();
    let mut words = Builder::default();
    while let Some(arg) = args.next() {
        if arg == "--" {
            args.for_each(|word| words.positional(word));
            break;
        }
        if !looks_like_flag(&arg) {
            words.positional(arg);
            continue;
        }
        let (name, attached) = split_at_equals(&arg);
        let flag = find(command, &name.to_string_lossy())?;
        match (flag.kind, attached) {
            (Kind::Switch | Kind::Count | Kind::Info, Some(_)) => {
                return Err(UsageError::new(format!("{} takes no value", flag.long)));
            }
            (Kind::Switch | Kind::Count, None) => words.switch(flag.long),
            (Kind::Info, None) => {
                words.switch(flag.long);
                break;
            }
            (Kind::Pair, attached) => words.value(flag.long, &pair(flag, attached, &mut args)?),
            (_, Some(value)) => words.value(flag.long, value),
            (Kind::Attached, None) => return Err(names::not_attached(flag)),
            (Kind::Optional(implied), None) => words.value(flag.long, OsStr::new(implied)),
            (Kind::Value, None) => words.value(flag.long, &following(flag, &mut args)?),
            (Kind::Many, None) => many(command, flag, &mut args, &mut words),
        }
    }
    Ok(words.finish())
}

/// The word after a flag, if it can be a value.
fn following(flag: &Flag, args: &mut Args) -> Result<OsString, UsageError> {
    if let Some(value) = args.next_if(|word| !looks_like_flag(word)) {
        return Ok(value);
    }
    Err(names::without_value(flag, args.peek()))
}

/// Two words as one, with a space between them; they may have come as one.
fn pair(flag: &Flag, attached: Option<&OsStr>, args: &mut Args) -> Result<OsString, UsageError> {
    let mut words = match attached {
        Some(value) => value.to_owned(),
        None => following(flag, args)?,
    };
    if words.as_bytes().trim_ascii().iter().any(u8::is_ascii_whitespace) {
        return Ok(words);
    }
    words.push(" ");
    words.push(following(flag, args)?);
    Ok(words)
}

/// Every word up to the next flag, except one that can only be the positional that is still missing.
fn many(command: &Command, flag: &Flag, args: &mut Args, words: &mut Builder) {
    while let Some(word) = args.next_if(|word| !looks_like_flag(word)) {
        if words.lacks_positional() && (command.positional.claims)(&word) {
            words.positional(word);
        } else {
            words.value(flag.long, &word);
        }
    }
}

/// Whether a word is a flag rather than a value: it begins with a dash, and more than the digits of a
/// negative number follow.
fn looks_like_flag(word: &OsStr) -> bool {
    word.as_bytes().strip_prefix(b"-").is_some_and(|rest| !is_number(rest))
}

/// Digits, with at most one point that digits follow; nothing at all passes too.
fn is_number(text: &[u8]) -> bool {
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    match text.iter().position(|&byte| byte == b'.') {
        None => digits(text),
        Some(point) => {
            let (whole, fraction) = text.split_at(point);
            digits(whole) && fraction.len() > 1 && fraction.strip_prefix(b".").is_some_and(digits)
        }
    }
}

/// The flag that is meant by a name: itself, with hyphens for underscores, or cut short. Of the flags that a
/// short form fits, the original program's count first, so that its users' abbreviations keep their meaning.
fn find(command: &Command, name: &str) -> Result<&'static Flag, UsageError> {
    let long = name.strip_prefix("--").map(|bare| format!("--{}", bare.replace('-', "_")));
    let long = long.as_deref().filter(|long| long.len() > "--".len());
    if let Some(flag) =
        command.flags().find(|flag| flag.short == Some(name) || long.is_some_and(|long| flag.is_called(long)))
    {
        return Ok(flag);
    }
    let mut fitting: Vec<_> =
        command.flags().filter(|flag| long.is_some_and(|long| flag.long.starts_with(long))).collect();
    if fitting.iter().any(|flag| flag.original) {
        fitting.retain(|flag| flag.original);
    }
    match fitting.as_slice() {
        [] => Err(names::unknown(command, name)),
        [flag] => Ok(*flag),
        several => {
            let names: Vec<_> = several.iter().map(|flag| flag.long).collect();
            Err(UsageError::new(format!("{} is ambiguous: it fits {}", quoted(name), names.join(", "))))
        }
    }
}
