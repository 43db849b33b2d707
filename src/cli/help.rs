//! `--help`, written from the table of flags.

use super::table::{Command, Flag, Kind};

#[cfg(test)]
mod tests;

/// Width of the text, in columns: the terminal that everybody has.
const WIDTH: usize = 80;

/// Column at which descriptions begin.
const DESCRIPTIONS: usize = 32;

/// The whole help text, without a line end after the last line.
pub fn render(command: &Command) -> String {
    let mut lines = wrapped(command.about, WIDTH);
    let positional = &command.positional;
    let behind = command.trailing.as_ref().map(|trailing| format!(" [-- {}]", trailing.name)).unwrap_or_default();
    let usage = format!("usage: {} [FLAG ...] {}{behind}", command.name, positional.name);
    lines.extend([String::new(), usage, String::new()]);
    lines.extend(entry(positional.name, positional.help));
    if let Some(trailing) = &command.trailing {
        lines.extend(entry(trailing.name, trailing.help));
    }
    for group in command.groups {
        lines.extend([String::new(), format!("{}:", group.title)]);
        for flag in group.flags {
            lines.extend(entry(&head(flag), &description(flag)));
        }
    }
    lines.extend([String::new(), "Examples:".to_owned()]);
    for (what, line) in command.examples {
        lines.extend(wrapped(what, WIDTH - 2).into_iter().map(|text| format!("  {text}")));
        lines.push(format!("    {line}"));
    }
    lines.join("\n")
}

/// A flag as it is typed.
fn head(flag: &Flag) -> String {
    let mut head = flag.short.map(|short| format!("{short}, ")).unwrap_or_default();
    head.push_str(flag.long);
    let (before, behind) = match flag.kind {
        Kind::Switch | Kind::Info | Kind::Count => ("", ""),
        Kind::Value | Kind::Pair => (" ", ""),
        Kind::Many => (" ", " ..."),
        Kind::Attached => ("=", ""),
        Kind::Optional(_) => ("[=", "]"),
    };
    [head.as_str(), before, flag.metavar, behind].concat()
}

fn description(flag: &Flag) -> String {
    match flag.default {
        Some(default) => format!("{} [default: {default}]", flag.help),
        None => flag.help.to_owned(),
    }
}

/// A name and its description beside it, or below it if the name is long.
fn entry(head: &str, description: &str) -> Vec<String> {
    let mut text = wrapped(description, WIDTH - DESCRIPTIONS).into_iter();
    let head = format!("  {head}");
    let mut lines = if head.len() + 2 > DESCRIPTIONS {
        vec![head]
    } else {
        vec![format!("{head:DESCRIPTIONS$}{}", text.next().unwrap_or_default())]
    };
    lines.extend(text.map(|line| format!("{:DESCRIPTIONS$}{line}", "")));
    lines
}

/// Text in lines of at most `width` columns, broken between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.len() + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}
