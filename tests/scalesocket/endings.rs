//! The end of a command: nothing of it is left, however it comes about.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::members::{ask, expect_texts, goodbye, join, next_text, rest, text};
use crate::support::server::Server;
use crate::support::wait::{DEADLINE, eventually, spawn};
use crate::traces::Traces;

/// How soon everything is gone, on a machine that has other things to do too.
const GONE: Duration = Duration::from_secs(10);

/// A pipeline, something in the background, and something in a session of its own.
const FAMILY: &str = "sleep 1001 & setsid sleep 1002 & sh -c 'sleep 1003 | cat' & cat | cat";

fn family(traces: &Traces) -> Server {
    let server = traces.server().args(&["sh", "--", "-c", FAMILY]).start();
    assert_eq!(ask(&mut join(&server, "/other"), "another room"), "another room");
    server.wait_children(0);
    traces.wait_gone(GONE);
    server
}

#[test]
fn grandchildren_are_gone_after_the_last_member() {
    let traces = Traces::new();
    let server = family(&traces);
    let mut ws = join(&server, "/r");
    let second = join(&server, "/r");
    assert_eq!(ask(&mut ws, "hello"), "hello");
    traces.wait_count(8);
    ws.close();
    assert_eq!(traces.processes().len(), 8, "somebody is still there");
    second.close();
    traces.wait_gone(GONE);
    server.wait_log("all clients disconnected", DEADLINE);
}

#[test]
fn grandchildren_are_gone_when_the_command_has_ended() {
    let traces = Traces::new();
    let script = "sleep 1001 & sh -c 'sleep 1002 & wait' & echo up; read x; exit 0";
    let server = traces.server().args(&["sh", "--", "-c", script]).start();
    let mut ws = join(&server, "/r");
    expect_texts(&mut ws, &["up"]);
    ws.send(&text("end"));
    assert_eq!(goodbye(ws), (1000, "the command exited with code 0".to_owned()));
    traces.wait_gone(GONE);
}

#[test]
fn everything_is_gone_when_the_server_is_stopped_and_members_are_told() {
    for signal in [Signal::TERM, Signal::INT] {
        let traces = Traces::new();
        let mut server = family(&traces);
        let rooms: Vec<_> = (0..3).map(|room| join(&server, &format!("/r{room}"))).collect();
        traces.wait_count(24);
        server.signal(signal);
        for ws in rooms {
            assert_eq!(goodbye(ws).0, 1001);
        }
        assert_eq!(server.wait_exit(DEADLINE).code(), Some(0));
        assert_eq!(traces.processes(), Vec::<String>::new(), "gone before the server is");
        server.wait_log("received signal, shutting down", DEADLINE);
    }
}

#[test]
fn everything_is_gone_when_the_server_is_killed() {
    let traces = Traces::new();
    let mut server = family(&traces);
    let mut ws = join(&server, "/r");
    assert_eq!(ask(&mut ws, "hello"), "hello");
    traces.wait_count(8);
    server.signal(Signal::KILL);
    server.wait_exit(DEADLINE);
    traces.wait_gone(GONE);
}

#[test]
fn what_a_command_says_at_the_stop_is_heard() {
    let script =
        "trap 'echo terminated; exit 0' TERM; echo up; while read x; do :; done; echo end of input; sleep 1000 & wait";
    let mut server = Server::scalesocket(&["sh", "--", "-c", script]);
    let mut ws = join(&server, "/r");
    expect_texts(&mut ws, &["up"]);
    server.signal(Signal::TERM);
    let (texts, code, _) = rest(ws);
    assert_eq!((texts, code), (vec!["end of input".to_owned(), "terminated".to_owned()], 1001));
    assert_eq!(server.wait_exit(DEADLINE).code(), Some(0));
}

#[test]
fn a_command_that_is_deaf_to_everything_is_killed() {
    let traces = Traces::new();
    let script = "trap '' TERM HUP INT; echo up; while :; do sleep 1000; done";
    let server = traces.server().args(&["sh", "--", "-c", script]).start();
    let mut ws = join(&server, "/r");
    expect_texts(&mut ws, &["up"]);
    traces.wait_count(2);
    ws.close();
    let began = Instant::now();
    traces.wait_gone(GONE);
    // Two seconds, and something for a busy machine.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn a_command_that_ends_with_its_input_is_not_hurried() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("how");
    let script =
        "trap 'echo terminated > \"$0\"; exit' TERM; echo up; while read x; do :; done; echo end of input > \"$0\"";
    let server = Server::scalesocket(&["sh", "--", "-c", script, file.to_str().unwrap()]);
    let mut ws = join(&server, "/r");
    expect_texts(&mut ws, &["up"]);
    ws.close();
    server.wait_children(0);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "end of input\n");
}

#[test]
fn a_command_that_neither_reads_nor_ends_is_gone_after_the_last_member() {
    let traces = Traces::new();
    let server = traces.server().args(&["sleep", "--", "1000"]).start();
    let resources = server.resources();
    let mut ws = join(&server, "/r");
    traces.wait_count(1);
    // More than any pipe holds, less than makes a member wait.
    ws.send(&text("x".repeat(500_000)));
    ws.close();
    traces.wait_gone(GONE);
    server.wait_resources(resources);
}

#[test]
fn the_last_members_goodbye_reaches_the_command() {
    const VISITS: u32 = 20;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("said");
    // One write per line: rooms share the file.
    let script = "while read -r line; do printf '%s\\n' \"$line\" >> \"$0\"; done";
    let server = Server::scalesocket(&["--leavemsg", "left #ID", "sh", "--", "-c", script, file.to_str().unwrap()]);
    let threads: Vec<_> = (0..VISITS)
        .map(|visit| {
            let ws = join(&server, &format!("/r{visit}"));
            // Properly, or without a word.
            spawn("visit", move || if visit % 2 == 0 { drop(ws.close()) } else { drop(ws) })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    server.wait_children(0);
    let said = std::fs::read_to_string(file).unwrap();
    let mut lines: Vec<u32> = said.lines().map(|line| line.strip_prefix("left ").unwrap().parse().unwrap()).collect();
    lines.sort_unstable();
    assert_eq!(lines, (1..=VISITS).collect::<Vec<_>>());
}

#[test]
fn threads_and_descriptors_are_given_back() {
    let server = Server::scalesocket(&["sh", "--", "-c", "sleep 1000 & exec cat"]);
    assert_eq!(ask(&mut join(&server, "/r"), "first"), "first");
    server.wait_children(0);
    // The guardian stays.
    eventually(DEADLINE, "the first room is closed", || server.threads() < 8);
    server.wait_rest();
    let resources = server.resources();
    for round in 0..5 {
        let mut all: Vec<_> = (0..8).map(|member| join(&server, &format!("/r{}", member % 4))).collect();
        all[round].send(&text("hello"));
        assert_eq!(next_text(&mut all[round]), "hello");
        drop(all);
        server.wait_children(0);
    }
    server.wait_resources(resources);
}

#[test]
fn a_hangup_ends_nobody() {
    // The original dies of it and leaves its commands behind.
    let server = Server::scalesocket(&["cat"]);
    let mut ws = join(&server, "/r");
    server.signal(Signal::HUP);
    server.wait_log("SIGHUP", DEADLINE);
    assert_eq!(ask(&mut ws, "still here"), "still here");
}
