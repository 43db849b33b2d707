use super::*;
use crate::cli::table::{Group, Positional};

/// `--log_format` and `--level` are our own; all others are the original's.
const COMMAND: Command = Command {
    name: "tool",
    about: "",
    positional: Positional { name: "port", help: "", claims: |word| word == "7" },
    trailing: None,
    groups: &[
        Group {
            title: "",
            flags: &[
                Flag::value("--log_file", "FILE", ""),
                Flag::value("--log_format", "FORM", "").ours(),
                Flag::switch("--level", "").ours(),
                Flag::switch("--levels", "").ours(),
                Flag::switch("--quiet", "").short("-q"),
                Flag::value("--client_host", "HOST", ""),
                Flag::value("--client_port", "PORT", ""),
            ],
        },
        Group {
            title: "",
            flags: &[
                Flag::pair("--pair", "APP COUNT", ""),
                Flag::many("--many", "NAME", ""),
                Flag::info("--help", "").short("-h"),
            ],
        },
    ],
    examples: &[],
};

/// A line, words parted by spaces (`~` is a space within a word), and what it comes to: each flag
/// with its values, then the words that belong to no flag; or the error.
fn check(line: &str, expected: &str) {
    let args = line.split(' ').filter(|word| !word.is_empty()).map(|word| word.replace('~', " ").into()).collect();
    let found = match normalise(&COMMAND, args) {
        Err(error) => error.to_string(),
        Ok(mut words) => {
            let mut found = Vec::new();
            for flag in COMMAND.flags() {
                if matches!(flag.kind, Kind::Switch | Kind::Info) {
                    found.extend(words.switch(flag.long).then(|| flag.long.to_owned()));
                } else {
                    let values = words.all_os(flag.long).unwrap();
                    found.extend(
                        values.iter().map(|value| format!("{}={}", flag.long, value.display()).replace(' ', "~")),
                    );
                }
            }
            found.extend(words.positionals().into_iter().map(|word| word.into_string().unwrap()));
            found.join(" ")
        }
    };
    assert_eq!(found, expected, "{line}");
}

#[test]
fn a_value_follows_or_is_attached() {
    check("--log_file a", "--log_file=a");
    check("--log_file=a", "--log_file=a");
    check("--log_file=a=b", "--log_file=a=b");
    check("--log_file=", "--log_file=");
    check("--log_file a --log_file b", "--log_file=a --log_file=b");
    check("--log_file \"a\"", "--log_file=\"a\"");
}

#[test]
fn flags_and_the_rest_stand_in_any_order() {
    check("7 --quiet", "--quiet 7");
    check("--quiet 7", "--quiet 7");
    check("--quiet 7 --log_file a 8", "--log_file=a --quiet 7 8");
    check("-q -q", "--quiet");
}

#[test]
fn a_word_with_a_dash_is_a_value_only_if_attached_or_a_number() {
    check("--log_file=-x", "--log_file=-x");
    check("--log_file=--quiet", "--log_file=--quiet");
    for number in ["-1", "-10", "-1.5", "-.5"] {
        check(&format!("--log_file {number}"), &format!("--log_file={number}"));
    }
    check("--log_file -", "--log_file=-");
    check("-1", "-1");
    for flag in ["-x", "--quiet", "-1x", "-1.", "-1.2.3", "--"] {
        check(
            &format!("--log_file {flag}"),
            &format!(
                "--log_file expects a value (FILE) but '{flag}' follows; a value that starts with '-' is written --log_file=VALUE"
            ),
        );
    }
    check("--log_file", "--log_file expects a value (FILE)");
}

#[test]
fn a_value_in_a_message_is_not_repeated() {
    check(
        "--log_file --quiet=secret",
        "--log_file expects a value (FILE) but '--quiet' follows; a value that starts with '-' is written --log_file=VALUE",
    );
    check("--unheard_of=secret", "unknown flag '--unheard_of'");
}

#[test]
fn switches_take_no_value() {
    check("--quiet=1", "--quiet takes no value");
    check("-q=1", "--quiet takes no value");
    check("--help=", "--help takes no value");
}

#[test]
fn names_may_be_cut_short_while_they_are_clear() {
    check("--q", "--quiet");
    check("--log-fi=a", "--log_file=a");
    check("--client", "'--client' is ambiguous: it fits --client_host, --client_port");
    check("--client=a", "'--client' is ambiguous: it fits --client_host, --client_port");
    check("--client_p 1", "--client_port=1");
}

#[test]
fn short_forms_of_the_originals_flags_keep_their_meaning() {
    check("--log a", "--log_file=a");
    check("--l a", "--log_file=a");
    check("--log_fo a", "--log_format=a");
    check("--level", "--level");
    check("--lev", "'--lev' is ambiguous: it fits --level, --levels");
}

#[test]
fn hyphens_are_underscores_in_names_alone() {
    check("--log-file a-b", "--log_file=a-b");
    check("--log-file=a-b", "--log_file=a-b");
}

#[test]
fn two_words_may_come_as_one() {
    for line in ["--pair a 5", "--pair a~5", "--pair=a 5", "--pair=a~5"] {
        check(line, "--pair=a~5");
    }
    check("--pair a 5 7 --pair b 6", "--pair=a~5 --pair=b~6 7");
    check("--pair", "--pair expects a value (APP COUNT)");
    check("--pair a", "--pair expects a value (APP COUNT)");
    check("--pair= 5", "--pair=~5");
    check("--pair ~a~ 5", "--pair=~a~~5");
    check(
        "--pair a --quiet",
        "--pair expects a value (APP COUNT) but '--quiet' follows; a value that starts with '-' is written --pair=VALUE",
    );
}

#[test]
fn many_values_end_at_the_next_flag() {
    check("--many a b --quiet c", "--quiet --many=a --many=b c");
    check("--many --quiet", "--quiet");
    check("--many", "");
    check("--many a --many b", "--many=a --many=b");
    check("--many a -- b", "--many=a b");
    check("--many=a b", "--many=a b");
}

#[test]
fn many_values_leave_the_positional_out_once() {
    check("--many a 7", "--many=a 7");
    check("--many 7 a", "--many=a 7");
    check("--many a 7 7", "--many=a --many=7 7");
    check("8 --many a 7", "--many=a --many=7 8");
}

#[test]
fn two_dashes_end_the_flags() {
    check("--quiet -- --quiet -- -h", "--quiet --quiet -- -h");
    check("--", "");
}

#[test]
fn nothing_after_help_is_looked_at() {
    check("-h --nonsense", "--help");
    check("--quiet --he --log_file", "--quiet --help");
    check("--nonsense -h", "unknown flag '--nonsense'");
}

#[test]
fn an_unknown_flag_brings_the_nearest_to_mind() {
    check("--log_fiel a", "unknown flag '--log_fiel' (did you mean --log_file?)");
    check("--clientport", "unknown flag '--clientport' (did you mean --client_port?)");
    check("-quiet", "unknown flag '-quiet' (did you mean --quiet?)");
    check("--quiett", "unknown flag '--quiett' (did you mean --quiet?)");
    check("--xyz", "unknown flag '--xyz'");
    check("-x", "unknown flag '-x'");
    check("--=1", "unknown flag '--'");
    check("---q", "unknown flag '---q'");
}
