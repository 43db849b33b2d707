//! The servers that are compared.

use std::ffi::OsString;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that does not listen by then never will.
const START: Duration = Duration::from_secs(10);

/// One way of doing the work.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    program: OsString,
    /// Members share a command.
    pub(crate) shares: bool,
    is_websocketd: bool,
}

/// Ours, and the peers that are there.
pub(crate) fn ways() -> Vec<Way> {
    let ours = env!("CARGO_BIN_EXE_scalesocket");
    let mut ways = vec![Way { name: "berth", program: ours.into(), shares: true, is_websocketd: false }];
    if let Some(program) = peer("BERTH_SCALESOCKET", "scalesocket") {
        ways.push(Way { name: "scalesocket upstream", program, shares: true, is_websocketd: false });
    }
    if let Some(program) = peer("BERTH_WEBSOCKETD", "websocketd") {
        ways.push(Way { name: "websocketd", program, shares: false, is_websocketd: true });
    }
    ways
}

fn peer(variable: &str, name: &str) -> Option<OsString> {
    let named = std::env::var_os(variable).map(PathBuf::from).filter(|file| file.is_file());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        named.or_else(|| std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file()));
    if found.is_none() {
        println!("{name} is not on PATH: skipped");
    }
    found.map(PathBuf::into_os_string)
}

/// A running server. Dropping it ends it.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start(way: &Way, command: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Command::new(&way.program);
        if way.is_websocketd {
            server.args(["--address=127.0.0.1", &format!("--port={port}"), "--loglevel=error"]).args(command);
        } else {
            server.args(["--addr", &format!("127.0.0.1:{port}"), command[0], "--"]).args(&command[1..]);
        }
        let child = server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { child, port };
        let began = Instant::now();
        while TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), START).is_err() {
            assert!(began.elapsed() < START, "{} does not listen", way.name);
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }

    /// Bytes of resident memory.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_ascii_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Asked first, so that its commands end with it.
        let id = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        let began = Instant::now();
        while began.elapsed() < START && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
