//! `--oneshot`, `--maxrooms`, `--rooms`: who is not let in.

use crate::members::{ask, goodbye, join, join_with, rest, text};
use crate::support::http;
use crate::support::server::Server;
use crate::support::wait::DEADLINE;

/// What is said to those who may not come in: nothing but goodbye.
const NOTHING: (u16, String) = (1005, String::new());

#[test]
fn oneshot_ends_with_the_first_member_and_exit_code_0() {
    let mut server = Server::scalesocket(&["--oneshot", "sh", "--", "-c", "cat; exit 3"]);
    assert_eq!(http::get(server.room_port(), "/health", &[]).status, 200);
    assert_eq!(http::get(server.room_port(), "/room", &[]).status, 400);
    let mut ws = join(&server, "/r");
    assert_eq!(ask(&mut ws, "hello"), "hello");
    for path in ["/r", "/other"] {
        assert_eq!(goodbye(join_with(&server, path, &[]).unwrap()), NOTHING, "{path}");
    }
    assert_eq!(ask(&mut ws, "still here"), "still here");
    server.wait_children(1);
    ws.close();
    assert_eq!(server.wait_exit(DEADLINE).code(), Some(0));
}

#[test]
fn oneshot_ends_with_the_command_and_exit_code_0() {
    for script in ["echo done", "echo done; exit 7", "echo done; kill -KILL $$"] {
        let mut server = Server::scalesocket(&["--oneshot", "sh", "--", "-c", script]);
        let (texts, ..) = rest(join_with(&server, "/r", &[]).unwrap());
        assert_eq!(texts, ["done"], "{script}");
        assert_eq!(server.wait_exit(DEADLINE).code(), Some(0), "{script}");
    }
}

#[test]
fn oneshot_ends_when_the_command_cannot_be_started() {
    let mut server = Server::scalesocket(&["--oneshot", "/nonexistent"]);
    let (code, reason) = goodbye(join_with(&server, "/r", &[]).unwrap());
    assert!([1011, 1001].contains(&code), "{code} {reason}");
    assert_eq!(server.wait_exit(DEADLINE).code(), Some(0));
}

#[test]
fn there_are_no_more_rooms_than_allowed() {
    for flag in ["--maxrooms", "--maxforks"] {
        let server = Server::scalesocket(&[flag, "2", "--joinmsg", "#ID", "cat"]);
        let (mut a, b) = (join(&server, "/a"), join(&server, "/b"));
        assert_eq!(ask(&mut a, "x"), "1");
        assert_eq!(goodbye(join_with(&server, "/c", &[]).unwrap()), NOTHING);
        server.wait_log("WARN", DEADLINE);
        // A member of a room that is there already may come in, and no number was lost.
        let mut again = join(&server, "/a");
        assert_eq!(crate::members::next_text(&mut again), "3");
        b.close();
        server.wait_children(1);
        let mut c = join(&server, "/c");
        assert_eq!(crate::members::next_text(&mut c), "4");
    }
}

#[test]
fn only_rooms_that_are_named_exist() {
    let server = Server::scalesocket(&["--rooms", "one,two", "cat"]);
    for path in ["/one", "/two/", "/two?x"] {
        assert_eq!(ask(&mut join(&server, path), "hello"), "hello");
    }
    for path in ["/three", "/One", "/one,two"] {
        let answer = join_with(&server, path, &[]).unwrap_err();
        assert_eq!((answer.status, answer.text().as_str()), (400, "Invalid room"), "{path}");
    }
}

#[test]
fn connections_above_the_limit_are_refused_and_the_others_live_on() {
    let server = Server::scalesocket(&["--max_connections", "2", "cat"]);
    let (mut a, _b) = (join(&server, "/r"), join(&server, "/r"));
    let answer = http::get(server.room_port(), "/health", &[]);
    assert_eq!(answer.status, 503);
    a.send(&text("x"));
    assert_eq!(crate::members::next_text(&mut a), "x");
}
