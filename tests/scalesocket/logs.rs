//! The log: for people, and for scripts.

use rustix::process::Signal;
use serde_json::Value;

use crate::members::{ask, goodbye, join, text};
use crate::support::server::Server;
use crate::support::wait::{DEADLINE, eventually};

/// Everything that a server with `flags` logs about one member that says something, and a command that then ends in
/// its own way.
fn logged(flags: &[&str], script: &str) -> Vec<String> {
    let mut server = Server::scalesocket_builder().args(flags).args(&["sh", "--", "-c", script]).start();
    let mut ws = join(&server, "/r\"q");
    ws.send(&text("end"));
    goodbye(ws);
    server.wait_log("client disconnected", DEADLINE);
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(DEADLINE).code(), Some(0));
    server.wait_log("shutting down", DEADLINE);
    server.log().lines().map(str::to_owned).collect()
}

#[test]
fn lines_have_a_time_and_the_original_words_and_no_colours() {
    let lines = logged(&[], "read x; exit 3");
    for line in &lines {
        assert!(!line.contains('\u{1b}'), "{line}");
        let (date, time) = line.split_at(10);
        assert!(date.starts_with("20") && time.starts_with('T'), "{line}");
    }
    for part in [
        "INFO ] listening at 127.0.0.1:",
        "INFO ] event:attach: client connected id=1 room=\"r\\\"q\"",
        "ERROR] event:exit: process exited code=3 room=\"r\\\"q\"",
        "INFO ] event:disconnect: client disconnected id=1",
        "INFO ] received signal, shutting down",
    ] {
        assert!(lines.iter().any(|line| line.contains(part)), "{part}: {lines:#?}");
    }
}

#[test]
fn a_command_that_is_done_is_no_error() {
    let lines = logged(&[], "read x");
    assert!(lines.iter().any(|line| line.contains("INFO ] event:exit: process exited code=0")), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("ERROR")), "{lines:#?}");
}

#[test]
fn json_has_an_object_in_every_line() {
    for flags in [&["--json"][..], &["--log", "json"], &["--log=json", "-v"]] {
        let lines = logged(flags, "read x; exit 3");
        let records: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let find = |message: &str| {
            let found = records.iter().find(|record| record["message"] == message);
            found.unwrap_or_else(|| panic!("no {message} in {lines:#?}")).clone()
        };
        let attached = find("client connected");
        assert_eq!((&attached["level"], &attached["id"]), (&"INFO".into(), &1.into()));
        assert_eq!((&attached["span"]["name"], &attached["span"]["room"]), (&"attach".into(), &"\"r\\\"q\"".into()));
        let exited = find("process exited");
        assert_eq!((&exited["level"], &exited["code"], &exited["room"]), (&"ERROR".into(), &3.into(), &"r\"q".into()));
        assert!(records.iter().all(|record| record["timestamp"].is_number()), "{lines:#?}");
    }
}

#[test]
fn the_last_members_leave_and_failures_to_start_are_told() {
    let server = Server::scalesocket(&["cat"]);
    let mut ws = join(&server, "/r");
    assert_eq!(ask(&mut ws, "hello"), "hello");
    ws.close();
    server.wait_log("INFO ] event:disconnect: all clients disconnected, killing process room=\"r\"", DEADLINE);
    server.wait_log("INFO ] event:exit: process exited", DEADLINE);
    let server = Server::scalesocket(&["/nonexistent"]);
    goodbye(join(&server, "/r"));
    let line = "ERROR] event:spawn: Failed to spawn process due to `No such file or directory (os error 2)` room=\"r\"";
    server.wait_log(line, DEADLINE);
}

#[test]
fn more_is_told_when_more_is_asked_for() {
    let debug = |flags: &[&str]| logged(flags, "read x").iter().filter(|line| line.contains("DEBUG")).count();
    assert_eq!(debug(&[]), 0);
    assert!(debug(&["-v"]) > 0);
    assert!(debug(&["-vv"]) > 0);
}

#[test]
fn a_name_that_looks_like_a_log_line_stays_a_name() {
    let server = Server::scalesocket(&["cat"]);
    let mut ws = join(&server, "/%0a[ERROR]\"\\x?%0a");
    assert_eq!(ask(&mut ws, "hello"), "hello");
    drop(ws.close());
    server.wait_log("client disconnected", DEADLINE);
    let log = server.log();
    assert!(log.lines().all(|line| line.starts_with("20")), "{log}");
}

#[test]
fn every_end_of_a_command_is_told() {
    const ROOMS: usize = 100;
    let server = Server::scalesocket(&["cat"]);
    for room in 0..ROOMS {
        let mut ws = join(&server, &format!("/r{room}"));
        assert_eq!(ask(&mut ws, "hello"), "hello");
        ws.close();
    }
    let told = || server.log().matches("INFO ] event:exit: process exited code=0").count();
    eventually(DEADLINE, "all ends are told", || told() == ROOMS);
}
