//! The built-in services: applications of an installation, and every way in which they can fail.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http;
use crate::support::server::{Builder, Server};
use crate::support::wait::{DEADLINE, eventually};
use crate::support::ws::{Frame, Ws};
use crate::support::yard::{self, Yard};

const BANNER: &[u8] = b"RFB 003.008\n";

/// A server with two of each application, which does what `behaviour` says.
fn server(yard: &Yard, behaviour: &str) -> Builder {
    let builder = yard.bare_server().env("APPLICATION", behaviour).args(&yard.root_args());
    builder.args(&["--local_session", "envision", "2", "--local_session", "ensight 1"])
}

/// A yard with an installation, and its server.
fn installed(behaviour: &str) -> (Yard, Server) {
    let yard = Yard::new();
    yard.install();
    let server = server(&yard, behaviour).start();
    (yard, server)
}

/// Reads the banner and the command line that the application says.
fn greeting(ws: &mut Ws) -> Vec<String> {
    let mut data = Vec::new();
    while data.split(|byte| *byte == b'\n').count() < 3 {
        data.extend(ws.next_answering().expect("data").payload);
    }
    let line = data.strip_prefix(BANNER).expect("the banner first");
    serde_json::from_slice(line).expect("the command line")
}

/// Launches what cannot work, and returns the close code and reason.
#[track_caller]
fn failure(server: &Server, service: &str) -> (u16, String) {
    let (digest, code, reason) = yard::launch(server, service).drain();
    assert_eq!(digest.count, 0, "no data from what failed");
    yard::wait_state(server, service, 0, "free", DEADLINE);
    let error = yard::slot(server, service, 0)["error"].as_str().map(str::to_owned).expect("an error in the status");
    let said = reason.trim_end_matches('…');
    assert!(error.starts_with(said), "the status says {error:?}, the close frame {reason:?}");
    (code, reason)
}

#[test]
fn applications_are_listed_by_their_long_names_and_reserved_by_both() {
    let (_yard, server) = installed("banner");
    let status = http::get(server.http_port(), "/v1/status", &[]).json();
    let listed: Vec<_> = status.as_array().unwrap().iter().map(|service| &service["name"]).collect();
    assert_eq!(listed, ["local_envision", "local_ensight"]);
    assert_eq!(status[0]["instances"].as_array().unwrap().len(), 2);
    assert_eq!(status[0]["common_options"]["file_ext"], json!(["evsn", "csf", "ply", "stl"]));
    for name in ["local_envision", "envision"] {
        yard::reserve(&server, name, "");
    }
    let taken = http::get(server.http_port(), "/v1/reserve/envision", &[]);
    assert_eq!(taken.status, 503);
    assert!(taken.header("Retry-After").is_some());
    assert_eq!(yard::slot(&server, "local_envision", 1)["state"], "reserved");
    assert_eq!(http::get(server.http_port(), "/v1/reserve/Envision", &[]).status, 404);
}

#[test]
fn an_application_gets_ports_of_its_own_and_the_file_as_its_last_argument() {
    let (yard, server) = installed("banner");
    yard.write("data/my file.evsn", "a scene");
    let token = yard::reserve(&server, "envision", "target_pathname=data%2Fmy%20file.evsn&size=1x1");
    let mut ws = yard::open(&server, &token);
    let words = greeting(&mut ws);
    let program = yard.file("CEI/bin/envision");
    assert_eq!(words[0], program.to_str().unwrap());
    assert_eq!(words[1], "-vnc");
    assert!(words[2].starts_with("vnc://?rfb_port=") && words[2].ends_with("&use_auth=0"), "{words:?}");
    let file = yard.file("data/my file.evsn").canonicalize().unwrap();
    assert_eq!((words.len(), words.last().unwrap().as_str()), (6, file.to_str().unwrap()));
    let options = yard::slot(&server, "local_envision", 0)["options"].clone();
    assert_eq!(options, json!({ "target_pathname": "data/my file.evsn", "size": "1x1" }));

    let mut other = yard::launch(&server, "ensight");
    let words = greeting(&mut other);
    assert_eq!(words[3], "-grpc_server");
    assert!(words[4].parse::<u16>().is_ok_and(|port| port > 0), "{words:?}");
    for ws in [ws, other] {
        ws.close();
    }
    yard.wait_empty(DEADLINE);
}

#[test]
fn files_outside_of_the_working_directory_are_no_target() {
    let (yard, server) = installed("banner");
    std::os::unix::fs::symlink("/etc/hostname", yard.file("out.evsn")).unwrap();
    for (target, status) in [("%2Fetc%2Fhostname", 400), ("..%2Fx", 400), ("-x", 400), ("a%00", 400), ("out.evsn", 200)]
    {
        let path = format!("/v1/reserve/envision?target_pathname={target}");
        let answer = http::get(server.http_port(), &path, &[]);
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
        if status == 200 {
            let token = answer.json()["token"].as_str().unwrap().to_owned();
            let (_, code, reason) = yard::open(&server, &token).drain();
            assert_eq!(code, 1011);
            assert!(reason.contains("leads out"), "{reason}");
        }
    }
    assert_eq!(yard.processes(), []);
}

#[test]
fn a_real_desktop_takes_the_place_of_an_application() {
    let (yard, server) = installed("xvnc");
    for _ in 0..3 {
        let mut ws = yard::launch(&server, "envision");
        assert_eq!(ws.take_data(BANNER.len()), BANNER);
        ws.send(&Frame::binary(BANNER));
        assert_eq!(ws.take_data(2), [1, 1], "one security type: None");
        ws.close();
    }
    yard.wait_empty(DEADLINE);
}

