//! Scripts that go wrong: what the client is told, what the log has, and that the slot is none the worse for it.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};

use super::{Stage, ending, greeting, read_line, runs, stage_in, try_greeting};
use crate::support::backend::Backend;
use crate::support::wait::{DEADLINE, eventually};
use crate::support::ws::Frame;

/// A script whose service greets; `%` is where a fault may be put.
const FRAME: &str = r#"
import os, socket, sys, threading, time
from remote_service_script import RemoteServiceScript

def serve(word):
    listener = socket.create_server(("127.0.0.1", 0))
    def accept():
        while True:
            connection, _ = listener.accept()
            connection.sendall(b"%s %d\n" % (word, os.getpid()))
            threading.Thread(target=connection.recv, args=(1,), daemon=True).start()
            kept.append(connection)
    kept = []
    threading.Thread(target=accept, daemon=True).start()
    return "127.0.0.1", listener.getsockname()[1]

class Service(RemoteServiceScript):
    def start(self, index, options):
        %START%
        return serve(b"pid")

    def stop(self):
        %STOP%
        pass
"#;

fn script(start: &str, stop: &str) -> String {
    FRAME.replace("%START%", start).replace("%STOP%", stop)
}

/// A server with one instance of each script.
fn scripts(list: &[(&str, String)], args: &[&str]) -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let mut services = Map::new();
    for (name, text) in list {
        let file = format!("{name}.py");
        fs::write(folder.path().join(&file), text).unwrap();
        services.insert((*name).to_owned(), json!({ "script": file, "count": 1 }));
    }
    fs::write(folder.path().join("services.json"), Value::from(services).to_string()).unwrap();
    stage_in(folder, args)
}

fn error_of(stage: &Stage, name: &str) -> Value {
    let services = stage.call("status").json();
    let service = services.as_array().unwrap().iter().find(|service| service["name"] == name).unwrap();
    service["instances"][0]["error"].clone()
}

/// Whether a good script works in the slot of a bad one.
#[track_caller]
fn works_when_mended(stage: &Stage, name: &str) {
    fs::write(stage.folder.path().join(format!("{name}.py")), script("", "")).unwrap();
    let (_, ws, pid) = stage.visit(name);
    assert!(runs(pid));
    assert_eq!(ws.close().0, 1000);
}

#[test]
fn a_script_that_fails_tells_the_client_why_and_leaves_its_slot_free() {
    let none = "answer = 42\n".to_owned();
    let two = format!("{}\nclass Another(RemoteServiceScript):\n    pass\n", script("", ""));
    // Name, text, what the close frame says, what the log says.
    let cases = [
        ("raise", script("raise RuntimeError('no licence today')", ""), "RuntimeError: no licence today", "Traceback"),
        ("exit", script("sys.exit(3)", ""), "the script called sys.exit(3)", "SystemExit"),
        ("die", script("print('so long'); sys.stdout.flush(); os._exit(4)", ""), "exited with code 4", "so long"),
        ("nothing", script("return None", ""), "start() returned None", "start() returned None"),
        ("single", script("return ('x',)", ""), "start() returned ('x',)", "and not (host, port)"),
        ("zero", script("return 'localhost', 0", ""), "the port 0", "not one from 1 to 65535"),
        ("letter", script("return 'localhost', 'a'", ""), "the port 'a'", "not an int"),
        ("number", script("return 5, 80", ""), "the host 5", "not the name or address of a host"),
        ("keys", script("return {'port': 1}", ""), "a dict without 'host'", "a dict without 'host'"),
        ("syntax", "def start(:\n".to_owned(), "syntax.py, line 1: SyntaxError", "SyntaxError"),
        ("two", two, "has Another, Service", "must define one subclass"),
        ("none", none, "has none", "must define one subclass"),
        ("import", "import not_there\n".to_owned(), "No module named 'not_there'", "Traceback"),
    ];
    let list = cases.clone().map(|(name, text, ..)| (name, text));
    let stage = scripts(&list, &[]);
    for (name, _, told, logged) in cases {
        let token = stage.reserve(name);
        let mut ws = stage.open(&token);
        let (code, reason) = ending(&mut ws);
        assert_eq!(code, 1011, "{name}: {reason}");
        assert!(reason.contains(told), "{name}: {reason}");
        let is_logged = |line: &str| line.contains(&format!("{name} #0")) && line.contains(logged);
        eventually(DEADLINE, &format!("{name}: {logged} in the log"), || stage.server.log().lines().any(is_logged));
        assert_eq!(stage.try_open(&token).unwrap_err().status, 403, "{name}: the token has had its launch");
        stage.wait_clean();
        let error = error_of(&stage, name).as_str().unwrap_or_default().to_owned();
        assert!(error.contains(told), "{name}: {error}");
        works_when_mended(&stage, name);
        assert_eq!(error_of(&stage, name), Value::Null, "{name}: the last instance was a good one");
    }
    stage.wait_clean();
}

