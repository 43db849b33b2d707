//! Clients that are slow, silent or endless: they cost themselves, nobody else.

use std::time::{Duration, Instant};

use crate::support::backend::Backend;
use crate::support::http;
use crate::support::netstat;
use crate::support::server::Server;
use crate::support::stream::{Conn, Look};
use crate::support::tls::Certificate;
use crate::support::wait::{DEADLINE, eventually, spawn};
use crate::support::ws::{Frame, Ws};

use rustix::process::Signal;
use tempfile::TempDir;

/// What the crowd may cost others: well below the 10 s that each of the crowd may take itself.
const PROMPT: Duration = Duration::from_secs(5);
/// The deadline of a request head and of a TLS handshake, and what a busy machine may add.
const HEAD_DEADLINE: std::ops::Range<Duration> = Duration::from_secs(9)..Duration::from_secs(20);

fn folder() -> (TempDir, [String; 2]) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hello.txt"), "Hello").unwrap();
    let args = ["--http_directory".to_owned(), folder.path().to_str().unwrap().to_owned()];
    (folder, args)
}

#[track_caller]
fn promptly<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let result = act();
    assert!(began.elapsed() < PROMPT, "{what} took {:?}", began.elapsed());
    result
}

#[test]
fn a_crowd_that_drips_its_heads_delays_nobody() {
    let backend = Backend::echo();
    let (_folder, files) = folder();
    let server = Server::builder().args(&backend.args()).args(&files).start();
    let mut tunnel = Ws::connect(server.ws_port());
    let mut crowd: Vec<Conn> = (0..500)
        .map(|i| {
            let mut conn = Conn::plain(if i % 2 == 0 { server.ws_port() } else { server.http_port() });
            conn.send(b"GET / HTTP/1.1\r\nX: ");
            conn
        })
        .collect();
    for round in 0..5 {
        for conn in &mut crowd {
            conn.send(b"x");
        }
        promptly("a running tunnel", || {
            tunnel.send(&Frame::binary([round]));
            assert_eq!(tunnel.take_data(1), [round]);
        });
        promptly("a new request", || assert_eq!(http::get(server.http_port(), "/hello.txt", &[]).status, 200));
        promptly("a new tunnel", || drop(Ws::connect(server.ws_port())));
    }
}

#[test]
fn a_crowd_that_is_silent_before_its_tls_handshake_delays_nobody() {
    let backend = Backend::echo();
    let certificate = Certificate::ec();
    let (_folder, files) = folder();
    let server = Server::builder().args(&backend.args()).args(&files).args(&certificate.args()).start();
    let mut tunnel = Ws::connect_tls(server.ws_port());
    let _crowd: Vec<Conn> = (0..200)
        .map(|i| {
            let mut conn = Conn::plain(if i % 2 == 0 { server.ws_port() } else { server.http_port() });
            if i % 4 > 1 {
                conn.send(b"\x16\x03\x01"); // the start of a record that never comes
            }
            conn
        })
        .collect();
    promptly("a running tunnel", || {
        tunnel.send(&Frame::binary(*b"on"));
        assert_eq!(tunnel.take_data(2), b"on");
    });
    promptly("a new request", || assert_eq!(http::get_tls(server.http_port(), "/hello.txt", &[]).status, 200));
    promptly("a new tunnel", || drop(Ws::connect_tls(server.ws_port())));
}

/// Sends a byte of a head whenever the server has been silent for a moment, until it says something.
fn drip(mut conn: Conn) -> u16 {
    conn.send(b"GET / HTTP/1.1\r\nHost: h\r\nX: ");
    while conn.look(Duration::from_millis(300)) == Look::Silence {
        if conn.try_send(b"x").is_err() {
            break;
        }
    }
    http::read_head(&mut conn).map_or(0, |answer| answer.status)
}

#[test]
fn after_ten_seconds_a_silent_client_is_closed_and_a_dripping_one_gets_408() {
    let certificate = Certificate::ec();
    let plain = Server::start(&Backend::echo().args());
    let tls = Server::builder().args(&certificate.args()).start();
    let (plain, tls) = (plain.ws_port(), (tls.ws_port(), tls));
    let connect = [
        ("silent", Box::new(move || Conn::plain(plain)) as Box<dyn Fn() -> Conn>),
        ("silent before TLS", Box::new(move || Conn::plain(tls.0))),
        ("silent within the TLS handshake", {
            Box::new(move || {
                let mut conn = Conn::plain(tls.0);
                conn.send(b"\x16\x03\x01\x02\x00");
                conn
            })
        }),
        ("silent after the TLS handshake", Box::new(move || Conn::tls(tls.0))),
    ];
    let began = Instant::now();
    let silent: Vec<_> = connect
        .iter()
        .map(|(what, connect)| {
            let mut conn = connect();
            let what = *what;
            spawn(what, move || (what, conn.ends(), began.elapsed()))
        })
        .collect();
    let drips = [Conn::plain(plain), Conn::tls(tls.0)].map(|conn| spawn("drip", move || (drip(conn), began.elapsed())));
    for thread in silent {
        let (what, closed, time) = thread.join().unwrap();
        assert!(closed && HEAD_DEADLINE.contains(&time), "{what}: closed without a word {closed}, after {time:?}");
    }
    for thread in drips {
        let (status, time) = thread.join().unwrap();
        assert!(status == 408 && HEAD_DEADLINE.contains(&time), "{status} after {time:?}");
    }
}

