//! `--stats` and `--api`.

use crate::members::{expect_texts, join, rest};
use crate::support::http::{self, Response};
use crate::support::server::Server;
use crate::support::wait::{DEADLINE, eventually};

#[track_caller]
fn get(server: &Server, target: &str) -> Response {
    http::get(server.room_port(), target, &[])
}

#[track_caller]
fn check(server: &Server, cases: &[(&str, &str)]) {
    for (target, body) in cases {
        let answer = get(server, target);
        assert_eq!((answer.status, answer.text().as_str()), (200, *body), "{target}");
        assert_eq!(answer.header("Content-Type"), Some("application/json"), "{target}");
    }
}

#[test]
fn a_rooms_members_are_counted() {
    let server = Server::scalesocket(&["--stats", "cat"]);
    check(&server, &[("/r/stats", r#"{"connections":0}"#), ("/r/stats/connections", "0")]);
    let (_a, b) = (join(&server, "/r"), join(&server, "/r"));
    let _other = join(&server, "/other%20room");
    let cases = [
        ("/r/stats", r#"{"connections":2}"#),
        ("/r/stats/", r#"{"connections":2}"#),
        ("/r/stats/connections", "2"),
        ("/r/stats/connections/", "2"),
        ("/r/stats/anything", r#"{"connections":2}"#),
        ("/other%20room/stats/connections", "1"),
    ];
    check(&server, &cases);
    for deeper in ["/r/stats/connections/x", "/a/r/stats", "/stats"] {
        assert_ne!(get(&server, deeper).status, 200, "{deeper}");
    }
    assert_eq!(http::raw(server.room_port(), "POST /r/stats HTTP/1.1\r\nHost: h\r\n\r\n").status, 405);
    b.close();
    eventually(DEADLINE, "one is gone", || get(&server, "/r/stats/connections").text() == "1");
}

#[test]
fn rooms_can_be_asked_for() {
    let server = Server::scalesocket(&["--api", "cat"]);
    check(&server, &[("/api/rooms", "[]"), ("/api/rooms/", "[]")]);
    let (_a, _b) = (join(&server, "/b"), join(&server, "/b"));
    let _odd = join(&server, "/a\"\\");
    let cases = [
        (
            "/api/rooms",
            r#"[{"connections":1,"metadata":null,"name":"a\"\\"},{"connections":2,"metadata":null,"name":"b"}]"#,
        ),
        ("/api/b", r#"{"connections":2,"metadata":null,"name":"b"}"#),
        ("/api/b/connections", "2"),
        ("/api/b/metadata", "null"),
        ("/api/b/anything", r#"{"connections":2,"metadata":null,"name":"b"}"#),
        ("/api/unknown", r#"{"connections":0,"metadata":null,"name":"unknown"}"#),
        ("/api/unknown/connections", "0"),
    ];
    check(&server, &cases);
    assert_eq!(get(&server, "/api/b/connections/x").status, 404);
    assert_eq!(get(&server, "/b/stats").status, 404, "only with --stats");
}

#[test]
fn the_end_of_an_old_command_takes_nothing_from_the_new_room() {
    let script = "trap '' TERM; echo up; while read x; do :; done; sleep 0.3";
    let server = Server::scalesocket(&["--api", "sh", "--", "-c", script]);
    for _ in 0..5 {
        let mut old = join(&server, "/r");
        expect_texts(&mut old, &["up"]);
        drop(old.close());
        let mut new = join(&server, "/r");
        expect_texts(&mut new, &["up"]);
        // The old command has ended when one is left.
        server.wait_children(1);
        check(&server, &[("/api/rooms", r#"[{"connections":1,"metadata":null,"name":"r"}]"#)]);
        new.close();
    }
}

#[test]
fn rooms_that_are_closed_are_not_shown() {
    let server = Server::scalesocket(&["--api", "true"]);
    for room in 0..20 {
        rest(join(&server, &format!("/r{room}")));
    }
    eventually(DEADLINE, "all are closed", || get(&server, "/api/rooms").text() == "[]");
}
