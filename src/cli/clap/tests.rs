use super::super::table::{Group, Positional};
use super::super::testing::words as split;
use super::*;

const COMMAND: Command = Command {
    name: "tool",
    about: "",
    positional: Positional { name: "CMD", help: "", claims: |_| false },
    trailing: None,
    groups: &[Group {
        title: "",
        flags: &[
            Flag::value("--count", "N", "").aliases(&["--how-many"]),
            Flag::value("--list", "LIST", "").repeatable(),
            Flag::attached("--mode", "MODE", ""),
            Flag::optional("--frame", "MODE", "fast", "").repeatable(),
            Flag::switch("--binary", "").short("-b"),
            Flag::count("-v", ""),
            Flag::info("--help", "").short("-h"),
        ],
    }],
    examples: &[],
};

/// What a line comes to: the values or the number of each flag, positionals, what is passed on.
fn read(line: &str) -> Result<String, String> {
    let args = if line.is_empty() { Vec::new() } else { split(line) };
    let mut words = normalise(&COMMAND, args).map_err(|error| error.to_string())?;
    let mut parts = Vec::new();
    let shown = |words: Vec<OsString>| words.join(OsStr::new("|")).to_string_lossy().into_owned();
    for long in ["--count", "--list", "--mode", "--frame"] {
        let values = words.all_os(long).unwrap();
        if !values.is_empty() {
            parts.push(format!("{long}={}", shown(values)));
        }
    }
    for long in ["--binary", "-v", "--help"] {
        let count = words.count(long);
        if count > 0 {
            parts.push(format!("{long}*{count}"));
        }
    }
    let trailing = words.take_trailing();
    let positionals = words.positionals();
    if !positionals.is_empty() {
        parts.push(format!("[{}]", shown(positionals)));
    }
    if !trailing.is_empty() {
        parts.push(format!("-- {}", shown(trailing)));
    }
    Ok(parts.join(" "))
}

#[test]
fn words_find_their_flags() {
    for (line, meaning) in [
        ("", ""),
        ("cat", "[cat]"),
        ("cat --count 5", "--count=5 [cat]"),
        ("--count 5 cat", "--count=5 [cat]"),
        ("--count=5 cat", "--count=5 [cat]"),
        ("--how-many 5", "--count=5"),
        ("--count=", "--count="),
        ("--count ''", "--count="),
        ("--count=-x", "--count=-x"),
        ("--count=a=b", "--count=a=b"),
        ("--count -", "--count=-"),
        ("-", "[-]"),
        ("''", "[]"),
        ("--list a --list b,c", "--list=a|b,c"),
        ("--mode=x", "--mode=x"),
        ("--frame cat", "--frame=fast [cat]"),
        ("--frame=slow cat", "--frame=slow [cat]"),
        ("--frame=slow --frame", "--frame=slow|fast"),
        ("-b", "--binary*1"),
        ("-vbv -v", "--binary*1 -v*3"),
        ("a b", "[a|b]"),
        ("cat -- -v --count --", "[cat] -- -v|--count|--"),
        ("-- cat", "-- cat"),
        ("cat --", "[cat]"),
        ("-h --nonsense", "--help*1"),
        ("-vhx", "-v*1 --help*1"),
        ("cat --help", "--help*1 [cat]"),
    ] {
        assert_eq!(read(line).as_deref(), Ok(meaning), "{line}");
    }
}

#[test]
fn what_is_not_strictly_right_is_refused() {
    for (line, message) in [
        ("--coun 5", "unknown flag '--coun' (did you mean --count?)"),
        ("--how_many 5", "unknown flag '--how_many' (did you mean --how-many?)"),
        ("--xyz", "unknown flag '--xyz'"),
        ("-x", "unknown flag '-x'"),
        ("-5", "unknown flag '-5'"),
        ("-count", "unknown flag '-count' (did you mean --count?)"),
        ("-b=1", "unknown flag '-b=1'"),
        ("--count", "--count expects a value (N)"),
        (
            "--count -x",
            "--count expects a value (N) but '-x' follows; a value that starts with '-' is written --count=VALUE",
        ),
        (
            "--count -- cat",
            "--count expects a value (N) but '--' follows; a value that starts with '-' is written --count=VALUE",
        ),
        ("--count 1 --count 1", "--count is given twice"),
        ("--count 1 --how-many 1", "--count is given twice"),
        ("-b --binary", "--binary is given twice"),
        ("-bb", "--binary is given twice"),
        ("--binary=true", "--binary takes no value"),
        ("--help=x", "--help takes no value"),
        ("--mode x", "--mode expects a value, attached: --mode=MODE"),
        ("--mode", "--mode expects a value, attached: --mode=MODE"),
        ("--nonsense -h", "unknown flag '--nonsense'"),
    ] {
        assert_eq!(read(line).unwrap_err(), message, "{line}");
    }
}
