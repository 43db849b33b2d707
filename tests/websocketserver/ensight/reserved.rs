//! A reservation's token as a session id: it means the instance that was launched for it, and no other.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;
use std::{fs, thread};

use serde_json::{Value, json};

use crate::support::ensight::{PROGRAMS, SECRET, python};
use crate::support::http::{self, Response};
use crate::support::server::{Builder, Server};
use crate::support::stream::Conn;
use crate::support::wait::{DEADLINE, eventually};
use crate::support::yard::{self, Yard};

/// A yard with an installation whose EnSight is the stand-in.
fn installed() -> Yard {
    let yard = Yard::new();
    let text = format!("#!/bin/sh\nexec '{}' {PROGRAMS}/standin.py \"$@\"\n", python().display());
    for name in ["ensight", "envision"] {
        let program = yard.write(&format!("CEI/bin/{name}"), &text);
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    yard
}

fn builder(yard: &Yard) -> Builder {
    let services = ["--local_session", "ensight 2", "--local_session", "envision 1"];
    yard.bare_server().args(&yard.root_args()).args(&services)
}

fn put(server: &Server, session: &str, bearer: Option<&str>, path: &str, body: &Value) -> Response {
    let mut conn = Conn::plain(server.http_port());
    let bearer = bearer.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("Content-Type", "text/plain;charset=UTF-8")];
    headers.extend(bearer.as_deref().map(|value| ("Authorization", value)));
    let target = format!("/ensight/v1/{session}{path}");
    http::request_with(&mut conn, "PUT", &target, &headers, body.to_string().as_bytes()).expect("an answer")
}

#[test]
fn each_token_reaches_its_own_instance() {
    let yard = installed();
    let server = builder(&yard).start();
    let tokens = [(); 2].map(|()| yard::reserve(&server, "ensight", ""));
    let sockets = tokens.each_ref().map(|token| yard::open(&server, token));
    for (number, token) in tokens.iter().enumerate() {
        let own = format!("me = {number}");
        assert_eq!(put(&server, token, None, "/exec", &json!(own)).status, 200);
    }
    for (number, token) in tokens.iter().enumerate() {
        assert_eq!(put(&server, token, None, "/eval", &json!("me")).json(), number);
        // The header wins, and the path may then hold anything.
        assert_eq!(put(&server, "session", Some(token), "/eval", &json!("me")).json(), number);
        // The instance's secret is its own.
        let secret = put(&server, token, None, "/eval", &json!("__import__('os').environ['ENSIGHT_SECURITY_TOKEN']"));
        assert_eq!(secret.json(), json!(token));
    }
    assert_eq!(put(&server, "unknown", None, "/eval", &json!("1")).status, 401);
    for (socket, token) in sockets.into_iter().zip(&tokens) {
        socket.close();
        // What is over is over.
        eventually(DEADLINE, "the token is forgotten", || {
            put(&server, token, None, "/eval", &json!("1")).status == 401
        });
    }
    yard.wait_empty(DEADLINE);
}

#[test]
fn a_call_before_the_websocket_waits_for_the_launch() {
    let yard = installed();
    let server = builder(&yard).start();
    let token = yard::reserve(&server, "ensight", "");
    thread::scope(|scope| {
        let early = scope.spawn(|| put(&server, &token, None, "/eval", &json!("6 * 7")));
        let socket = yard::open(&server, &token);
        assert_eq!(early.join().unwrap().json(), 42);
        socket.close();
    });
    yard.wait_empty(DEADLINE);
}

#[test]
fn what_cannot_be_reached_is_said_in_time() {
    let yard = installed();
    let server = builder(&yard).args(&["--grpc_timeout", "0.5", "--security_token", SECRET]).start();
    let token = |name: &str| {
        let path = format!("/v1/reserve/{name}?security_token={SECRET}");
        http::get(server.http_port(), &path, &[]).json()["token"].as_str().expect("a token").to_owned()
    };
    let unused = token("ensight");
    let began = Instant::now();
    let answer = put(&server, &unused, None, "/eval", &json!("1"));
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert!(began.elapsed().as_secs() < 10);
    // EnVision has no gRPC port, and no EnSight was named beside the services.
    let envision = token("envision");
    let socket = yard::open(&server, &envision);
    assert_eq!(put(&server, &envision, None, "/eval", &json!("1")).status, 502);
    assert_eq!(put(&server, SECRET, None, "/eval", &json!("1")).status, 404);
    socket.close();
    yard.wait_empty(DEADLINE);
}
