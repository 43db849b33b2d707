//! When there is no more room: a polite no, nobody else harmed, and room again afterwards.

use std::fs;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::support::backend::Backend;
use crate::support::http;
use crate::support::server::Server;
use crate::support::stream::Conn;
use crate::support::wait::{DEADLINE, eventually};
use crate::support::ws::{Frame, Ws};

#[track_caller]
fn echoes(ws: &mut Ws, byte: u8) {
    ws.send(&Frame::binary([byte]));
    assert_eq!(ws.take_data(1), [byte]);
}

#[track_caller]
fn all_echo(tunnels: &mut [Ws], byte: u8) {
    for ws in tunnels {
        echoes(ws, byte);
    }
}

/// Status of a request on a new connection; `None` when it is closed instead.
fn status(port: u16) -> Option<u16> {
    let mut conn = Conn::plain(port);
    http::exchange(&mut conn, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").map(|answer| answer.status)
}

#[test]
fn beyond_max_connections_the_answer_is_503_until_there_is_room_again() {
    let backend = Backend::echo();
    let server = Server::builder()
        .args(&backend.args())
        .args(&["--max_connections", "5", "--add_header", "instance_name=pim-1"])
        .start();
    let mut five: Vec<Ws> = (0..5).map(|_| Ws::connect(server.ws_port())).collect();
    for _ in 0..3 {
        let refusal = http::get(server.ws_port(), "/", &[]);
        assert_eq!(refusal.status, 503);
        let wait: u32 = refusal.header("Retry-After").unwrap().parse().unwrap();
        assert!(wait > 0);
        assert!(refusal.json()["error"].as_str().unwrap().contains("full"), "{}", refusal.text());
        assert_eq!(refusal.header("instance_name"), Some("pim-1"), "--add_header is for every answer");
    }
    all_echo(&mut five, 1);
    five.pop().unwrap().close();
    eventually(DEADLINE, "there is room again", || status(server.ws_port()) == Some(426));
    all_echo(&mut five, 2);
}

#[test]
fn a_flood_beyond_the_descriptors_is_refused_and_the_tunnels_go_on() {
    let backend = Backend::echo();
    let server = Server::builder().args(&backend.args()).descriptors(64).start();
    let mut tunnels: Vec<Ws> = (0..3).map(|_| Ws::connect(server.ws_port())).collect();
    let mut flood: Vec<Conn> = (0..150).map(|_| Conn::plain(server.ws_port())).collect();
    for conn in &mut flood {
        drop(conn.try_send(b"GET / HTTP/1.1\r\nHost: h\r\n"));
    }
    all_echo(&mut tunnels, 1);
    server.wait_log("refused", DEADLINE);
    all_echo(&mut tunnels, 2);
    drop(flood);
    eventually(DEADLINE, "the server serves again", || status(server.ws_port()) == Some(426));
    echoes(&mut Ws::connect(server.ws_port()), 3);
    all_echo(&mut tunnels, 4);
    let log = server.log().to_ascii_lowercase();
    assert!(!log.contains("too many open files"), "connections that were let in have theirs: {log}");
}

/// Sets how many descriptors a running server may have; `None` is as many as this process.
fn limit_descriptors(server: &Server, limit: Option<u64>) {
    let pid = Pid::from_raw(server.pid().try_into().unwrap());
    let maximum = getrlimit(Resource::Nofile).maximum;
    prlimit(pid, Resource::Nofile, Rlimit { current: limit.or(maximum), maximum }).unwrap();
}

#[test]
fn an_acceptor_that_finds_no_descriptor_goes_on_when_there_are_some() {
    let backend = Backend::echo();
    let server = Server::start(&backend.args());
    let mut tunnel = Ws::connect(server.ws_port());
    echoes(&mut tunnel, 1);
    let free = (0..1_000).find(|number| !fs::exists(format!("/proc/{}/fd/{number}", server.pid())).unwrap());
    limit_descriptors(&server, free);
    let mut waiting: Vec<Conn> = (0..5).map(|_| Conn::plain(server.ws_port())).collect();
    for conn in &mut waiting {
        conn.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    server.wait_log("cannot accept connections", DEADLINE);
    echoes(&mut tunnel, 2);
    limit_descriptors(&server, None);
    for conn in &mut waiting {
        assert_eq!(http::read(conn, "GET").unwrap().status, 426);
    }
    server.wait_log("accepting connections again", DEADLINE);
    echoes(&mut tunnel, 3);
}

#[test]
fn connections_of_every_kind_give_their_descriptors_and_threads_back() {
    let backend = Backend::echo();
    let server = Server::start(&backend.args());
    // All that serves no connection is there when the server says that it listens.
    let idle = || (server.threads(), server.descriptors());
    let before = idle();
    for round in 0..20 {
        let port = server.ws_port();
        let mut cut = Ws::connect(port);
        echoes(&mut cut, round);
        cut.conn.reset();
        Ws::connect(port).close();
        drop(Ws::connect(port));
        drop(Conn::plain(port));
        Conn::plain(port).reset();
        let mut half = Conn::plain(port);
        half.send(b"GET / HT");
        assert_eq!(http::raw(port, "BAD\r\n\r\n").status, 400);
    }
    eventually(DEADLINE, &format!("back to {before:?}"), || idle() == before);
}
