//! A stand-in for EnSight (tests/ensight/standin.py), and a place where it listens, before and after it runs.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket, sockopt};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::http::{self, Response};
use super::process::{Group, Output};
use super::python::python;
use super::server::{Builder, Server};
use super::stream::Conn;
use super::wait::{DEADLINE, eventually, eventually_some};
use super::yard::Yard;

/// The programs of these tests that are not in Rust.
pub const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ensight");

/// The secret that EnSight and the server share.
pub const SECRET: &str = "s3cret-of-the-session";

/// How EnSight is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Plain TCP, as older installations do it: no flag says so.
    Tcp,
    /// A unix socket.
    Unix,
    /// TCP and TLS with certificates on both sides.
    MutualTls,
}

/// Where an EnSight listens or will listen, and a folder to serve.
#[derive(Debug)]
pub struct Place {
    transport: Transport,
    /// Bound and not listening: the port is refused until an EnSight shares it, and goes to nobody else.
    _held: OwnedFd,
    port: u16,
    /// The folder that the server serves and works in.
    pub yard: Yard,
}

/// A running stand-in. Dropping it kills it.
#[derive(Debug)]
pub struct EnSight {
    group: Group,
    output: Output,
}

/// A server in front of a place.
#[derive(Debug)]
pub struct Site {
    /// The server.
    pub server: Server,
    /// Where its EnSight is.
    pub place: Place,
}

/// Makes the certificates of both sides in a new folder.
///
/// # Panics
/// When they cannot be made.
pub fn certificates(folder: &Path) {
    let script = format!("{PROGRAMS}/certificates.sh");
    let made = Command::new("sh").arg(script).arg(folder).stdin(Stdio::null()).status();
    assert!(made.expect("a shell").success(), "certificates are made with openssl");
}

/// Puts an installation into the folder `CEI` of a yard: its EnSight is the stand-in, and its Python runs our binary,
/// whatever script it is told to run.
pub fn installation(yard: &Yard) {
    let program = |name: &str, line: &str| {
        let path = yard.write(&format!("CEI/bin/{name}"), &format!("#!/bin/sh\n{line}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a program of our own");
    };
    program("ensight", &format!("exec '{}' '{PROGRAMS}/standin.py' \"$@\"", python().display()));
    program("cpython", &format!("exec '{}' \"$@\"", env!("CARGO_BIN_EXE_websocketserver")));
    program("cei_egltest", "exit 1");
    yard.write("CEI/BUILDINFO.txt", "Version: 2026 R1\nInternal: 261\n");
    yard.write("CEI/nexus261/nexus_launcher/websocketserver.py", "raise SystemExit('this is not the original')\n");
    yard.write("CEI/nexus261/ansys261/nexus/viewer-loader.js", "// the viewer\n");
}

impl Place {
    /// A place that nobody else has; certificates are made if they are needed.
    ///
    /// # Panics
    /// When there is none to be had.
    pub fn new(transport: Transport) -> Self {
        let held = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        sockopt::set_socket_reuseport(&held, true).expect("a port that can be shared");
        bind(&held, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = SocketAddr::try_from(getsockname(&held).expect("an address")).expect("an internet address");
        let place = Self { transport, _held: held, port: address.port(), yard: Yard::new() };
        if transport == Transport::MutualTls {
            certificates(&place.yard.file("keys"));
        }
        place
    }

    /// The server's arguments for it.
    pub fn args(&self) -> Vec<String> {
        let mut args = vec!["--grpc_port".to_owned(), self.port.to_string()];
        match self.transport {
            Transport::Tcp => {}
            Transport::Unix => args.extend(["--grpc_uds_pathname".to_owned(), self.socket()]),
            Transport::MutualTls => args.push("--grpc_use_tcp_sockets".to_owned()),
        }
        args
    }

    /// A server for it, still to be started.
    pub fn builder(&self) -> Builder {
        let builder = self.yard.bare_server().args(&self.args()).args(&["--security_token", SECRET]);
        builder.env("ANSYS_GRPC_CERTIFICATES", self.yard.file("keys"))
    }

    /// A server for it.
    pub fn serve(self) -> Site {
        let server = self.builder().start();
        Site { server, place: self }
    }

    /// Starts an EnSight with more `words`, and waits until it listens.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn start(&self, words: &[&str]) -> EnSight {
        let mut command = Command::new(python());
        command.arg(format!("{PROGRAMS}/standin.py")).args(["-grpc_server", &self.port.to_string(), "-guarded"]);
        match self.transport {
            Transport::Tcp => {}
            Transport::Unix => _ = command.args(["-grpc_uds_pathname", &self.socket()]),
            Transport::MutualTls => _ = command.arg("-grpc_use_tcp_sockets"),
        }
        command.args(words).current_dir(self.yard.path()).stdin(Stdio::piped());
        command.env("ENSIGHT_SECURITY_TOKEN", SECRET).env("ANSYS_GRPC_CERTIFICATES", self.yard.file("keys"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut group = Group::spawn(&mut command);
        let output = Output::default();
        output.collect("ensight", group.child().stdout.take().expect("piped"));
        output.collect("ensight", group.child().stderr.take().expect("piped"));
        let ensight = EnSight { group, output };
        eventually(DEADLINE, "EnSight listens", || ensight.output.text().contains("listening "));
        ensight
    }

    fn socket(&self) -> String {
        self.yard.file("pyensight").to_str().expect("UTF-8").to_owned()
    }
}

impl EnSight {
    /// Stops the process where it stands, as a debugger would: nothing is answered any more.
    pub fn freeze(&self) {
        self.group.signal(Signal::STOP);
        // Its threads stop when they next look, and may answer a call until then.
        let tasks = format!("/proc/{}/task", self.group.pid());
        let state = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        eventually(DEADLINE, "EnSight stands still", || {
            let mut tasks = std::fs::read_dir(&tasks).expect("it runs").filter_map(Result::ok).map(state);
            tasks.all(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" T")))
        });
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.group.signal(Signal::CONT);
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// When it has not by the deadline.
    #[track_caller]
    pub fn wait_exit(&mut self) {
        eventually_some(DEADLINE, || self.group.try_wait()).expect("EnSight ends");
    }
}

impl Site {
    /// `PUT /ensight/v1/{session}{path}` with a JSON body, the secret in its header.
    #[track_caller]
    pub fn put(&self, path: &str, body: &Value) -> Response {
        self.send("PUT", path, &body.to_string())
    }

    /// `GET /ensight/v1/session{path}`, the secret in its header.
    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.send("GET", path, "")
    }

    /// A call with any method and body, the secret in its header.
    ///
    /// # Panics
    /// When it is not answered.
    #[track_caller]
    pub fn send(&self, method: &str, path: &str, body: &str) -> Response {
        let bearer = format!("Bearer {SECRET}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let mut conn = Conn::plain(self.server.http_port());
        let target = format!("/ensight/v1/session{path}");
        http::request_with(&mut conn, method, &target, &headers, body.as_bytes()).expect("an answer")
    }

    /// The value of an expression.
    ///
    /// # Panics
    /// When it is not answered with 200.
    #[track_caller]
    pub fn eval(&self, expression: &str) -> Value {
        let answer = self.put("/eval", &json!(expression));
        assert_eq!(answer.status, 200, "{expression}: {}", answer.text());
        answer.json()
    }

    /// Runs a statement.
    ///
    /// # Panics
    /// When it is not answered with 200.
    #[track_caller]
    pub fn exec(&self, statement: &str) {
        let answer = self.put("/exec", &json!(statement));
        assert_eq!(answer.status, 200, "{statement}: {}", answer.text());
    }
}
