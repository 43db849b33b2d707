//! What is answered beside websockets.

use crate::members::join;
use crate::support::http;
use crate::support::server::Server;
use crate::support::stream::Conn;

/// Method, target, status, body.
type Case = (&'static str, &'static str, u16, &'static str);

const UPGRADE: &str = "Connection header did not include 'upgrade'";
const METHOD: &str = "HTTP method not allowed";

#[track_caller]
fn check(server: &Server, cases: &[Case]) {
    let mut conn = Conn::plain(server.room_port());
    for (method, target, status, body) in cases {
        let answer = http::request(&mut conn, method, target, &[]).expect("an answer");
        assert_eq!((answer.status, answer.text().as_str()), (*status, *body), "{method} {target}");
        assert!(answer.header("Date").is_some(), "{method} {target}");
    }
}

#[test]
fn health_is_told_and_everything_else_is_no_page() {
    let server = Server::scalesocket(&["cat"]);
    check(
        &server,
        &[
            ("GET", "/health", 200, r#"{"status":"ok"}"#),
            ("GET", "/health/", 200, r#"{"status":"ok"}"#),
            ("GET", "/health?x", 200, r#"{"status":"ok"}"#),
            ("HEAD", "/health", 405, ""),
            ("POST", "/health", 405, METHOD),
            ("GET", "/", 404, ""),
            ("GET", "/a/b", 404, ""),
            ("GET", "/health/x", 404, ""),
            ("GET", "//health", 404, ""),
            ("GET", "/x", 400, UPGRADE),
            ("GET", "/x/", 400, UPGRADE),
            ("POST", "/x", 405, METHOD),
            ("DELETE", "/x", 405, METHOD),
        ],
    );
    let answer = http::get(server.room_port(), "/health", &[]);
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
}

#[test]
fn what_is_not_switched_on_is_a_room_or_nothing() {
    let server = Server::scalesocket(&["cat"]);
    check(
        &server,
        &[
            ("GET", "/metrics", 400, UPGRADE),
            ("GET", "/api", 400, UPGRADE),
            ("GET", "/api/rooms", 404, ""),
            ("GET", "/room/stats", 404, ""),
            ("GET", "/room/stats/connections", 404, ""),
        ],
    );
    assert!(server.children().is_empty(), "nobody joined a room");
}

#[test]
fn requests_may_follow_each_other_without_waiting() {
    let server = Server::scalesocket(&["cat"]);
    let mut conn = Conn::plain(server.room_port());
    let one = "GET /health HTTP/1.1\r\nHost: h\r\n\r\n";
    conn.send(format!("{one}GET /a/b HTTP/1.1\r\nHost: h\r\n\r\n{one}").as_bytes());
    let statuses: Vec<u16> = (0..3).map(|_| http::read(&mut conn, "GET").expect("an answer").status).collect();
    assert_eq!(statuses, [200, 404, 200]);
}

#[test]
fn old_odd_and_long_requests_are_answered() {
    let server = Server::scalesocket(&["cat"]);
    let port = server.room_port();
    assert_eq!(http::raw(port, "GET /health HTTP/1.0\r\n\r\n").status, 200);
    assert_eq!(http::raw(port, "no request\r\n\r\n").status, 400);
    assert_eq!(http::raw(port, "GET /health HTTP/1.1\r\nno header\r\n\r\n").status, 400);
    assert_eq!(http::raw(port, b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n").status, 400);
    assert_eq!(http::raw(port, format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(70_000))).status, 414);
    // HTTP/2 without asking is not spoken.
    assert!(http::raw(port, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").status >= 400);
}

#[test]
fn asking_about_a_room_does_not_make_one() {
    let server = Server::scalesocket(&["--stats", "--api", "--metrics", "cat"]);
    for target in ["/a/stats", "/a/stats/connections", "/api/a", "/api/a/connections", "/a"] {
        http::get(server.room_port(), target, &[]);
    }
    assert_eq!(http::get(server.room_port(), "/api/rooms", &[]).text(), "[]");
    let page = http::get(server.room_port(), "/metrics", &[]).text();
    assert!(!page.contains("room="), "{page}");
    assert!(server.children().is_empty());
    let _ws = join(&server, "/a");
    assert_eq!(http::get(server.room_port(), "/api/a/connections", &[]).text(), "1");
}
