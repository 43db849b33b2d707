//! A configuration with a fault keeps the server from starting, and says what and where.

use std::fs;

use crate::support::server::Server;

/// What the file holds, and what stands in the one message, beside the file's name.
const CASES: [(&str, &[&str]); 40] = [
    ("", &["line 1"]),
    ("{", &["line 1"]),
    ("{\"A\": {\n\"count\": 1,\n}}", &["line 3"]),
    ("[]", &["an object of services", "line 1"]),
    ("{} {}", &["trailing characters", "line 1"]),
    ("{\"\": {}}", &["name is empty"]),
    ("{\"A\\n\": {}}", &["'A\\n'", "control characters"]),
    (r#"{"A": 1}"#, &["service 'A'", "must be an object", "a number"]),
    (r#"{"A": []}"#, &["service 'A'", "must be an object", "a list"]),
    (r#"{"A": {}}"#, &["service 'A'", "count", "is missing"]),
    (r#"{"A": {"count": 1}}"#, &["service 'A'", "neither 'script' nor 'command'"]),
    (r#"{"A": {"count": 0, "script": "s.py"}}"#, &["service 'A'", "count: 0 is not a number of instances"]),
    (r#"{"A": {"count": -1, "script": "s.py"}}"#, &["service 'A'", "count: -1 is not a number of instances"]),
    (r#"{"A": {"count": 1.5, "script": "s.py"}}"#, &["service 'A'", "count: 1.5 is not a number of instances"]),
    (r#"{"A": {"count": 99999999999, "script": "s.py"}}"#, &["service 'A'", "count: 99999999999"]),
    (r#"{"A": {"count": "1", "script": "s.py"}}"#, &["service 'A'", "count: must be a number", "a string"]),
    (r#"{"A": {"cuont": 1}}"#, &["service 'A'", "unknown key 'cuont'", "did you mean 'count'"]),
    (r#"{"A": {"count": 1, "count": 2}}"#, &["service 'A'", "count", "used twice"]),
    (r#"{"A": {"count": 1, "script": "s.py"}, "A": {}}"#, &["service 'A'", "two of this name"]),
    (r#"{"A": {"count": 1, "script": "no.py"}}"#, &["service 'A'", "script", "no.py cannot be read"]),
    (r#"{"A": {"count": 1, "script": "."}}"#, &["service 'A'", "script", "is not a file"]),
    (r#"{"A": {"count": 1, "script": 5}}"#, &["service 'A'", "script", "must be a string"]),
    (r#"{"A": {"count": 1, "script": "s.py", "command": ["cat"]}}"#, &["service 'A'", "script", "'command'"]),
    (r#"{"A": {"count": 1, "script": "s.py", "connect": "tcp"}}"#, &["service 'A'", "connect", "belongs to"]),
    (r#"{"A": {"count": 1, "script": "s.py", "options": []}}"#, &["service 'A'", "options: must be an object"]),
    (r#"{"A": {"count": 1, "script": "s.py", "options": {"group": 1}}}"#, &["service 'A'", "options: group"]),
    (r#"{"A": {"count": 1, "script": "s.py", "group_token": ""}}"#, &["service 'A'", "group_token"]),
    (r#"{"A": {"count": 1, "script": "s.py", "group_token": 1}}"#, &["service 'A'", "group_token", "a string"]),
    (r#"{"A": {"count": 1, "command": "cat {port}"}}"#, &["service 'A'", "command", "list of strings"]),
    (r#"{"A": {"count": 1, "command": []}}"#, &["service 'A'", "command", "is empty"]),
    (r#"{"A": {"count": 1, "command": [""]}}"#, &["service 'A'", "command", "no name"]),
    (r#"{"A": {"count": 1, "command": ["cat", 5]}}"#, &["service 'A'", "command", "element 1 must be a string"]),
    (
        r#"{"A": {"count": 1, "command": ["no-such-program", "{port}"]}}"#,
        &["service 'A'", "command", "not found in PATH"],
    ),
    (r#"{"A": {"count": 1, "command": ["./s.py", "{port}"]}}"#, &["service 'A'", "command", "s.py is not executable"]),
    (r#"{"A": {"count": 1, "command": ["{port}"]}}"#, &["service 'A'", "command", "must have no placeholder"]),
    (r#"{"A": {"count": 1, "command": ["cat", "{prot}"]}}"#, &["service 'A'", "command", "{prot}", "mean {port}"]),
    (r#"{"A": {"count": 1, "command": ["cat", "{port"]}}"#, &["service 'A'", "command", "without '}'"]),
    (r#"{"A": {"count": 1, "command": ["cat"]}}"#, &["service 'A'", "command", "no argument has {port}"]),
    (
        r#"{"A": {"count": 1, "command": ["cat", "{port}"], "connect": "stdio"}}"#,
        &["service 'A'", "there is no {port}"],
    ),
    (r#"{"A": {"count": 1, "command": ["cat", "{port}"], "connect": "udp"}}"#, &["service 'A'", "connect", "'udp'"]),
];

/// Starts the server, which does not, and returns its one line.
#[track_caller]
fn refusal(args: &[&str]) -> String {
    let all = [&["0", "--bind_address", "127.0.0.1"], args].concat();
    let finished = Server::run(&all);
    let told = format!("{}{}", finished.stdout, finished.stderr);
    assert_eq!(finished.status.code(), Some(1), "{args:?}: {told}");
    let lines: Vec<&str> = finished.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "one message: {told}");
    assert!(!told.contains("listening on"), "at start, never later: {told}");
    lines[0].to_owned()
}

#[test]
fn a_fault_is_named_by_file_service_key_and_cause() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("s.py"), "").unwrap();
    let file = folder.path().join("services.json");
    let file = file.to_str().unwrap();
    for (text, told) in CASES {
        fs::write(file, text).unwrap();
        let line = refusal(&["--remote_session_config", file]);
        assert!(line.starts_with(&format!("websocketserver: error: {file}: ")), "{text}: {line}");
        for words in told {
            assert!(line.contains(words), "{text}: {words} is not in {line}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_or_understood_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("latin"), b"{\n\"caf\xe9\": {}}").unwrap();
    fs::write(path("large"), vec![b' '; 5 * 1024 * 1024]).unwrap();
    let deep = format!("{{\"A\": {{\"options\": {}", "[".repeat(100_000));
    fs::write(path("deep"), deep).unwrap();
    let cases = [
        ("missing", "cannot be read"),
        (".", "cannot be read"),
        ("latin", "line 2"),
        ("large", "larger than"),
        ("deep", "line 1"),
    ];
    for (name, told) in cases {
        let line = refusal(&["--remote_session_config", &path(name)]);
        assert!(line.contains(&path(name)) && line.contains(told), "{line}");
    }
}

#[test]
fn a_python_that_cannot_run_scripts_is_refused_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("s.py"), "").unwrap();
    fs::write(path("services.json"), r#"{"A": {"count": 1, "script": "s.py"}}"#).unwrap();
    for (python, told) in
        [("/no/such/python", "cannot be started"), ("/bin/false", "exited with code 1"), ("/bin/true", "3.8")]
    {
        let line = refusal(&["--remote_session_config", &path("services.json"), "--python", python]);
        assert!(line.contains(&format!("--python {python}")) && line.contains(told), "{line}");
    }
}
