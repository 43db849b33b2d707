//! What the log says, what nobody can make it say, and an output that takes nothing.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::backend::Backend;
use crate::support::http;
use crate::support::server::Server;
use crate::support::stream::Conn;
use crate::support::tls::Certificate;
use crate::support::wait::{DEADLINE, eventually, eventually_some, spawn};
use crate::support::ws::{Frame, Ws};

/// A tunnel that carries three bytes up and down, then a request, then a request that is refused.
fn traffic(server: &Server) {
    let mut ws = Ws::connect(server.ws_port());
    ws.send(&Frame::binary(*b"abc"));
    assert_eq!(ws.take_data(3), b"abc");
    assert_eq!(ws.close().0, 1000);
    http::get(server.ws_port(), "/some/path", &[]);
    http::raw(server.ws_port(), "BAD\r\n\r\n");
}

fn stopped(mut server: Server) -> Vec<String> {
    server.signal(Signal::TERM);
    assert!(server.wait_exit(DEADLINE).success());
    // The pipes are read by threads of the test: the last line may take a moment.
    let mut before = String::new();
    eventually(DEADLINE, "the log is complete", || {
        let now = server.log();
        std::mem::replace(&mut before, now.clone()) == now && now.contains("listening")
    });
    before.lines().map(str::to_owned).collect()
}

#[test]
fn verbosity_chooses_what_is_logged() {
    let backend = Backend::echo();
    let folder = tempfile::tempdir().unwrap();
    for level in 0..=3 {
        let file = folder.path().join(format!("{level}.log"));
        let builder = Server::builder().args(&backend.args()).args(&["--verbose", &level.to_string()]);
        let server = builder.log_file(&file).start();
        traffic(&server);
        let lines = stopped(server);
        let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
        assert_eq!(count("listening on ws://127.0.0.1:"), 1, "{level}: {lines:?}");
        let tunnels = usize::from(level >= 1);
        assert_eq!((count(" opened"), count(" ended after ")), (tunnels, tunnels), "{level}: {lines:?}");
        assert_eq!(count("3 bytes up, 3 bytes down: the client closed with 1000"), tunnels, "{level}: {lines:?}");
        let requests = usize::from(level >= 2);
        assert_eq!((count("GET /some/path -> 426"), count("refused with 400")), (requests, requests), "{lines:?}");
        if level == 0 {
            assert!(lines.iter().all(|line| line.contains("WARN") || line.contains("listening")), "{lines:?}");
        }
    }
}

#[test]
fn a_tunnel_that_goes_wrong_is_a_warning_with_its_reason() {
    let backend = Backend::echo();
    let server = Server::builder().args(&backend.args()).args(&["--verbose", "0"]).start();
    let mut ws = Ws::connect(server.ws_port());
    ws.send(&Frame::binary(*b"abc").unmasked());
    ws.drain();
    server.wait_log("0 bytes up, 0 bytes down: the client broke the protocol", DEADLINE);
    assert!(server.log().contains("WARN"), "{}", server.log());
}

/// Each line is an object with the keys that collectors want; what it says.
#[track_caller]
fn messages(log: &str) -> Vec<String> {
    let read = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("not JSON ({e}): {line}"));
        assert!(value["timestamp"].is_number() && value["level"].is_string(), "{line}");
        value["message"].as_str().unwrap().to_owned()
    };
    log.lines().map(read).collect()
}

#[test]
fn json_lines_are_objects_whatever_clients_send() {
    let backend = Backend::echo();
    let server = Server::builder().args(&backend.args()).args(&["--verbose", "3", "--log_format", "json"]).start();
    traffic(&server);
    http::get(server.ws_port(), "/\"quoted\\path\"", &[]);
    http::get(server.ws_port(), &format!("/{}", "\"".repeat(8_000)), &[]);
    http::get(server.ws_port(), &format!("/end{}", "\\".repeat(8_000)), &[]);
    server.wait_log("/end", DEADLINE);
    let messages = messages(&stopped(server).join("\n"));
    assert!(messages.iter().any(|text| text.contains("/\"quoted\\path\" -> 426")), "{messages:?}");
    assert!(messages.iter().any(|text| text.contains("3 bytes up, 3 bytes down")), "{messages:?}");
}

