//! The shortest way through each door: whoever changes something big runs these first.

use std::fs;

use crate::support::backend::Backend;
use crate::support::http;
use crate::support::random::{Digest, Random};
use crate::support::server::Server;
use crate::support::stream::Conn;
use crate::support::tls::Certificate;
use crate::support::wait::{DEADLINE, spawn};
use crate::support::ws::{BINARY, Frame, PING, PONG, Ws};

use rustix::process::Signal;

#[test]
fn bytes_come_back_from_an_echo_and_the_backend_sees_the_end() {
    let backend = Backend::echo();
    let server = Server::start(&backend.args());
    let mut ws = Ws::connect(server.ws_port());
    assert_eq!(ws.response.header("Sec-WebSocket-Protocol"), Some("binary"));

    let sent = Random::new(1).vec(100_000);
    ws.send(&Frame::binary(sent.clone()));
    assert_eq!(ws.take_data(sent.len()), sent);
    ws.send_all(&Frame::fragments(&sent, 777));
    assert_eq!(ws.take_data(sent.len()), sent);
    ws.conn.send_in_pieces(&Frame::binary(*b"dripping").encode(), 1);
    assert_eq!(ws.take_data(8), b"dripping");
    ws.send(&Frame::new(PING, *b"there?"));
    let pong = ws.next().unwrap();
    assert_eq!((pong.opcode, pong.payload.as_slice()), (PONG, b"there?".as_slice()));

    assert_eq!(ws.close().0, 1000);
    backend.wait_ended(1);
    assert_eq!(backend.received().count, 200_008);
}

#[test]
fn a_backend_that_ends_is_heard_to_its_last_byte() {
    let backend = Backend::source(2, 3_000_000);
    let server = Server::start(&backend.args());
    let (received, code, _) = Ws::connect(server.ws_port()).drain();
    assert_eq!((received, code), (Digest::of_random(2, 3_000_000), 1000));
}

#[test]
fn a_client_may_send_while_it_reads() {
    let backend = Backend::echo();
    let server = Server::start(&backend.args());
    let mut reader = Ws::connect(server.ws_port());
    let mut writer = reader.try_clone();
    let sender = spawn("sender", move || {
        let mut random = Random::new(3);
        for _ in 0..100 {
            writer.send(&Frame::binary(random.vec(100_000)));
        }
    });
    let received = Digest::of(&reader.take_data(10_000_000));
    sender.join().unwrap();
    assert_eq!(received, Digest::of_random(3, 10_000_000));
}

#[test]
fn a_client_that_ends_lets_the_backend_have_everything_first() {
    let backend = Backend::sink();
    let certificate = Certificate::ec();
    let server = Server::builder().args(&backend.args()).args(&certificate.args()).start();
    let mut ws = Ws::connect_tls(server.ws_port());
    ws.send(&Frame::new(BINARY, Random::new(4).vec(1_000_000)));
    assert_eq!(ws.close().0, 1000);
    backend.wait_ended(1);
    assert_eq!(backend.received(), Digest::of_random(4, 1_000_000));
}

#[test]
fn a_file_is_served_over_one_connection_as_often_as_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hello.txt"), "Hello").unwrap();
    let server = Server::start(&["--http_directory", folder.path().to_str().unwrap()]);
    let mut conn = Conn::plain(server.http_port());
    for _ in 0..3 {
        let answer = http::request(&mut conn, "GET", "/hello.txt", &[]).unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "Hello"));
    }
    let head = http::request(&mut conn, "HEAD", "/hello.txt", &[]).unwrap();
    assert_eq!((head.header("Content-Length"), head.body.len()), (Some("5"), 0));
    assert_eq!(http::get(server.http_port(), "/nothing", &[]).status, 404);
}

#[test]
fn a_websocket_without_a_target_is_refused_with_404() {
    let server = Server::start::<&str>(&[]);
    let refusal = Ws::open(Conn::plain(server.ws_port()), "/").unwrap_err();
    assert_eq!(refusal.status, 404);
}

#[test]
fn sigterm_stops_the_server_with_success() {
    let mut server = Server::start(&Backend::echo().args());
    server.signal(Signal::TERM);
    assert!(server.wait_exit(DEADLINE).success());
}

#[test]
fn a_wrong_flag_is_named_and_ends_with_code_2() {
    let finished = Server::run(&["--client_port", "5901", "--no_such_thing"]);
    assert_eq!(finished.status.code(), Some(2));
    assert!(finished.stderr.contains("--no_such_thing"), "{}", finished.stderr);
}
