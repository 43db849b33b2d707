//! `--cert` and `--key`: wss and https at the one port.

use crate::members::{expect_texts, text};
use crate::support::http;
use crate::support::server::Server;
use crate::support::stream::Conn;
use crate::support::tls::{Certificate, first_visit, visit};
use crate::support::ws::Ws;

#[test]
fn rooms_are_there_over_tls() {
    let certificate = Certificate::ec();
    let server = Server::scalesocket_builder().args(&certificate.args()).args(&["cat"]).start();
    let port = server.room_port();
    let mut a = Ws::open_with(Conn::tls(port), "/r", &[]).unwrap();
    let long = "x".repeat(1_000_000);
    a.send_all(&[text("one"), text(long.as_str())]);
    expect_texts(&mut a, &["one", &long]);
    let mut b = Ws::open_with(Conn::tls(port), "/r", &[]).unwrap();
    b.send(&text("two"));
    expect_texts(&mut b, &["two"]);
    expect_texts(&mut a, &["two"]);
    assert_eq!(a.close().0, 1000);
    assert_eq!(b.close().0, 1000);
    server.wait_children(0);
    assert_eq!(http::get_tls(port, "/health", &[]).text(), r#"{"status":"ok"}"#);
}

#[test]
fn one_file_may_hold_both_and_a_room_may_say_much() {
    let certificate = Certificate::rsa();
    let file = certificate.combined();
    let server = Server::scalesocket(&["--cert", file.to_str().unwrap(), "seq", "--", "1", "300000"]);
    let mut ws = Ws::open_with(Conn::tls(server.room_port()), "/r", &[]).unwrap();
    for number in 1..=300_000_u32 {
        assert_eq!(crate::members::next_text(&mut ws), number.to_string());
    }
    assert_eq!(crate::members::goodbye(ws).0, 1000);
}

#[test]
fn a_session_is_resumed() {
    let certificate = Certificate::ec();
    let server = Server::scalesocket_builder().args(&certificate.args()).args(&["cat"]).start();
    for version in ["-tls1_3", "-tls1_2"] {
        let file = certificate.cert().with_file_name(format!("session{version}"));
        first_visit(server.room_port(), &[version], &file);
        let second = visit(server.room_port(), &[version], &file);
        assert!(second.contains("Reused, TLSv1.") && second.contains("HTTP/1.1 "), "{version}: {second}");
    }
}
