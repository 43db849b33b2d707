//! `--tcp`: the command is reached by a connection. Here the test itself listens where the command should, so that it can
//! say when; one command listens itself.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};

use crate::members::{ask, expect_texts, goodbye, join, join_with, next_text, text};
use crate::support::server::{Builder, Server};
use crate::support::wait::DEADLINE;

/// A port on which something will listen, or not.
pub(crate) struct Taken(OwnedFd);

impl Taken {
    pub(crate) fn new() -> Self {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        Self(socket)
    }

    pub(crate) fn port(&self) -> u16 {
        SocketAddr::try_from(getsockname(&self.0).unwrap()).unwrap().port()
    }

    pub(crate) fn listen(self) -> TcpListener {
        listen(&self.0, 16).unwrap();
        self.0.into()
    }

    /// A server whose only port for commands is this one.
    pub(crate) fn server(&self, flags: &[&str]) -> Builder {
        let ports = format!("{}:{}", self.port(), self.port() + 1);
        Server::scalesocket_builder().args(&["--tcp", "--tcpports", &ports]).args(flags)
    }
}

/// The connection of a room.
#[track_caller]
pub(crate) fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Exactly these bytes come.
#[track_caller]
pub(crate) fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut found = vec![0; bytes.len()];
    stream.read_exact(&mut found).unwrap();
    assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(bytes));
}

#[test]
fn data_goes_both_ways_after_one_second() {
    let taken = Taken::new();
    let server = taken.server(&["--joinmsg", "join #ID", "sleep", "--", "1000"]).start();
    let listener = taken.listen();
    let began = Instant::now();
    let mut ws = join(&server, "/r");
    ws.send_all(&[text("one"), text("two")]);
    let mut stream = accept(&listener);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_millis(2_500), "{took:?}");
    expect(&mut stream, b"join 1\none\ntwo\n");
    stream.write_all(b"hello\r\n\nlast").unwrap();
    expect_texts(&mut ws, &["hello", ""]);
    stream.write_all(b" words\n").unwrap();
    expect_texts(&mut ws, &["last words"]);
}

#[test]
fn another_delay_can_be_had() {
    let taken = Taken::new();
    let server = taken.server(&["--cmd-attach-delay", "0", "sleep", "--", "1000"]).start();
    let listener = taken.listen();
    let began = Instant::now();
    let mut ws = join(&server, "/r");
    accept(&listener).write_all(b"hello\n").unwrap();
    expect_texts(&mut ws, &["hello"]);
    assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
}

#[test]
fn a_command_that_listens_itself() {
    const ECHO: &str = "
import os, socket
client, _ = socket.create_server(('127.0.0.1', int(os.environ['PORT']))).accept()
while data := client.recv(65536):
    client.sendall(data)
";
    // Below the ports that the system gives to connections.
    let mut candidates = (20_000..32_000).cycle().skip(usize::try_from(std::process::id() % 12_000).unwrap());
    let port = candidates.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap();
    let ports = format!("{port}:{}", port + 1);
    let server = Server::scalesocket(&["--tcp", "--tcpports", &ports, "--delay", "0", "python3", "--", "-c", ECHO]);
    let (mut a, mut b) = (join(&server, "/r"), join(&server, "/r"));
    assert_eq!(ask(&mut a, "hello"), "hello");
    expect_texts(&mut b, &["hello"]);
    let long = "x".repeat(1_000_000);
    assert_eq!(ask(&mut b, &long), long);
    assert_eq!(next_text(&mut a), long);
    a.close();
    b.close();
    server.wait_children(0);
}

#[test]
fn a_command_that_takes_longer_to_listen_is_waited_for() {
    let taken = Taken::new();
    let server = taken.server(&["--cmd-attach-delay", "0", "sleep", "--", "1000"]).start();
    let mut ws = join(&server, "/r");
    ws.send(&text("patience"));
    // It has been tried, and has not been given up.
    server.wait_children(1);
    std::thread::sleep(Duration::from_millis(300));
    let mut stream = accept(&taken.listen());
    expect(&mut stream, b"patience\n");
    stream.write_all(b"there\n").unwrap();
    expect_texts(&mut ws, &["there"]);
}

#[test]
fn a_command_that_never_listens_gives_its_port_back() {
    let taken = Taken::new();
    let server = taken.server(&["--cmd-attach-delay", "0", "sleep", "--", "1000"]).start();
    let mut ws = join(&server, "/r");
    ws.send(&text("is anybody there?"));
    let (code, reason) = goodbye(ws);
    assert_eq!(code, 1011);
    let expected = format!("failed to connect to 127.0.0.1:{} due to connection refused", taken.port());
    assert!(reason.contains(&expected), "{reason}");
    server.wait_children(0);
    server.wait_log("ERROR", DEADLINE);
    server.wait_rest();
    let listener = taken.listen();
    let mut ws = join(&server, "/r");
    accept(&listener).write_all(b"hello\n").unwrap();
    expect_texts(&mut ws, &["hello"]);
}

#[test]
fn more_rooms_than_ports_are_refused_and_the_server_lives_on() {
    let taken = Taken::new();
    let server = taken.server(&["--cmd-attach-delay", "0", "sleep", "--", "1000"]).start();
    let listener = taken.listen();
    let mut ws = join(&server, "/a");
    let mut stream = accept(&listener);
    for _ in 0..20 {
        let (code, reason) = goodbye(join_with(&server, "/b", &[]).unwrap());
        assert_eq!(code, 1013);
        assert!(reason.contains("--tcpports"), "{reason}");
    }
    stream.write_all(b"still here\n").unwrap();
    expect_texts(&mut ws, &["still here"]);
    ws.close();
    server.wait_children(0);
    server.wait_rest();
    let mut other = join(&server, "/b");
    accept(&listener).write_all(b"my turn\n").unwrap();
    expect_texts(&mut other, &["my turn"]);
}

#[test]
fn no_ports_at_all_refuse_everybody() {
    for ports in ["5:5", "5:2"] {
        let server = Server::scalesocket(&["--tcp", "--tcpports", ports, "sleep", "--", "1000"]);
        assert_eq!(goodbye(join_with(&server, "/r", &[]).unwrap()).0, 1013);
        assert!(server.children().is_empty());
    }
}