#[test]
fn a_stop_does_not_wait_for_clients_that_say_nothing() {
    let certificate = Certificate::ec();
    let (_folder, files) = folder();
    let mut server = Server::builder().args(&files).args(&certificate.args()).start();
    let idle = server.threads();
    let mut kept = Conn::tls(server.http_port());
    assert_eq!(http::request(&mut kept, "GET", "/hello.txt", &[]).unwrap().status, 200);
    let mut started = Conn::plain(server.ws_port());
    started.send(b"\x16\x03\x01");
    let mut forgot_tls = Conn::plain(server.ws_port());
    forgot_tls.send(b"GET / HT");
    let _silent = (Conn::plain(server.ws_port()), Conn::plain(server.http_port()));
    // The server has accepted them: one thread per connection.
    eventually(DEADLINE, "all are accepted", || {
        netstat::established(server.ws_port()) == 3 && server.threads() >= idle + 5
    });
    server.signal(Signal::TERM);
    promptly("stopping", || assert!(server.wait_exit(DEADLINE).success()));
}

/// Sends `request` and then goes on sending for a while, as one who does not listen; then reads what was answered.
/// Nothing may have been reset on the way: a reset takes answers with it that are not read yet.
#[track_caller]
fn answer_to_endless(port: u16, request: &[u8], more: &[u8]) -> u16 {
    let mut conn = Conn::plain(port);
    let mut writer = conn.try_clone();
    let (request, more) = (request.to_vec(), more.repeat(64));
    let sender = spawn("endless", move || {
        let all = std::iter::once(&request).chain(std::iter::repeat_n(&more, 50));
        let sent = all.into_iter().all(|bytes| writer.try_send(bytes).is_ok());
        drop(writer.socket().shutdown(std::net::Shutdown::Write));
        sent
    });
    assert!(sender.join().unwrap(), "the server takes what comes behind its answer");
    let answer = http::read(&mut conn, "GET").expect("an answer");
    assert_eq!(conn.look(DEADLINE), Look::Eof, "{answer:?}");
    answer.status
}

#[test]
fn heads_beyond_the_limits_are_answered_although_the_client_goes_on_sending() {
    let server = Server::start(&Backend::echo().args());
    let port = server.ws_port();
    let start = b"GET / HTTP/1.1\r\nHost: h\r\n";
    let line = [b"X: ".as_slice(), &b"y".repeat(1000), b"\r\n"].concat();
    assert_eq!(answer_to_endless(port, start, &line), 431, "endless lines");
    assert_eq!(answer_to_endless(port, start, &b"y".repeat(1000)), 431, "one endless line");
    assert_eq!(answer_to_endless(port, b"GET /", &b"a".repeat(1000)), 414, "an endless target");
    let many = [start.as_slice(), &b"X: y\r\n".repeat(64), b"\r\n"].concat();
    assert_eq!(answer_to_endless(port, &many, &b"rest".repeat(250)), 431, "65 headers");
    let body = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n";
    assert_eq!(answer_to_endless(port, body, &b"body".repeat(250)), 426, "a body that nobody reads");
}

#[test]
fn heads_at_the_limits_are_served_and_one_byte_more_is_not() {
    let (_folder, files) = folder();
    let server = Server::start(&files);
    let ask = |target: &str, headers: &str| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{headers}\r\n");
        http::raw(server.http_port(), request).status
    };
    let target = |length: usize| format!("/hello.txt?{}", "a".repeat(length - "/hello.txt?".len()));
    assert_eq!(ask(&target(8 * 1024), ""), 200);
    assert_eq!(ask(&target(8 * 1024 + 1), ""), 414);
    assert_eq!(ask("/hello.txt", &"X: y\r\n".repeat(62)), 200, "64 headers");
    assert_eq!(ask("/hello.txt", &"X: y\r\n".repeat(63)), 431, "65 headers");
    let overhead = "GET /hello.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX: \r\n\r\n".len();
    let padding = |length: usize| format!("X: {}\r\n", "y".repeat(length - overhead));
    assert_eq!(ask("/hello.txt", &padding(16 * 1024)), 200, "16 KiB");
    assert_eq!(ask("/hello.txt", &padding(16 * 1024 + 1)), 431, "16 KiB and a byte");
    // Wherever the pieces end in which it arrives: the first one is read before the next is sent.
    let request = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", padding(17_000));
    let (first, rest) = request.as_bytes().split_at(4_095);
    let mut conn = Conn::plain(server.http_port());
    conn.send(first);
    assert_eq!(conn.look(Duration::from_millis(100)), Look::Silence);
    conn.send(rest);
    assert_eq!(http::read(&mut conn, "GET").unwrap().status, 431);
}

#[test]
fn a_head_may_come_byte_by_byte() {
    let (_folder, files) = folder();
    let server = Server::start(&files);
    let mut conn = Conn::plain(server.http_port());
    let head = http::head(&conn, "GET", "/hello.txt", &[]);
    conn.send_in_pieces(format!("\r\n\r\n{head}").as_bytes(), 1);
    assert_eq!(http::read(&mut conn, "GET").unwrap().status, 200);
}