#[test]
fn a_script_that_hangs_in_start_is_given_up_after_the_launch_timeout() {
    let hang = script("print('waiting for the licence server', flush=True); time.sleep(1000)", "");
    let stage = scripts(&[("hang", hang)], &["--launch_timeout", "1"]);
    let token = stage.reserve("hang");
    let (code, reason) = ending(&mut stage.open(&token));
    assert_eq!(code, 1011);
    assert!(reason.contains("within 1 s"), "{reason}");
    assert!(stage.server.log().contains("hang #0: waiting for the licence server"));
    stage.wait_clean();
}

#[test]
fn a_script_that_hangs_in_stop_is_ended_all_the_same() {
    let stage = scripts(&[("stuck", script("", "time.sleep(1000)"))], &[]);
    let (_, ws, pid) = stage.visit("stuck");
    assert_eq!(ws.close().0, 1000);
    stage.wait_state(0, "stopping");
    stage.wait_clean();
    assert!(!runs(pid));
    works_when_mended(&stage, "stuck");
}

#[test]
fn junk_that_a_script_prints_reaches_the_log_as_harmless_lines() {
    let junk = "for out in 1, 2: os.write(out, b'\\xff\\x00\\x1b[2Jjunk\\r\\nno end')";
    let stage = scripts(&[("junk", script(junk, "print('goodbye', flush=True)"))], &[]);
    let (_, ws, _) = stage.visit("junk");
    assert_eq!(ws.close().0, 1000);
    stage.wait_clean();
    let log = stage.server.log();
    assert!(log.contains("junk #0: goodbye") || log.contains("goodbye"), "{log}");
    assert!(log.contains("\\u{1b}[2Jjunk"), "{log}");
    assert!(!log.contains(['\u{1b}', '\0']), "{log:?}");
}

#[test]
fn a_daemon_that_a_script_leaves_behind_ends_with_its_instance() {
    let daemon = "
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.closerange(0, 100)
                time.sleep(1000)
            os._exit(0)
        os.wait()";
    let stage = scripts(&[("daemon", script(daemon.trim_start(), ""))], &[]);
    let (_, ws, _) = stage.visit("daemon");
    assert_eq!(stage.instances().len(), 2, "the host and the daemon");
    assert_eq!(ws.close().0, 1000);
    stage.wait_clean();
}

#[test]
fn endpoints_are_chosen_by_name() {
    let start = "host, port = serve(b'pid')
        return {'host': host, 'port': port, 'endpoints': {'log': serve(b'log'), 'two words': serve(b'two')}}";
    let stage = scripts(&[("many", script(start, ""))], &[]);
    let (token, first, pid) = stage.visit("many");
    for (endpoint, word) in [("log", "log"), ("two%20words", "two")] {
        let mut ws = stage.open(&format!("{token}&endpoint={endpoint}"));
        assert_eq!(read_line(&mut ws).unwrap(), format!("{word} {pid}\n"));
    }
    for unknown in ["nothing", "", "LOG"] {
        let mut ws = stage.open(&format!("{token}&endpoint={unknown}"));
        let (code, reason) = try_greeting(&mut ws).unwrap_err();
        assert_eq!(code, 1008, "{unknown}: {reason}");
        assert!(reason.contains("has no endpoint"), "{unknown}: {reason}");
    }
    assert!(runs(pid), "a wrong endpoint is the end of its own websocket only");
    drop(first);
    stage.wait_clean();
}

#[test]
fn tunnels_close_when_the_script_dies_though_its_service_lives_elsewhere() {
    let backend = Backend::echo();
    let start = format!("return '127.0.0.1', {}", backend.port());
    let stage = scripts(&[("remote", script(&start, ""))], &[]);
    let mut ws = stage.open(&stage.reserve("remote"));
    ws.send(&Frame::binary(*b"hello"));
    assert_eq!(ws.take_data(5), b"hello");
    kill_process(Pid::from_raw(stage.instances()[0]).unwrap(), Signal::KILL).unwrap();
    let (code, reason) = ending(&mut ws);
    assert_eq!(code, 1011);
    assert!(reason.contains("killed by SIGKILL"), "{reason}");
    stage.wait_clean();
}

#[test]
fn instances_of_a_script_run_apart() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("two.py"), script("", "")).unwrap();
    fs::write(folder.path().join("services.json"), r#"{"two": {"script": "two.py", "count": 2}}"#).unwrap();
    let stage = stage_in(folder, &[]);
    let (_, first, one) = stage.visit("two");
    let (_, second, other) = stage.visit("two");
    assert_ne!(one, other);
    drop(first);
    stage.wait_state(0, "free");
    assert!(runs(other));
    let mut again = stage.open(&stage.reserve("two"));
    assert_ne!(greeting(&mut again), one);
    drop((second, again));
    stage.wait_clean();
}
