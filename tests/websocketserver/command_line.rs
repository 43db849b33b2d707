//! Command lines from typing to listening: those that people and launchers write, and those that cannot be used.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::Path;

use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};

use crate::support::backend::Backend;
use crate::support::http;
use crate::support::server::Server;
use crate::support::stream::Conn;
use crate::support::wait::{DEADLINE, eventually, spawn};
use crate::support::ws::{Frame, Ws};

#[track_caller]
fn echoes(mut ws: Ws) {
    ws.send(&Frame::binary(*b"abc"));
    assert_eq!(ws.take_data(3), b"abc");
}

#[test]
fn a_line_that_cannot_be_used_ends_with_2_and_a_message_that_names_the_flag() {
    for (line, named) in [
        ("", "ws_server_port"),
        ("x", "ws_server_port"),
        ("65536", "ws_server_port"),
        ("-2 --http_directory .", "ws_server_port"),
        ("-1", "ws_server_port"),
        ("0 1", "ws_server_port"),
        ("9090 --http_directory .", "--http_port"),
        ("0 --http_port x", "--http_port"),
        ("0 --http_port=-1", "--http_port"),
        ("0 --http_directory", "--http_directory"),
        ("0 --http_directory=", "--http_directory"),
        ("0 --client_port 99999", "--client_port"),
        ("0 --client_hostname a:5", "--client_hostname"),
        ("0 --grpc_port x", "--grpc_port"),
        ("0 --key k", "--key"),
        ("0 --cert", "--cert"),
        ("0 --timeout soon", "--timeout"),
        ("0 --timeout -1", "--timeout"),
        ("0 --heartbeat inf", "--heartbeat"),
        ("0 --launch_timeout nan", "--launch_timeout"),
        ("0 --reconnect_grace x", "--reconnect_grace"),
        ("0 --local_session adr 5", "--local_session"),
        ("0 --local_session envision", "--local_session"),
        ("--local_session envision many 0", "--local_session"),
        ("0 --add_header abc", "--add_header"),
        ("0 --add_header Content-Length=5", "--add_header"),
        ("0 --add_header a=b\r\nX-Evil:1", "--add_header"),
        ("0 --verbose loud", "--verbose"),
        ("0 --log_format xml", "--log_format"),
        ("0 --bind_address localhost", "--bind_address"),
        ("0 --allow_origin https://a/b", "--allow_origin"),
        ("0 --max_connections 0", "--max_connections"),
        ("0 --metrics=1", "--metrics"),
        ("0 --client 5", "--client_hostname, --client_port"),
        ("0 --htp_port 5", "did you mean --http_port?"),
        ("0 --nonsense", "--nonsense"),
        ("0 -x", "-x"),
    ] {
        let finished = Server::run(&line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>());
        assert_eq!(finished.status.code(), Some(2), "{line}");
        assert!(finished.stderr.starts_with("websocketserver: error: "), "{line}: {}", finished.stderr);
        assert!(finished.stderr.lines().next().unwrap().contains(named), "{line}: {}", finished.stderr);
        assert_eq!(finished.stdout, "", "{line}");
    }
}

#[test]
fn help_and_version_are_printed_with_success() {
    for flag in ["--help", "-h", "--hel"] {
        let finished = Server::run(&["--client_port", "5", flag, "--nonsense"]);
        assert!(finished.status.success() && finished.stderr.is_empty(), "{}", finished.stderr);
        for word in ["--http_directory", "--local_session", "--security_token", "--bind_address", "ws_server_port"] {
            assert!(finished.stdout.contains(word), "{word}");
        }
    }
    for flag in ["--version", "-V"] {
        let finished = Server::run(&[flag]);
        assert!(finished.status.success());
        assert_eq!(finished.stdout, format!("websocketserver {}\n", env!("CARGO_PKG_VERSION")));
    }
}

/// An installation with its launcher's script, and a folder of pages.
struct Installation(tempfile::TempDir);

