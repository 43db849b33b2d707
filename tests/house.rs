//! The rules of the house, kept by a test: which room may use which, and how large a room may grow.

#![allow(clippy::unwrap_used, reason = "what cannot be read is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

use berth::cli::table::{Command, Kind};

/// Lines of a file.
const LONGEST: usize = 400;

/// All source files below `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(sources(&entry));
        } else if entry.extension().is_some_and(|ending| ending == "rs") {
            found.push(entry);
        }
    }
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The room that a path below `src` belongs to.
fn room(path: &Path) -> String {
    let below = path.strip_prefix(root().join("src")).unwrap();
    let first = below.components().next().unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// What a line of code uses of this crate: `use crate::net::…` is `net`.
fn used_rooms(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1).chain(line.split("use berth::").skip(1)))
        .map(|rest| rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect())
        .collect()
}

fn may_use(from: &str, to: &str) -> bool {
    match from {
        "bin" | "lib" => true,
        "cli" => ["cli", "websocketserver", "scalesocket", "net", "sys"].contains(&to),
        "websocketserver" => ["websocketserver", "net", "sys"].contains(&to),
        "scalesocket" => ["scalesocket", "net", "sys"].contains(&to),
        "net" => ["net", "sys"].contains(&to),
        "sys" => to == "sys",
        unknown => panic!("src/{unknown} is a room that tests/house.rs does not know"),
    }
}

#[test]
fn rooms_are_used_in_one_direction_only() {
    let mut seen = 0;
    for path in sources(&root().join("src")) {
        for to in used_rooms(&fs::read_to_string(&path).unwrap()) {
            assert!(may_use(&room(&path), &to), "{} uses {to}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 50, "only {seen} uses were found: does this test still read them?");
}

#[test]
fn no_file_is_too_long() {
    for folder in ["src", "tests", "benches", "examples"] {
        for path in sources(&root().join(folder)) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= LONGEST, "{} has {lines} lines", path.display());
        }
    }
}

#[test]
fn the_readme_names_every_flag() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let commands = [&berth::cli::websocketserver::COMMAND, &berth::cli::scalesocket::COMMAND];
    for flag in commands.into_iter().flat_map(Command::flags).filter(|flag| flag.kind != Kind::Info) {
        for name in [flag.long].into_iter().chain(flag.aliases.iter().copied()) {
            // As code, alone or with its value: `--port`, `--port PORT`, `--port=PORT`, `--port[=PORT]`.
            let named = ["`", " ", "=", "["].iter().any(|end| readme.contains(&format!("`{name}{end}")));
            assert!(named, "README.md does not name {name}");
        }
    }
}
