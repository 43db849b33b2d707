//! A folder with programs to launch, and a server that launches them: what a test leaves behind is found here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tempfile::TempDir;

use super::http;
use super::server::{Builder, Server};
use super::stream::Conn;
use super::wait::{eventually, eventually_some};
use super::ws::Ws;

/// Everything that the server starts inherits this variable, with the yard's folder as its value.
const MARK: &str = "BERTH_TEST_YARD";

/// Programs of the tests, which are started where they lie: a copy would be "busy" while another test forks.
pub const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/websocketserver/programs");

/// A folder of one test.
#[derive(Debug)]
pub struct Yard {
    folder: TempDir,
}

impl Yard {
    /// An empty one.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new() -> Self {
        Self { folder: TempDir::new().expect("a folder for a yard") }
    }

    /// The folder, which is served too.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A file of it, there or not.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder in the yard");
        fs::write(&path, text).expect("a file in the yard");
        path
    }

    /// A server that serves the folder, knows `services` (`--remote_session_config`), and works in the folder.
    pub fn server(&self, services: &Value) -> Builder {
        let config = self.write("services.json", &services.to_string());
        self.bare_server().args(&["--remote_session_config", config.to_str().expect("UTF-8")])
    }

    /// The same without services of its own.
    pub fn bare_server(&self) -> Builder {
        let folder = self.path().to_str().expect("UTF-8");
        let builder = Server::builder().args(&["--http_directory", folder]).cwd(folder);
        builder.env(MARK, folder).env("TMPDIR", folder).env("HOME", folder)
    }

    /// Puts a stand-in for an installation into the folder `CEI`. What its applications do, the variable
    /// `APPLICATION` says: see programs/application.py.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn install(&self) {
        fs::create_dir_all(self.file("CEI/bin")).expect("a folder in the yard");
        for name in ["envision", "ensight"] {
            let link = self.file("CEI/bin").join(name);
            std::os::unix::fs::symlink(format!("{PROGRAMS}/application.py"), link).expect("a link in the yard");
        }
    }

    /// The arguments that name the installation.
    pub fn root_args(&self) -> [String; 2] {
        ["--install_root".to_owned(), self.file("CEI").to_str().expect("UTF-8").to_owned()]
    }

    /// Ids and command lines of everything that runs because a server of this yard has started it.
    ///
    /// # Panics
    /// When there is no /proc.
    pub fn processes(&self) -> Vec<(i32, String)> {
        // The server and its helper are not meant.
        self.everything().into_iter().filter(|(pid, _)| !is_server(*pid)).collect()
    }

    /// Ids and command lines of everything that bears the mark of this yard, servers too.
    ///
    /// # Panics
    /// When there is no /proc.
    pub fn everything(&self) -> Vec<(i32, String)> {
        let mark = format!("{MARK}={}", self.path().display());
        let entries = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let marked = numbers.filter(|pid: &i32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
        });
        // What has ended and is not reaped has no words.
        let named = marked.map(|pid| (pid, command_line(pid)));
        named.filter(|(_, words)| !words.is_empty()).collect()
    }

    /// Marks what `command` starts, servers too, and gives it the folder for its files.
    pub fn mark(&self, command: &mut Command) {
        for name in [MARK, "TMPDIR", "HOME"] {
            command.env(name, self.path());
        }
    }

    /// Waits until nothing that bears the mark runs any more, no server either.
    #[track_caller]
    pub fn wait_empty_with_servers(&self, deadline: Duration) {
        let gone = eventually_some(deadline, || self.everything().is_empty().then_some(()));
        assert!(gone.is_some(), "still there after {deadline:?}: {:?}", self.everything());
    }

    /// Waits until nothing of what was launched runs any more.
    #[track_caller]
    pub fn wait_empty(&self, deadline: Duration) {
        let gone = eventually_some(deadline, || self.processes().is_empty().then_some(()));
        assert!(gone.is_some(), "still there after {deadline:?}: {:?}", self.processes());
    }
}

fn command_line(pid: i32) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).replace('\0', " ")
}

fn is_server(pid: i32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe"))
        .is_ok_and(|program| program == Path::new(env!("CARGO_BIN_EXE_websocketserver")))
}

/// Reserves an instance of a service, and returns its token; `query` are its options.
///
/// # Panics
/// When there is none to be had.
#[track_caller]
pub fn reserve(server: &Server, service: &str, query: &str) -> String {
    let name = utf8_percent_encode(service, NON_ALPHANUMERIC);
    let answer = http::get(server.http_port(), &format!("/v1/reserve/{name}?{query}"), &[]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["token"].as_str().expect("a token").to_owned()
}

/// Opens the websocket of a reservation.
///
/// # Panics
/// When it is refused.
#[track_caller]
pub fn open(server: &Server, token: &str) -> Ws {
    Ws::open(Conn::plain(server.ws_port()), &format!("/?token={token}")).expect("101 Switching Protocols")
}

/// Reserves, and opens the websocket.
///
/// # Panics
/// When either is refused.
#[track_caller]
pub fn launch(server: &Server, service: &str) -> Ws {
    open(server, &reserve(server, service, ""))
}

/// A slot of a service, as the status shows it.
///
/// # Panics
/// When there is none.
#[track_caller]
pub fn slot(server: &Server, service: &str, index: usize) -> Value {
    let answer = http::get(server.http_port(), "/v1/status", &[]).json();
    slot_in(&answer, service, index)
}

/// A slot of a service in the answer of `/v1/status`.
///
/// # Panics
/// When there is none.
#[track_caller]
pub fn slot_in(status: &Value, service: &str, index: usize) -> Value {
    let services = status.as_array().expect("a list of services");
    let found = services.iter().find(|listed| listed["name"] == service);
    let slot = found.unwrap_or_else(|| panic!("no {service} in {status}"))["instances"][index].clone();
    assert!(slot.is_object(), "no instance {index} in {status}");
    slot
}

/// Waits until a slot is in a state.
#[track_caller]
pub fn wait_state(server: &Server, service: &str, index: usize, state: &str, deadline: Duration) {
    eventually(deadline, &format!("{service} #{index} is {state}"), || slot(server, service, index)["state"] == state);
}
