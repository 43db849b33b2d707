//! The examples, as their visitors meet them: in browsers, started with what their `run` scripts say.

mod chat;
mod game;
mod terminal;

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::http;
use crate::support::server::Server;
use crate::support::ws::Ws;

use super::members::{join, next_text, text};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Browsers start slowly beside others.
const PAGE_DEADLINE: Duration = Duration::from_mins(1);

/// The arguments of `scalesocket` in a shell command, without its address. `before` is for the shell.
fn arguments(command: &str, before: &str) -> Vec<String> {
    let mut shell = Command::new("bash");
    shell.args(["-euc", &format!("{before}\nprintf '%s\\0' {command}"), "run"]).env_remove("ADDR").env_remove("PORT");
    let words = shell.output().expect("bash starts");
    assert!(words.status.success(), "{words:?}");
    let words = String::from_utf8(words.stdout).expect("UTF-8");
    let mut args: Vec<String> = words.trim_end_matches('\0').split('\0').map(str::to_owned).collect();
    let address: Vec<String> = args.drain(..2).collect();
    // Nobody else is let in before somebody asks for it.
    assert_eq!(address, ["--addr", "127.0.0.1:9000"]);
    args
}

/// What an example's `run` starts the server with.
fn run_arguments(name: &str, before: &str) -> Vec<String> {
    let script = fs::read_to_string(format!("{ROOT}/examples/{name}/run")).expect("the script run");
    let (_, command) = script.split_once("exec target/release/scalesocket ").expect("the line with the server");
    arguments(command, before)
}

/// Starts the server as the example's `run` does, but on a port that the system chooses.
fn example(name: &str, before: &str) -> Server {
    // No prompt of whoever runs the tests.
    Server::scalesocket_builder().args(&run_arguments(name, before)).env("HOME", "/").cwd(ROOT).start()
}

/// The example's page in a browser of its own.
fn visit(server: &Server, hash: &str) -> Browser {
    let mut browser = Browser::start();
    browser.open(&format!("http://localhost:{}/{hash}", server.room_port()));
    browser
}

/// Nothing went wrong in the page.
#[track_caller]
fn assert_no_errors(browser: &Browser) {
    let errors = browser.console_errors();
    assert!(errors.is_empty(), "errors in the page: {errors:?}");
}

/// The next message, which has to be JSON.
#[track_caller]
fn next_json(ws: &mut Ws) -> Value {
    serde_json::from_str(&next_text(ws)).expect("JSON")
}

/// Presses a key, or lets it go (`keyUp`).
fn key(browser: &mut Browser, kind: &str, name: &str) {
    browser.command("Input.dispatchKeyEvent", &json!({ "type": kind, "key": name, "code": name }));
}

/// Kills the command of the only room.
fn kill_command(server: &Server) {
    let (id, _) = server.children().first().cloned().expect("a command");
    let pid = rustix::process::Pid::from_raw(id).expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("the command is there");
}

#[test]
fn a_folder_without_a_page_is_not_there() {
    let server = Server::scalesocket(&["--staticdir", concat!(env!("CARGO_MANIFEST_DIR"), "/examples"), "cat"]);
    for (path, status) in [("/", 404), ("/chat/", 200), ("/nothing/", 404)] {
        assert_eq!(http::get(server.room_port(), path, &[]).status, status, "{path}");
    }
}
