use crate::cli::table::{Positional, Trailing};

use super::super::table::Group;
use super::*;

const COMMAND: Command = Command {
    name: "tool",
    about: "Does a thing that takes more words to say than fit on one line of a terminal that is narrow.",
    positional: Positional { name: "file", help: "What it is done to", claims: |_| false },
    trailing: Some(Trailing { name: "more", help: "With what" }),
    groups: &[Group {
        title: "Things",
        flags: &[
            Flag::value("--count", "N", "How many of them there shall be once all of it is over and done with")
                .default("1"),
            Flag::many("--with_a_name_of_some_length", "NAME", "Below"),
            Flag::attached("--mode", "MODE", "Which way").aliases(&["--way"]),
            Flag::optional("--fast", "SPEED", "1", "How fast"),
            Flag::count("-v", "Say more"),
            Flag::switch("--help", "This").short("-h"),
        ],
    }],
    examples: &[("Do it:", "tool it")],
};

#[test]
fn the_text_is_laid_out_from_the_table() {
    let expected = "\
Does a thing that takes more words to say than fit on one line of a terminal
that is narrow.

usage: tool [FLAG ...] file [-- more]

  file                          What it is done to
  more                          With what

Things:
  --count N                     How many of them there shall be once all of it
                                is over and done with [default: 1]
  --with_a_name_of_some_length NAME ...
                                Below
  --mode=MODE                   Which way
  --fast[=SPEED]                How fast
  -v                            Say more
  -h, --help                    This

Examples:
  Do it:
    tool it";
    assert_eq!(render(&COMMAND), expected);
}
