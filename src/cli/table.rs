//! What a command understands, as data: the parser and `--help` both read it.

use std::ffi::OsStr;

/// A command: its name, its flags, and what `--help` says around them.
#[derive(Debug)]
pub struct Command {
    /// The name that a user types.
    pub name: &'static str,
    /// One sentence: what it does.
    pub about: &'static str,
    /// The word that stands without a flag.
    pub positional: Positional,
    /// What may follow `--`, where that is not more of the same.
    pub trailing: Option<Trailing>,
    /// Flags, in the order `--help` shows them.
    pub groups: &'static [Group],
    /// What for, and the line to type.
    pub examples: &'static [(&'static str, &'static str)],
}

impl Command {
    /// Every flag of every group.
    pub fn flags(&self) -> impl Iterator<Item = &'static Flag> {
        self.groups.iter().flat_map(|group| group.flags)
    }
}

/// The word that stands without a flag.
#[derive(Debug)]
pub struct Positional {
    /// Its name in usage and messages.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// Whether a word among the values of a [`Kind::Many`] flag is meant to be the positional.
    pub claims: fn(&OsStr) -> bool,
}

/// Words behind `--`, which are passed on as they are.
#[derive(Debug)]
pub struct Trailing {
    /// Their name in usage.
    pub name: &'static str,
    /// What they are.
    pub help: &'static str,
}

/// Flags that belong together.
#[derive(Debug)]
pub struct Group {
    /// Heading in `--help`.
    pub title: &'static str,
    /// Its flags.
    pub flags: &'static [Flag],
}

/// One flag. Made by one of the constructors, refined by the methods that follow them.
#[derive(Debug)]
pub struct Flag {
    /// Long name with its dashes, or the short one of a flag that has no other. It names the flag in messages.
    pub long: &'static str,
    /// Short name with its dash.
    pub short: Option<&'static str>,
    /// Other long names, which `--help` does not show.
    pub aliases: &'static [&'static str],
    /// What follows it.
    pub kind: Kind,
    /// Name of the value in `--help` and messages.
    pub metavar: &'static str,
    /// What it does.
    pub help: &'static str,
    /// The value that is assumed, for `--help`.
    pub default: Option<&'static str>,
    /// Whether the program that is replaced has it too: only then do old abbreviations of it count
    /// before those of our own flags.
    pub original: bool,
    /// Whether it may be given twice where that is an error else.
    pub repeats: bool,
}

/// What follows a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Switch,
    /// Nothing, and nothing after it is looked at: `--help`, `--version`.
    Info,
    /// One value; of several the last counts, or all, as the command decides.
    Value,
    /// Two words, or one that holds both.
    Pair,
    /// Any number of values, up to the next flag.
    Many,
    /// Nothing; how often it is given counts.
    Count,
    /// One value, which has to be attached with `=`.
    Attached,
    /// A value attached with `=`, or nothing, which means this value.
    Optional(&'static str),
}

impl Flag {
    const fn new(long: &'static str, kind: Kind, metavar: &'static str, help: &'static str) -> Self {
        Self { long, short: None, aliases: &[], kind, metavar, help, default: None, original: true, repeats: false }
    }

    /// Whether this is one of its long names.
    pub fn is_called(&self, name: &str) -> bool {
        self.long == name || self.aliases.contains(&name)
    }

    /// A flag without a value.
    pub const fn switch(long: &'static str, help: &'static str) -> Self {
        Self::new(long, Kind::Switch, "", help)
    }

    /// A flag that is answered with a text.
    pub const fn info(long: &'static str, help: &'static str) -> Self {
        Self::new(long, Kind::Info, "", help)
    }

    /// A flag with one value.
    pub const fn value(long: &'static str, metavar: &'static str, help: &'static str) -> Self {
        Self::new(long, Kind::Value, metavar, help)
    }

    /// A flag with two words.
    pub const fn pair(long: &'static str, metavar: &'static str, help: &'static str) -> Self {
        Self::new(long, Kind::Pair, metavar, help)
    }

    /// A flag with any number of values.
    pub const fn many(long: &'static str, metavar: &'static str, help: &'static str) -> Self {
        Self::new(long, Kind::Many, metavar, help)
    }

    /// A flag that counts.
    pub const fn count(long: &'static str, help: &'static str) -> Self {
        Self::new(long, Kind::Count, "", help).repeatable()
    }

    /// A flag with one value, which has to be attached.
    pub const fn attached(long: &'static str, metavar: &'static str, help: &'static str) -> Self {
        Self::new(long, Kind::Attached, metavar, help)
    }

    /// A flag whose value is `implied` when none is attached.
    pub const fn optional(
        long: &'static str,
        metavar: &'static str,
        implied: &'static str,
        help: &'static str,
    ) -> Self {
        Self::new(long, Kind::Optional(implied), metavar, help)
    }

    /// With a short name.
    #[must_use]
    pub const fn short(mut self, short: &'static str) -> Self {
        self.short = Some(short);
        self
    }

    /// With other long names.
    #[must_use]
    pub const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// A flag that may be given more than once.
    #[must_use]
    pub const fn repeatable(mut self) -> Self {
        self.repeats = true;
        self
    }

    /// With a default.
    #[must_use]
    pub const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// A flag that the program that is replaced does not have.
    #[must_use]
    pub const fn ours(mut self) -> Self {
        self.original = false;
        self
    }
}
