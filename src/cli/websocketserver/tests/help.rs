//! `--help`, `--version`, and the table they come from.

use super::*;
use crate::cli::help;

#[test]
fn help_and_version_come_before_everything_after_them() {
    for line in ["-h", "--help", "--hel", "-h 1 2 3 --nonsense", "--http_port x -h"] {
        let Ok(Parsed::Help(text)) = parse(words(line), &[]) else { panic!("{line}") };
        assert!(text.contains("usage: websocketserver [FLAG ...] ws_server_port"), "{text}");
    }
    for line in ["-V", "--version", "--vers", "-V -h", "4 -V --nonsense"] {
        let version = format!("websocketserver {}", env!("CARGO_PKG_VERSION"));
        assert_eq!(parse(words(line), &[]), Ok(Parsed::Version(version)), "{line}");
    }
}

#[test]
fn help_names_every_flag_and_fits_a_terminal() {
    let text = help::render(&COMMAND);
    for flag in COMMAND.flags() {
        let head = format!("{} {}", flag.long, flag.metavar);
        assert!(text.contains(head.trim_end()), "{head} in {text}");
        assert!(flag.default.is_none_or(|default| text.contains(default.split(' ').next().unwrap())), "{flag:?}");
    }
    for line in text.lines() {
        assert!(line.chars().count() <= 80 && line.trim_end() == line, "{line:?}");
    }
}

#[test]
fn the_examples_in_help_are_good_lines() {
    for (_, line) in COMMAND.examples {
        let args = words(line.strip_prefix("websocketserver ").unwrap());
        assert!(matches!(parse(args, &[]), Ok(Parsed::Run(_))), "{line}");
    }
}

#[test]
fn names_in_the_table_are_distinct_and_well_formed() {
    let mut names: Vec<_> = COMMAND.flags().map(|flag| flag.long).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    assert!(names.iter().all(|name| name.starts_with("--") && !name[2..].contains('-')), "{names:?}");
}

#[test]
fn the_defaults_in_help_are_the_real_ones() {
    let line = "4 --http_directory web --client_port 5";
    let plain = parse(words(line), &[]);
    let mut checked = 0;
    for flag in COMMAND.flags() {
        // Those of several words are explanations, not values.
        if let Some(value) = flag.default.filter(|value| !value.contains(' ')) {
            let given = parse(words(&format!("{line} {} {value}", flag.long)), &[]);
            assert_eq!(given, plain, "{} {value}", flag.long);
            checked += 1;
        }
    }
    assert!(checked >= 8, "only {checked} defaults were compared");
}
