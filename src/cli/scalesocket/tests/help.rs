//! `--help`, `--version`, and the table they come from.

use super::*;
use crate::cli::help;

#[test]
fn help_and_version_come_before_everything_after_them() {
    for line in ["-h", "--help", "-h a b c --nonsense", "--addr x -h", "cat -vh"] {
        let Ok(Parsed::Help(text)) = parse(words(line)) else { panic!("{line}") };
        assert!(text.contains("usage: scalesocket [FLAG ...] <CMD> [-- <ARGS>...]"), "{text}");
    }
    for line in ["-V", "--version", "-V -h", "cat -V --nonsense"] {
        let version = format!("scalesocket {}", env!("CARGO_PKG_VERSION"));
        assert_eq!(parse(words(line)), Ok(Parsed::Version(version)), "{line}");
    }
    assert!(parse(words("cat -- -h")).is_ok_and(|parsed| matches!(parsed, Parsed::Run(_))));
}

#[test]
fn help_names_every_flag_and_fits_a_terminal() {
    let text = help::render(&COMMAND);
    for flag in COMMAND.flags() {
        assert!(text.contains(&format!("{}{}", flag.short.map(|s| format!("{s}, ")).unwrap_or_default(), flag.long)));
        assert!(text.contains(flag.metavar));
        assert!(flag.default.is_none_or(|default| text.contains(default.split(' ').next().unwrap())), "{flag:?}");
    }
    for line in text.lines() {
        assert!(line.chars().count() <= 80 && line.trim_end() == line, "{line:?}");
    }
}

#[test]
fn every_flag_of_the_original_is_there_and_marked() {
    let original = "--addr --binary --client-frame --cmd-attach-delay --frame --help --joinmsg --json --leavemsg \
                    --metrics --oneshot --passenv --server-frame --staticdir --stats --tcp --tcpports --version -v";
    let mut marked: Vec<_> = COMMAND.flags().filter(|flag| flag.original).map(|flag| flag.long).collect();
    marked.sort_unstable();
    assert_eq!(marked.join(" "), original);
    let shorts: Vec<_> = COMMAND.flags().filter_map(|flag| flag.short).collect();
    assert_eq!(shorts, ["-b", "-h", "-V"]);
}

#[test]
fn the_examples_in_help_are_good_lines() {
    for (_, line) in COMMAND.examples {
        let args = words(line.strip_prefix("scalesocket ").unwrap());
        assert!(matches!(parse(args), Ok(Parsed::Run(_))), "{line}");
    }
}

#[test]
fn names_in_the_table_are_distinct() {
    let mut names: Vec<_> = COMMAND
        .flags()
        .flat_map(|flag| [flag.long].into_iter().chain(flag.short).chain(flag.aliases.iter().copied()))
        .collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
}

#[test]
fn the_defaults_in_help_are_the_real_ones() {
    let plain = parse(words("cat"));
    let mut checked = 0;
    for flag in COMMAND.flags() {
        // Those of several words are explanations, not values; so is `any`.
        if let Some(value) = flag.default.filter(|value| !value.contains(' ') && *value != "any") {
            assert_eq!(parse(words(&format!("cat {}={value}", flag.long))), plain, "{} {value}", flag.long);
            checked += 1;
        }
    }
    assert!(checked >= 8, "only {checked} defaults were compared");
}
