//! What launching a service through `websocketserver` costs, beside starting it by hand.
//!
//! `cargo bench --bench launch` needs `Xvnc` (`TigerVNC`). Both ways take turns, so that a slow moment of the machine
//! falls on both. By hand: from the start of `Xvnc -inetd` on a socket pair to its first byte. Through us: from the
//! websocket's connect (a reservation is there) to the first byte of the same. A third row is about services that
//! listen: from the moment they do to their first byte here.
#![allow(clippy::unwrap_used, reason = "a panic ends a benchmark, and nothing here comes from outside")]
#![allow(clippy::indexing_slicing, clippy::print_stdout, reason = "a benchmark prints its results")]
#![allow(clippy::cast_precision_loss, reason = "three digits are shown")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

#[path = "support/process.rs"]
#[allow(dead_code, reason = "shared with the other benchmark")]
mod process;

const ROUNDS: usize = 21;
const XVNC: [&str; 8] = ["Xvnc", "-inetd", "-SecurityTypes", "None", "-geometry", "1024x768", "-depth", "24"];
/// How long the service of the third row thinks before it listens.
const THINKS: Duration = Duration::from_millis(150);

fn main() {
    let words: Vec<String> = std::env::args().collect();
    match words.get(1).map(String::as_str) {
        Some("serve") => serve(words[2].parse().unwrap()),
        _ => measure(),
    }
}

/// The service of the third row: tells when it began to listen.
fn serve(port: u16) {
    std::thread::sleep(THINKS);
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let began = now();
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(&began.to_be_bytes()).unwrap();
    let _ = stream.read(&mut [0]); // until the other side ends
}

fn now() -> u64 {
    u64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos()).unwrap()
}

fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("services.json");
    let own = std::env::current_exe().unwrap();
    let services = json!({
        "Desktop": {"command": XVNC, "connect": "stdio", "count": 2},
        "Listener": {"command": [own, "serve", "{port}"], "count": 2},
    });
    std::fs::write(&config, services.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_websocketserver"));
    command.args(["-1", "--bind_address", "127.0.0.1", "--http_port", "0", "--http_directory"]).arg(folder.path());
    command.arg("--remote_session_config").arg(&config);
    let server = process::Process::start(&mut command, "http").unwrap();
    let (mut by_hand, mut by_us, mut listening) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        by_hand.push(start_by_hand());
        by_us.push(start_through(server.port));
        listening.push(first_byte_after_listen(server.port));
    }
    let (hand, us, tcp) = (Row::of(by_hand), Row::of(by_us), Row::of(listening));
    println!("| from … to the first byte | median ms | range ms | limit |");
    println!("| --- | ---: | ---: | ---: |");
    hand.print("start of `Xvnc -inetd` by hand", "");
    us.print("websocket's connect, `Xvnc -inetd` launched", &format!("{:.1}", hand.median + 15.0));
    tcp.print("a launched service's `listen`", "20");
    println!("\nlaunching costs {:+.1} ms ({ROUNDS} rounds in turns)", us.median - hand.median);
}

/// Milliseconds.
struct Row {
    median: f64,
    least: f64,
    most: f64,
}

impl Row {
    fn of(times: Vec<Duration>) -> Self {
        let mut times: Vec<f64> = times.into_iter().map(|time| time.as_secs_f64() * 1_000.0).collect();
        times.sort_by(f64::total_cmp);
        Self { median: times[times.len() / 2], least: times[0], most: times[times.len() - 1] }
    }

    fn print(&self, name: &str, limit: &str) {
        println!("| {name} | {:.1} | {:.1} to {:.1} | {limit} |", self.median, self.least, self.most);
    }
}

fn start_by_hand() -> Duration {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let streams = [OwnedFd::from(theirs.try_clone().unwrap()), OwnedFd::from(theirs)].map(Stdio::from);
    let [input, output] = streams;
    let mut command = Command::new(XVNC[0]);
    command.args(&XVNC[1..]).stdin(input).stdout(output).stderr(Stdio::null());
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    drop(command); // it holds their end of the pair
    ours.read_exact(&mut [0]).unwrap();
    let time = began.elapsed();
    child.kill().unwrap();
    child.wait().unwrap();
    time
}

fn start_through(port: u16) -> Duration {
    let token = reserve(port, "Desktop");
    let began = Instant::now();
    let mut stream = open(port, &token);
    assert_eq!(frame(&mut stream)[..4], *b"RFB ");
    let time = began.elapsed();
    release(port, &token);
    time
}

fn first_byte_after_listen(port: u16) -> Duration {
    let token = reserve(port, "Listener");
    let mut stream = open(port, &token);
    let began = frame(&mut stream);
    let here = now();
    release(port, &token);
    Duration::from_nanos(here.saturating_sub(u64::from_be_bytes(began.try_into().unwrap())))
}

fn connect(port: u16) -> TcpStream {
    TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Duration::from_secs(10)).unwrap()
}

fn call(port: u16, path: &str) -> Value {
    let mut stream = connect(port);
    write!(stream, "GET /v1/{path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

fn reserve(port: u16, name: &str) -> String {
    call(port, &format!("reserve/{name}"))["token"].as_str().unwrap().to_owned()
}

/// Ends an instance and waits until its slots are all free, so that no round disturbs the next.
fn release(port: u16, token: &str) {
    assert_eq!(call(port, &format!("release/{token}"))["status"], "released");
    let is_busy =
        |service: &Value| service["instances"].as_array().unwrap().iter().any(|instance| instance["state"] != "free");
    while call(port, "status").as_array().unwrap().iter().any(is_busy) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A websocket that is open.
fn open(port: u16, token: &str) -> TcpStream {
    let mut stream = connect(port);
    let lines = "Host: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    write!(stream, "GET /?token={token} HTTP/1.1\r\n{lines}\r\n\r\n").unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream
}

/// The payload of the next frame, which is short.
fn frame(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    assert!(head[0] == 0x82 && head[1] < 126, "a short binary frame, not {head:x?}");
    let mut payload = vec![0; usize::from(head[1])];
    stream.read_exact(&mut payload).unwrap();
    payload
}
