//! `--tcp`: what else there is of the command, and how it ends.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use crate::members::{expect_texts, goodbye, join, rest, text};
use crate::support::wait::DEADLINE;
use crate::tcp::{Taken, accept, expect};

const AT_ONCE: [&str; 2] = ["--cmd-attach-delay", "0"];

#[test]
fn what_a_command_prints_does_not_stop_it() {
    let taken = Taken::new();
    let script = "seq 1 100000; echo printed everything >&2; cat; echo no input >&2; exec sleep 1000";
    let server = taken.server(&AT_ONCE).args(&["sh", "--", "-c", script]).start();
    let listener = taken.listen();
    let mut ws = join(&server, "/r");
    let mut stream = accept(&listener);
    server.wait_log("printed everything", DEADLINE);
    server.wait_log("no input", DEADLINE);
    stream.write_all(b"only this is said\n").unwrap();
    expect_texts(&mut ws, &["only this is said"]);
    ws.send(&text("answer"));
    expect(&mut stream, b"answer\n");
}

#[test]
fn a_command_that_hangs_up_ends_its_room() {
    let taken = Taken::new();
    let server = taken.server(&AT_ONCE).args(&["sh", "--", "-c", "sleep 1000 & wait"]).start();
    let listener = taken.listen();
    let mut ws = join(&server, "/r");
    let mut stream = accept(&listener);
    stream.write_all(b"bye").unwrap();
    drop(stream);
    ws.send(&text("more"));
    let (texts, code, reason) = rest(ws);
    assert_eq!((texts, code), (vec!["bye".to_owned()], 1011), "{reason}");
    server.wait_children(0);
}

#[test]
fn a_command_that_ends_its_own_direction_ends_its_room_too() {
    let taken = Taken::new();
    let server = taken.server(&AT_ONCE).args(&["sleep", "--", "1000"]).start();
    let listener = taken.listen();
    let ws = join(&server, "/r");
    let stream = accept(&listener);
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(goodbye(ws).0, 1011);
    server.wait_children(0);
}

#[test]
fn the_end_of_the_process_is_the_end_of_the_room() {
    let taken = Taken::new();
    let server = taken.server(&AT_ONCE).args(&["sh", "--", "-c", "sleep 0.2; exit 4"]).start();
    let listener = taken.listen();
    let ws = join(&server, "/r");
    let mut stream = accept(&listener);
    stream.write_all(b"said before the end\n").unwrap();
    drop(stream);
    let (texts, code, reason) = rest(ws);
    assert_eq!((texts, code), (vec!["said before the end".to_owned()], 1011), "{reason}");
}

#[test]
fn who_leaves_is_told_before_the_connection_ends() {
    let taken = Taken::new();
    let server = taken.server(&AT_ONCE).args(&["--leavemsg", "left #ID", "sleep", "--", "1000"]).start();
    let listener = taken.listen();
    let mut ws = join(&server, "/r");
    let mut stream = accept(&listener);
    ws.send(&text("last"));
    ws.close();
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    assert_eq!(all, "last\nleft 1\n");
    server.wait_children(0);
}

#[test]
fn a_room_that_is_left_before_it_is_connected_ends_at_once() {
    let taken = Taken::new();
    let server = taken.server(&["--cmd-attach-delay", "1000", "sleep", "--", "1000"]).start();
    let ws = join(&server, "/r");
    server.wait_children(1);
    ws.close();
    server.wait_children(0);
}

#[test]
fn bytes_go_both_ways_too() {
    let taken = Taken::new();
    let server = taken.server(&AT_ONCE).args(&["--binary", "sleep", "--", "1000"]).start();
    let listener = taken.listen();
    let mut ws = join(&server, "/r");
    let mut stream = accept(&listener);
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    ws.send(&text("\u{fe}"));
    expect(&mut stream, "\u{fe}".as_bytes());
    stream.write_all(b"\xff\0").unwrap();
    assert_eq!(ws.take_data(2), b"\xff\0");
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(stream.read(&mut [0]).is_err(), "nothing else is said");
}