#[test]
fn no_client_can_forge_a_line_or_drive_a_terminal() {
    let backend = Backend::echo();
    let forged = "[ERROR] forged";
    for format in ["text", "json"] {
        let args = ["--verbose", "3", "--log_format", format];
        let server = Server::builder().args(&backend.args()).args(&args).start();
        for target in ["/%0a%0d[ERROR] forged", "/%1b[31m", "/%0aforged", "/?token=%0aforged%1b[31m"] {
            let target = target.replace(' ', "%20");
            http::get(server.ws_port(), &target, &[]);
            drop(Ws::open(Conn::plain(server.ws_port()), &target));
        }
        for value in ["\u{1b}[31mred", "a\u{85}forged", "\u{9b}31m", "a\u{2028}forged"] {
            drop(Ws::open_with(Conn::plain(server.ws_port()), "/", &[("Origin", value), ("Host", value)]));
        }
        for bytes in [b"GET /\n[ERROR] forged HTTP/1.1\r\n\r\n".as_slice(), b"\x1b[31m\n[ERROR] forged\n\n"] {
            http::raw(server.ws_port(), bytes);
        }
        let lines = stopped(server);
        for line in &lines {
            assert!(!line.trim_start().starts_with(forged) && !line.starts_with("forged"), "{line:?}");
            assert!(!line.contains(char::is_control), "{line:?}");
        }
        if format == "json" {
            messages(&lines.join("\n"));
        }
    }
}

#[test]
fn a_name_with_control_characters_stays_on_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("a\n[ERROR] forged\u{1b}[31m\u{9b}\r");
    fs::create_dir(&odd).unwrap();
    let certificate = odd.join("cert.pem");
    fs::copy(Certificate::ec().combined(), &certificate).unwrap();
    let server = Server::start(&["--cert", certificate.to_str().unwrap()]);
    fs::remove_file(&certificate).unwrap();
    server.signal(Signal::HUP);
    server.wait_log("No such file", DEADLINE);
    let lines = stopped(server);
    assert!(lines.iter().any(|line| line.contains("a\\n[ERROR] forged\\u{1b}[31m")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("[ERROR]") || line.contains(char::is_control)), "{lines:?}");
}

#[test]
fn sighup_reopens_the_log_file_after_it_was_moved_away() {
    let backend = Backend::echo();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.log");
    let old = folder.path().join("server.log.1");
    let server = Server::builder().args(&backend.args()).log_file(&file).start();
    let port = server.ws_port();
    traffic(&server);
    let has = |file: &Path, text: &str| fs::read_to_string(file).is_ok_and(|log| log.contains(text));
    eventually(DEADLINE, "the tunnel's end", || has(&file, "ended after"));
    fs::rename(&file, &old).unwrap();
    server.signal(Signal::HUP);
    eventually(DEADLINE, "the new file", || has(&file, "the log was reopened"));
    Ws::connect(port).close();
    eventually(DEADLINE, "the next tunnel's end", || has(&file, "tunnel") && has(&file, "ended after"));
    assert!(!has(&old, "the log was reopened") && has(&old, "listening"));
    // Where no file can be made, the old one is written on.
    let away = folder.path().join("elsewhere");
    fs::rename(&file, &away).unwrap();
    fs::create_dir(&file).unwrap();
    server.signal(Signal::HUP);
    eventually(DEADLINE, "the old file goes on", || has(&away, "still writing to the old file"));
}

/// A server whose standard output is a pipe, of which nobody reads more than the first line.
struct Unread {
    child: Child,
    stdout: Option<ChildStdout>,
    port: u16,
}

