//! Requests with bodies: however they are framed, they end where they say, and the connection goes on.

use serde_json::json;

use crate::support::ensight::{Place, SECRET, Transport};
use crate::support::http;
use crate::support::stream::Conn;

fn head(framing: &str) -> String {
    let target = format!("/ensight/v1/{SECRET}/eval");
    format!("PUT {target} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n{framing}\r\n\r\n")
}

#[test]
fn a_connection_goes_on_after_a_body() {
    let site = Place::new(Transport::Tcp).serve();
    let _ensight = site.place.start(&[]);
    let whole = format!("{}\"6 * 7\"", head("Content-Length: 7"));
    let chunked = format!("{}2\r\n\"6\r\n5;x=y\r\n * 7\"\r\n0\r\nT: t\r\n\r\n", head("Transfer-Encoding: chunked"));
    let next = "GET /v1/nothing HTTP/1.1\r\nHost: h\r\n\r\n";
    for pieces in [1, 3, 1_000] {
        let mut conn = Conn::plain(site.server.http_port());
        // All at once, so that the next request stands right behind each body.
        conn.send_in_pieces(format!("{whole}{chunked}{next}{whole}").as_bytes(), pieces);
        for _ in 0..2 {
            assert_eq!(http::read(&mut conn, "PUT").expect("an answer").json(), 42);
        }
        assert_eq!(http::read(&mut conn, "GET").expect("an answer").status, 401);
        assert_eq!(http::read(&mut conn, "PUT").expect("an answer").json(), 42);
    }
}

#[test]
fn who_asks_first_is_told_to_go_on() {
    let site = Place::new(Transport::Tcp).serve();
    let _ensight = site.place.start(&[]);
    let mut conn = Conn::plain(site.server.http_port());
    conn.send(head("Content-Length: 7\r\nExpect: 100-continue").as_bytes());
    assert_eq!(conn.take_through(b"\r\n\r\n").expect("an answer"), b"HTTP/1.1 100 Continue\r\n\r\n");
    conn.send(b"\"6 * 7\"");
    assert_eq!(http::read(&mut conn, "PUT").expect("an answer").json(), 42);
    // A stranger is not told to go on.
    let mut conn = Conn::plain(site.server.http_port());
    let head = head("Content-Length: 7\r\nExpect: 100-continue").replace(SECRET, "wrong");
    assert_eq!(http::exchange(&mut conn, head).expect("an answer").status, 401);
}

#[test]
fn bodies_in_doubt_end_the_connection() {
    let site = Place::new(Transport::Tcp).serve();
    let ensight = site.place.start(&[]);
    site.exec("served = 0");
    let second =
        format!("PUT /ensight/v1/{SECRET}/exec HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\n\"served = 1\"");
    for body in
        ["7\n\"6 * 7\"\r\n0\r\n\r\n", "8\r\n\"6 * 7\"\r\n0\r\n\r\n", "0x7\r\n\"6 * 7\"\r\n0\r\n\r\n", "-1\r\n\r\n"]
    {
        let mut conn = Conn::plain(site.server.http_port());
        let answer = http::exchange(&mut conn, format!("{}{body}{second}", head("Transfer-Encoding: chunked")));
        let answer = answer.expect("an answer");
        assert_eq!((answer.status, answer.header("Connection")), (400, Some("close")), "{body:?}");
        assert!(conn.ends());
    }
    let large = http::raw(site.server.http_port(), head("Content-Length: 99999999999"));
    assert_eq!(large.status, 413);
    assert_eq!(site.eval("served"), json!(0));
    drop(ensight);
}