impl Installation {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["CEI/bin/envision", "CEI/bin/ensight", "CEI/nexus261/nexus_launcher/websocketserver.py"] {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "#!/bin/sh\n").unwrap();
        }
        fs::create_dir(folder.path().join("session")).unwrap();
        fs::write(folder.path().join("session/index.html"), "the page").unwrap();
        Self(folder)
    }

    /// A line in which `ROOT`, `SESSION` and `PORT` stand for what they are here.
    fn start(&self, line: &str, client_port: u16, listeners: usize) -> Server {
        let root = self.0.path().to_str().unwrap();
        let fill = |word: &str| {
            word.replace("ROOT", root)
                .replace("SESSION", &format!("{root}/session"))
                .replace("PORT", &client_port.to_string())
        };
        Server::start_exactly(&line.split_whitespace().map(fill).collect::<Vec<_>>(), listeners)
    }
}

#[test]
fn lines_of_public_launchers_and_of_the_manual_start_the_server() {
    let installation = Installation::new();
    let backend = Backend::echo();
    for (who, line) in [
        (
            "PyEnSight on this machine",
            "ROOT/CEI/nexus261/nexus_launcher/websocketserver.py --http_directory SESSION --http_port 0 \
             --client_port PORT --grpc_port 1 --grpc_use_tcp_sockets --grpc_allow_network_connections \
             --grpc_disable_tls --grpc_uds_pathname SESSION/pyensight --local_session envision 5 \
             --security_token T 0",
        ),
        (
            "PyEnSight in a container",
            "ROOT/CEI/nexus261/nexus_launcher/websocketserver.py 0 --http_directory SESSION --http_port 0 \
             --security_token T --client_port PORT --add_header instance_name=pim-1 --grpc_port 1 \
             --local_session envision 5",
        ),
        (
            "the manual",
            "--http_directory SESSION --http_port 0 --client_hostname localhost --client_port PORT --verbose 1 0",
        ),
        (
            "the manual's services",
            "--http_directory SESSION --http_port 0 --client_hostname localhost --client_port PORT \
             --local_session envision 4 --verbose 1 0",
        ),
        (
            "an old one in short words",
            "websocketserver.py --separate_loops --http_d=SESSION --http-port=0 --client_p PORT --tim 60 0",
        ),
    ] {
        let server = installation.start(line, backend.port(), 2);
        echoes(Ws::connect(server.ws_port()));
        assert_ne!(http::get(server.http_port(), "/v1/status?security_token=T", &[]).status, 401, "{who}");
        assert_eq!(http::get(server.http_port(), "/", &[]).status, 200, "{who}");
        let token = line.contains("--security_token").then_some(401);
        assert!(token.is_none_or(|status| http::get(server.http_port(), "/v1/x", &[]).status == status), "{who}");
    }
    let manual = installation.start("--client_port PORT 0", backend.port(), 1);
    echoes(Ws::connect(manual.ws_port()));
}

/// The server ends at start with code 1, and says each of `words` on one line of standard error.
#[track_caller]
fn fails(args: &[&str], words: &[&str]) {
    let finished = Server::run(args);
    assert_eq!(finished.status.code(), Some(1), "{args:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
    for word in words {
        assert!(finished.stderr.contains(word), "{word:?} in: {}", finished.stderr);
    }
}

#[test]
fn a_port_in_use_is_named_at_start() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().to_str().unwrap();
    let words = [port.as_str(), "in use"];
    fails(&[&port, "--bind_address", "127.0.0.1"], &words);
    fails(&[&port], &words);
    fails(&["0", "--bind_address", "127.0.0.1", "--http_directory", directory, "--http_port", &port], &words);
    fails(&["-1", "--http_directory", directory, "--http_port", &port], &words);
    // An address of another machine (RFC 5737).
    fails(&["0", "--bind_address", "192.0.2.1"], &["192.0.2.1", "no such address"]);
}

#[test]
fn what_is_not_there_is_named_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(at("file"), "x").unwrap();
    let base = ["0", "--bind_address", "127.0.0.1", "--http_port", "0"];
    let with = |flag: &'static str, value: &str| {
        let args: Vec<&str> = base.into_iter().chain([flag, value]).collect();
        fails(&args, &[value]);
    };
    with("--http_directory", &at("nowhere"));
    with("--http_directory", &at("file"));
    with("--log_file", &at("nowhere/log"));
    with("--log_file", folder.path().to_str().unwrap());
}

#[test]
fn with_minus_one_the_http_port_takes_the_websockets() {
    let backend = Backend::echo();
    let folder = tempfile::tempdir().unwrap();
    let directory = ["--http_directory", folder.path().to_str().unwrap()];
    let server = Server::builder().ws_port(-1).args(&backend.args()).args(&directory).start();
    assert!(!server.log().contains("listening on ws"), "{}", server.log());
    echoes(Ws::connect(server.http_port()));
}