impl Unread {
    fn start(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_websocketserver"));
        command.args(["0", "--bind_address", "127.0.0.1"]).args(args);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut text = Vec::new();
        let mut piece = [0; 1024];
        while !(text.ends_with(b"\n") && String::from_utf8_lossy(&text).contains("listening on ")) {
            let count = stdout.read(&mut piece).unwrap();
            assert!(count > 0, "the server ended: {}", String::from_utf8_lossy(&text));
            text.extend_from_slice(&piece[..count]);
        }
        let text = String::from_utf8(text).unwrap();
        let digits = text.rsplit("127.0.0.1:").next().unwrap().chars().take_while(char::is_ascii_digit);
        let port = digits.collect::<String>().parse().unwrap();
        Self { child, stdout: Some(stdout), port }
    }

    fn rss_kib(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Many requests over one connection, each with a long path.
    fn ask(&self, count: usize) {
        let mut conn = Conn::plain(self.port);
        let target = format!("/{}", "long".repeat(100));
        for _ in 0..count {
            assert_eq!(http::request(&mut conn, "GET", &target, &[]).unwrap().status, 426);
        }
    }

    fn stop(&mut self) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), Signal::TERM).unwrap();
        let ended = || self.child.try_wait().unwrap().map(|status| assert!(status.success()));
        assert!(eventually_some(DEADLINE, ended).is_some(), "the server ends");
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn an_output_that_nobody_reads_stalls_nothing_and_tells_of_its_losses() {
    for format in ["text", "json"] {
        let mut server = Unread::start(&["--verbose", "3", "--log_format", format]);
        server.ask(500);
        let before = server.rss_kib();
        server.ask(5_500);
        let grown = server.rss_kib().saturating_sub(before);
        assert!(grown < 16 * 1024, "{grown} KiB more");
        // Somebody reads at last: whole lines, and how many are missing.
        let mut stdout = server.stdout.take().unwrap();
        let reader = spawn("reader", move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).map(|_| text).unwrap()
        });
        server.stop();
        let text = reader.join().unwrap();
        assert!(text.contains("log lines were lost"), "{}", &text[text.len().saturating_sub(500)..]);
        assert!(text.ends_with('\n'));
        if format == "json" {
            messages(&text);
        }
    }
}

#[test]
fn an_output_that_is_closed_or_never_read_does_not_keep_the_server_from_stopping() {
    let mut closed = Unread::start(&["--verbose", "3"]);
    closed.stdout = None;
    closed.ask(200);
    closed.stop();
    let mut full = Unread::start(&["--verbose", "3"]);
    full.ask(1_000);
    full.stop();
}

#[test]
fn a_disk_without_room_for_the_log_hurts_nobody_and_may_have_room_again() {
    let backend = Backend::echo();
    let folder = tempfile::tempdir().unwrap();
    let (link, file) = (folder.path().join("server.log"), folder.path().join("real.log"));
    symlink(&file, &link).unwrap();
    let server = Server::builder().args(&backend.args()).args(&["--verbose", "3"]).log_file(&link).start();
    let port = server.ws_port();
    let point_to = |target: &Path| {
        fs::remove_file(&link).unwrap();
        symlink(target, &link).unwrap();
        server.signal(Signal::HUP);
    };
    point_to(Path::new("/dev/full"));
    let opened = || {
        let links = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().flatten();
        links.filter_map(|link| fs::read_link(link.path()).ok()).any(|target| target == Path::new("/dev/full"))
    };
    eventually(DEADLINE, "the full disk is written to", opened);
    for _ in 0..50 {
        assert_eq!(http::get(port, "/while/full", &[]).status, 426);
    }
    let mut ws = Ws::connect(port);
    ws.send(&Frame::binary(*b"abc"));
    assert_eq!(ws.take_data(3), b"abc");
    point_to(&file);
    eventually(DEADLINE, "the log goes on", || {
        http::get(port, "/after", &[]);
        let log = fs::read_to_string(&file).unwrap();
        log.contains("log lines were lost") && log.contains("/after")
    });
    let log = fs::read_to_string(&file).unwrap();
    assert!(!log.contains("/while/full"), "{log}");
    assert_eq!(ws.close().0, 1000);
}