#[test]
fn the_installation_is_found_through_the_launcher_script() {
    let yard = Yard::new();
    yard.install();
    let script = yard.file("CEI/nexus261/nexus_launcher/websocketserver.py");
    let folder = yard.path().to_str().unwrap();
    let args = ["0", "--bind_address", "127.0.0.1", "--http_port", "0", "--http_directory", folder];
    let words: Vec<&str> =
        std::iter::once(script.to_str().unwrap()).chain(args).chain(["--local_session", "envision", "1"]).collect();
    let server = Server::start_exactly(&words, 2);
    let words = greeting(&mut yard::launch(&server, "envision"));
    assert_eq!(words[0], yard.file("CEI/bin/envision").to_str().unwrap());
}

#[test]
fn an_application_that_is_not_there_is_said_at_start_and_to_the_client() {
    let yard = Yard::new();
    fs::create_dir_all(yard.file("CEI/bin")).unwrap();
    let server = server(&yard, "banner").start();
    assert!(server.log().contains("reservations of local_envision will fail"), "{}", server.log());
    let (code, reason) = failure(&server, "local_envision");
    assert_eq!(code, 1011);
    assert!(reason.contains("--local_session envision"), "{reason}");
    let error = yard::slot(&server, "local_envision", 0)["error"].clone();
    assert!(error.as_str().unwrap().contains("CEI/bin/envision"), "{error}");
}

#[test]
fn an_application_that_may_not_be_executed_is_said_to_the_client() {
    let yard = Yard::new();
    let program = yard.write("CEI/bin/envision", "#!/bin/sh\n");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).unwrap();
    let server = server(&yard, "banner").start();
    let (code, reason) = failure(&server, "local_envision");
    let error = yard::slot(&server, "local_envision", 0)["error"].clone();
    assert_eq!(code, 1011, "{reason}");
    assert!(error.as_str().unwrap().contains("execut"), "{error}");
}

#[test]
fn an_application_that_exits_at_once_tells_the_client_its_last_words() {
    let (yard, server) = installed("exits");
    let (code, reason) = failure(&server, "local_envision");
    assert_eq!(code, 1011);
    assert!(reason.contains('3') && reason.contains("there is no licence for it"), "{reason}");
    yard.wait_empty(DEADLINE);
}

#[test]
fn an_application_that_never_listens_is_given_up_after_the_launch_timeout() {
    let yard = Yard::new();
    yard.install();
    let server = server(&yard, "deaf").args(&["--launch_timeout", "1"]).start();
    let began = Instant::now();
    let (code, reason) = failure(&server, "local_envision");
    assert_eq!(code, 1011);
    assert!(reason.contains("within 1 s"), "{reason}");
    assert!(began.elapsed() >= Duration::from_secs(1) && began.elapsed() < DEADLINE);
    yard.wait_empty(DEADLINE);
}

#[test]
fn an_application_that_dies_in_use_says_how_in_close_frame_and_status() {
    let (yard, server) = installed("dies");
    let token = yard::reserve(&server, "envision", "");
    let mut sockets = [yard::open(&server, &token), yard::open(&server, &token)];
    for ws in &mut sockets {
        greeting(ws);
    }
    sockets[0].send(&Frame::binary("a click"));
    for ws in &mut sockets {
        let (_, code, reason) = ws.drain();
        assert_eq!(code, 1011, "{reason}");
        assert!(reason.contains('7') && reason.contains("lost its mind"), "{reason}");
    }
    yard::wait_state(&server, "local_envision", 0, "free", DEADLINE);
    let slot = yard::slot(&server, "local_envision", 0);
    assert!(slot["error"].as_str().is_some_and(|error| error.contains("lost its mind")), "{slot}");
    yard.wait_empty(DEADLINE);
    // The next launch in this slot begins with a clean record.
    let mut ws = yard::launch(&server, "envision");
    greeting(&mut ws);
    assert_eq!(yard::slot(&server, "local_envision", 0)["error"], Value::Null);
}

#[test]
fn an_application_that_ignores_sigterm_is_killed_after_its_grace() {
    let (yard, server) = installed("stubborn");
    let token = yard::reserve(&server, "envision", "");
    let mut ws = yard::open(&server, &token);
    greeting(&mut ws);
    let began = Instant::now();
    assert_eq!(http::get(server.http_port(), &format!("/v1/release/{token}"), &[]).status, 200);
    let (_, code, reason) = ws.drain();
    assert_eq!((code, reason.as_str()), (1000, "the reservation was released"));
    assert_eq!(yard::slot(&server, "local_envision", 0)["state"], "stopping");
    assert_ne!(yard.processes(), [], "it does not heed SIGTERM");
    yard::wait_state(&server, "local_envision", 0, "free", DEADLINE);
    assert!(began.elapsed() >= Duration::from_secs(4), "killed after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(10), "killed after {:?}", began.elapsed());
    assert_eq!(yard.processes(), []);
}

#[test]
fn the_index_is_taken_until_the_last_grandchild_is_gone() {
    let (yard, server) = installed("family");
    let mut ws = yard::launch(&server, "ensight");
    greeting(&mut ws);
    let asleep = || yard.processes().iter().filter(|(_, words)| words.contains("sleep infinity")).count();
    eventually(DEADLINE, "three grandchildren", || asleep() >= 3);
    ws.close();
    eventually(DEADLINE, "the slot is free", || {
        let left = yard.processes();
        let free = yard::slot(&server, "local_ensight", 0)["state"] == "free";
        assert!(!free || yard.processes().is_empty(), "free, and there was still {left:?}");
        free
    });
    greeting(&mut yard::launch(&server, "ensight"));
}