#[test]
fn a_target_that_listens_later_is_connected_when_a_client_comes() {
    // Bound but not listening: the port is ours, and connecting to it is refused.
    let waiting = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&waiting, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let address = SocketAddr::try_from(getsockname(&waiting).unwrap()).unwrap();
    let port = address.port().to_string();
    let server = Server::start(&["--client_hostname", "127.0.0.1", "--client_port", &port]);
    let (_, code, reason) = Ws::connect(server.ws_port()).drain();
    assert_eq!(code, 1011);
    assert!(reason.contains(&address.to_string()) && reason.contains("refused"), "{reason}");
    listen(&waiting, 8).unwrap();
    greet(TcpListener::from(waiting));
    assert_eq!(Ws::connect(server.ws_port()).take_data(5), b"hello");
}

#[test]
fn ipv6_addresses_are_listened_on_and_ipv4_ones_are_not() {
    let backend = Backend::echo();
    for address in ["::1", "[::1]"] {
        let args: Vec<String> =
            ["0", "--bind_address", address].map(str::to_owned).into_iter().chain(backend.args()).collect();
        let server = Server::start_exactly(&args, 1);
        assert!(server.log().contains("listening on ws://[::1]:"), "{}", server.log());
        let port = server.ws_port();
        echoes(Ws::open(Conn::plain_to((Ipv6Addr::LOCALHOST, port)), "/").unwrap());
        assert!(std::net::TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), DEADLINE).is_err());
    }
}

#[test]
fn without_an_address_both_families_are_listened_on() {
    let backend = Backend::echo();
    let args: Vec<String> = backend.args().into_iter().chain(["0".to_owned()]).collect();
    let server = Server::start_exactly(&args, 1);
    let port = server.ws_port();
    echoes(Ws::open(Conn::plain_to((Ipv6Addr::LOCALHOST, port)), "/").unwrap());
    echoes(Ws::open(Conn::plain_to((Ipv4Addr::LOCALHOST, port)), "/").unwrap());
    server.wait_log("127.0.0.1:", DEADLINE);
    assert!(!server.log().contains("::ffff:"), "clients are named as they are: {}", server.log());
}

/// Greets one client, whenever it comes.
fn greet(listener: TcpListener) {
    spawn("greeter", move || listener.accept().unwrap().0.write_all(b"hello").unwrap());
}

/// Port of a backend on this address that sends a greeting.
fn greeter(address: impl Into<SocketAddr>) -> u16 {
    let listener = TcpListener::bind(address.into()).unwrap();
    let port = listener.local_addr().unwrap().port();
    greet(listener);
    port
}

#[test]
fn targets_are_reached_by_either_family() {
    for (host, port) in [
        ("::1", greeter((Ipv6Addr::LOCALHOST, 0))),
        ("[::1]", greeter((Ipv6Addr::LOCALHOST, 0))),
        ("localhost", greeter((Ipv6Addr::LOCALHOST, 0))),
        ("localhost", greeter((Ipv4Addr::LOCALHOST, 0))),
        ("127.0.0.1", greeter((Ipv4Addr::LOCALHOST, 0))),
    ] {
        let server = Server::start(&["--client_hostname", host, "--client_port", &port.to_string()]);
        assert_eq!(Ws::connect(server.ws_port()).take_data(5), b"hello", "{host}");
    }
}

#[test]
fn a_name_that_nobody_has_is_told_to_the_client() {
    // A label has 63 letters at most (RFC 1035), so no resolver has to be asked.
    let name = "x".repeat(64);
    let server = Server::start(&["--client_hostname", &name, "--client_port", "5900"]);
    let (_, code, reason) = Ws::connect(server.ws_port()).drain();
    assert_eq!(code, 1011);
    assert!(reason.contains(&format!("{name}:5900")), "{reason}");
}

#[test]
fn relative_paths_are_those_of_the_working_directory() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("web")).unwrap();
    let builder = Server::builder().cwd(folder.path()).args(&["--http_directory", "web", "--log_file", "its.log"]);
    let server = builder.listeners(0).start();
    let log = folder.path().join("its.log");
    eventually(DEADLINE, "the log is there", || {
        fs::read_to_string(Path::new(&log)).is_ok_and(|log| log.contains("listening on ws"))
    });
    drop(server);
}
