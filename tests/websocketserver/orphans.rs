//! What is left of services when the server is killed and cannot do anything about them.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::support::wait::{DEADLINE, eventually};
use crate::support::yard::{self, Yard};

/// How soon everything is gone.
const GONE: Duration = Duration::from_secs(5);

/// Listens, with a child and a daemon: a program whose parent has ended, in a session and with streams of its own.
const FAMILY: &str = r#"
    setsid sh -c 'exec sleep 1001 </dev/null >/dev/null 2>&1 &'
    sh -c 'sleep 1002 & wait' &
    exec python3 -c '
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client, _ = listener.accept()
    client.sendall(b"ready")
    client.recv(1)
' "$0"
"#;

const SCRIPT: &str = r#"
import pathlib, socket, subprocess, threading
from remote_service_script import RemoteServiceScript

class Service(RemoteServiceScript):
    def start(self, index, options):
        self.child = subprocess.Popen(["sleep", "1003"])
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.serve, daemon=True).start()
        return self.listener.getsockname()

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            client.sendall(b"ready")
            threading.Thread(target=client.recv, args=[1], daemon=True).start()

    def stop(self):
        self.child.kill()
        self.child.wait()
        pathlib.Path("stopped").write_text("by its own stop()")
"#;

#[test]
fn nothing_survives_a_server_that_is_killed_and_scripts_still_stop_in_their_own_way() {
    let yard = Yard::new();
    yard.write("service.py", SCRIPT);
    yard.install();
    let services = json!({
        "Family": { "command": ["sh", "-c", FAMILY, "{port}"], "count": 1 },
        "Script": { "script": "service.py", "count": 1 },
    });
    let mut server = yard.server(&services).args(&["--local_session", "envision", "1"]).args(&yard.root_args()).start();
    let mut sockets = ["Family", "Script", "local_envision"].map(|name| yard::launch(&server, name));
    for (ws, first) in sockets.iter_mut().zip(["ready", "ready", "RFB 0"]) {
        assert_eq!(ws.next_answering().expect("data").payload.get(..5), Some(first.as_bytes()));
    }
    let runs = |part: &str| yard.processes().iter().any(|(_, words)| words.contains(part));
    for part in ["create_server", "sleep 1001", "sleep 1002", "sleep 1003", "remote_service_script", "rfb_port"] {
        eventually(DEADLINE, &format!("{part} runs"), || runs(part));
    }
    server.signal(Signal::KILL);
    server.wait_exit(DEADLINE);
    yard.wait_empty(GONE);
    assert_eq!(fs::read_to_string(yard.file("stopped")).unwrap_or_default(), "by its own stop()");
}
