//! A launch that takes its time: the line is kept alive meanwhile, and whoever leaves is not waited for.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http;
use crate::support::server::Server;
use crate::support::stream::Conn;
use crate::support::tls::Certificate;
use crate::support::wait::{DEADLINE, eventually};
use crate::support::ws::{BINARY, CLOSE, Frame, PING, PONG, Ws};
use crate::support::yard::{self, Yard};

/// How soon a launch that nobody waits for is stopped.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Listens when the file `go` is there, and echoes. Nothing else makes it ready, however long that takes.
const ECHO: &str = r#"
import os, socket, sys, threading, time
while not os.path.exists("go"):
    time.sleep(0.01)
def echo(client):
    while data := client.recv(65536):
        client.sendall(data)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    threading.Thread(target=echo, args=[listener.accept()[0]], daemon=True).start()
"#;

fn services() -> Value {
    json!({ "Slow": { "command": ["python3", "-c", ECHO, "{port}"], "count": 1 } })
}

fn state(server: &Server) -> Value {
    yard::slot(server, "Slow", 0)["state"].clone()
}

#[test]
fn pings_keep_the_line_alive_until_a_slow_program_listens() {
    let yard = Yard::new();
    let server = yard.server(&services()).args(&["--heartbeat", "0.2"]).start();
    let mut ws = yard::launch(&server, "Slow");
    // Sent before there is anybody to take it, in pieces and between pings; nothing of it may be lost.
    for i in 0..6_u8 {
        ws.send(&Frame::binary([i; 1_000]));
        let ping = ws.next().expect("a ping");
        assert_eq!(ping.opcode, PING, "{ping:?}");
        ws.send(&Frame::new(PONG, ping.payload));
    }
    assert_eq!(state(&server), "launching");
    yard.write("go", "");
    let echoed = ws.take_data(6_000);
    assert!(echoed.chunks(1_000).zip(0..).all(|(chunk, i)| chunk.iter().all(|byte| *byte == i)));
    yard::wait_state(&server, "Slow", 0, "active", DEADLINE);
    assert_eq!(ws.close().0, 1000);
    yard.wait_empty(DEADLINE);
}

#[test]
fn without_a_heartbeat_there_are_no_pings_while_a_program_is_launched() {
    let yard = Yard::new();
    let server = yard.server(&services()).args(&["--heartbeat", "0"]).start();
    let mut ws = yard::launch(&server, "Slow");
    eventually(DEADLINE, "the program runs", || !yard.processes().is_empty());
    yard.write("go", "");
    ws.send(&Frame::binary("x"));
    assert_eq!(ws.next().expect("a frame").opcode, BINARY);
}

/// Waits for the launch, does `leave`, and sees that nothing is launched any more.
#[track_caller]
fn check_leaving(tls: bool, how: &str, leave: impl FnOnce(Ws) -> Option<Ws>) {
    let (yard, certificate) = (Yard::new(), Certificate::ec());
    let mut builder = yard.server(&services());
    if tls {
        builder = builder.args(&certificate.args());
    }
    let server = builder.start();
    let get = |path: &str| {
        let port = server.http_port();
        if tls { http::get_tls(port, path, &[]) } else { http::get(port, path, &[]) }
    };
    let token = get("/v1/reserve/Slow").json()["token"].as_str().unwrap().to_owned();
    let conn = if tls { Conn::tls(server.ws_port()) } else { Conn::plain(server.ws_port()) };
    let ws = Ws::open(conn, &format!("/?token={token}")).unwrap();
    eventually(DEADLINE, "the program runs", || !yard.processes().is_empty());
    let began = Instant::now();
    let kept = leave(ws);
    let state = || yard::slot_in(&get("/v1/status").json(), "Slow", 0)["state"].clone();
    eventually(AT_ONCE, &format!("the launch is stopped after {how}, TLS: {tls}"), || state() == "free");
    assert!(began.elapsed() < AT_ONCE);
    assert_eq!(yard.processes(), []);
    drop(kept);
}

#[test]
fn a_client_that_hangs_up_during_the_launch_stops_it_at_once() {
    for tls in [false, true] {
        check_leaving(tls, "the end of the connection", |ws| {
            drop(ws);
            None
        });
    }
    check_leaving(false, "a reset", |ws| {
        ws.conn.reset();
        None
    });
}

#[test]
fn a_client_that_says_goodbye_during_the_launch_stops_it_at_once() {
    for tls in [false, true] {
        // A page that closes its websocket waits for the answer before it hangs up.
        check_leaving(tls, "a close frame", |mut ws| {
            ws.send(&Frame::binary("some last words"));
            ws.send(&Frame::close(1001, "I have enough"));
            let answer = ws.next_answering().expect("an answer to the close frame");
            assert_eq!(answer.opcode, CLOSE);
            Some(ws)
        });
    }
}

#[test]
fn one_of_two_who_wait_may_leave() {
    let yard = Yard::new();
    let server = yard.server(&services()).start();
    let token = yard::reserve(&server, "Slow", "");
    let [mut first, second] = [(); 2].map(|()| yard::open(&server, &token));
    eventually(DEADLINE, "both wait", || yard::slot(&server, "Slow", 0)["connections"] == 2);
    drop(second);
    eventually(DEADLINE, "one waits", || yard::slot(&server, "Slow", 0)["connections"] == 1);
    assert_eq!(state(&server), "launching");
    yard.write("go", "");
    first.send(&Frame::binary("here"));
    assert_eq!(first.take_data(4), b"here");
}
