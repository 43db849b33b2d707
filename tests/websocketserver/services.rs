//! Services: reserved, launched, used and ended, as clients meet them.

mod application;
mod calls;
mod faults;
mod groups;
mod lifetimes;
mod race;
mod release;
mod scripts;
mod storm;

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::http::{self, Response};
use crate::support::server::{Builder, Server};
use crate::support::stream::Conn;
use crate::support::wait::{DEADLINE, eventually, eventually_some};
use crate::support::ws::{CLOSE, Ws};

/// Marks what belongs to one server, among the processes of tests that run at the same time.
const STAGE: &str = "BERTH_TEST_STAGE";

/// A server with services.
struct Stage {
    server: Server,
    folder: TempDir,
}

/// A folder with `services.json` in it, and a server that is to read that.
fn stage(services: &Value, args: &[&str]) -> Stage {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("services.json"), services.to_string()).unwrap();
    stage_in(folder, args)
}

/// A server with the services of a folder that was prepared.
fn stage_in(folder: TempDir, args: &[&str]) -> Stage {
    let server = builder(&folder).args(args).start();
    Stage { server, folder }
}

fn builder(folder: &TempDir) -> Builder {
    let config = folder.path().join("services.json");
    let name = folder.path().file_name().unwrap();
    Server::builder()
        .args(&["--http_directory".as_ref(), folder.path().as_os_str()])
        .args(&["--remote_session_config".as_ref(), config.as_os_str()])
        .env(STAGE, name)
}

/// The configuration of [`application`] as a service named `App`.
fn application(count: u32) -> Value {
    json!({ "App": application_entry(count) })
}

fn application_entry(count: u32) -> Value {
    json!({ "command": application::command(), "count": count, "options": { "mode": "listen", "more": "" } })
}

impl Stage {
    /// An answer of the REST API to `/v1/…`.
    fn call(&self, path: &str) -> Response {
        http::get(self.server.http_port(), &format!("/v1/{path}"), &[])
    }

    /// The token of a new reservation, with options in `path` or without.
    #[track_caller]
    fn reserve(&self, path: &str) -> String {
        let answer = self.call(&format!("reserve/{path}"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    /// A websocket with this token and, behind it, more of the query.
    #[track_caller]
    fn open(&self, token: &str) -> Ws {
        self.try_open(token).unwrap_or_else(|refusal| panic!("{token}: {}", refusal.text()))
    }

    fn try_open(&self, token: &str) -> Result<Ws, Box<Response>> {
        Ws::open(Conn::plain(self.server.ws_port()), &format!("/?token={token}"))
    }

    /// A websocket of a new reservation, and the process that answers there.
    #[track_caller]
    fn visit(&self, path: &str) -> (String, Ws, i32) {
        let token = self.reserve(path);
        let mut ws = self.open(&token);
        let pid = greeting(&mut ws);
        (token, ws, pid)
    }

    /// The instances of the first service, as the status tells.
    fn slots(&self) -> Vec<Value> {
        self.slots_of(0)
    }

    fn slots_of(&self, service: usize) -> Vec<Value> {
        self.call("status").json()[service]["instances"].as_array().unwrap().clone()
    }

    #[track_caller]
    fn wait_state(&self, index: usize, state: &str) -> Value {
        let found =
            eventually_some(DEADLINE, || self.slots().into_iter().nth(index).filter(|slot| slot["state"] == state));
        found.unwrap_or_else(|| panic!("not {state}: {:?}", self.slots()))
    }

    /// Waits until every slot of every service is free, and nothing of any instance is left.
    #[track_caller]
    fn wait_clean(&self) {
        let is_free = |slot: &Value| slot["state"] == "free";
        let all = || self.call("status").json();
        let free = || {
            let services = all();
            services.as_array().unwrap().iter().all(|s| s["instances"].as_array().unwrap().iter().all(is_free))
        };
        eventually(DEADLINE, "all slots are free", free);
        assert_eq!(self.instances(), [0; 0], "a slot is free when its processes are gone");
        eventually(DEADLINE, "no zombie is left", || zombies_of(self.server.pid()) == 0);
    }

    /// Processes that belong to instances of this server.
    fn instances(&self) -> Vec<i32> {
        instances(&self.folder)
    }
}

fn instances(folder: &TempDir) -> Vec<i32> {
    let mark = format!("{STAGE}={}", folder.path().file_name().unwrap().display());
    let is_ours = |pid: &i32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mut variables = environ.split(|byte| *byte == 0);
        variables.clone().any(|variable| variable == mark.as_bytes())
            && variables.any(|variable| variable.starts_with(b"BERTH_INSTANCE="))
    };
    processes().filter(is_ours).collect()
}

fn processes() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// State and parent of a process (`proc(5)`).
fn state_and_parent(pid: i32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn zombies_of(parent: u32) -> usize {
    processes().filter_map(state_and_parent).filter(|found| *found == ('Z', parent)).count()
}

/// Whether the process is there; dead ones that nobody has buried are not.
fn runs(pid: i32) -> bool {
    state_and_parent(pid).is_some_and(|(state, _)| state != 'Z')
}

/// The number in the line that each application begins with.
#[track_caller]
fn greeting(ws: &mut Ws) -> i32 {
    try_greeting(ws).unwrap_or_else(|(code, reason)| panic!("closed with {code}: {reason}"))
}

/// The same, or how the websocket was closed instead.
fn try_greeting(ws: &mut Ws) -> Result<i32, (u16, String)> {
    let line = read_line(ws)?;
    Ok(line.trim().strip_prefix("pid ").unwrap_or_else(|| panic!("no greeting: {line:?}")).parse().unwrap())
}

fn read_line(ws: &mut Ws) -> Result<String, (u16, String)> {
    let mut text = Vec::new();
    while text.last() != Some(&b'\n') {
        let Some(frame) = ws.next_answering() else { return Err((1006, "no close frame".to_owned())) };
        if frame.opcode == CLOSE {
            return Err(frame.close_reason());
        }
        text.extend(frame.payload);
    }
    Ok(String::from_utf8(text).unwrap())
}

/// What still comes, and how the websocket was closed.
#[track_caller]
fn rest(ws: &mut Ws) -> (String, u16, String) {
    let mut text = Vec::new();
    loop {
        let frame = ws.next_answering().expect("a close frame before the end");
        if frame.opcode == CLOSE {
            let (code, reason) = frame.close_reason();
            return (String::from_utf8_lossy(&text).into_owned(), code, reason);
        }
        text.extend(frame.payload);
    }
}

/// How the websocket was closed, once it is.
#[track_caller]
fn ending(ws: &mut Ws) -> (u16, String) {
    let (_, code, reason) = rest(ws);
    (code, reason)
}

/// Long enough for a stop of everything, as the manual promises it.
const STOP: Duration = Duration::from_secs(10);
