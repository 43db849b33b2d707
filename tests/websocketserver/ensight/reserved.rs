//! What a reservation's token reaches, and what not: its secret, and services without gRPC.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::ensight::{SECRET, installation};
use crate::support::http::{self, Response};
use crate::support::server::{Builder, Server};
use crate::support::stream::Conn;
use crate::support::wait::{DEADLINE, eventually};
use crate::support::yard::{self, Yard};

/// A server with an installation whose EnSight is the stand-in.
fn builder(yard: &Yard) -> Builder {
    installation(yard);
    let services = ["--local_session", "ensight 2", "--local_session", "envision 1"];
    yard.bare_server().args(&yard.root_args()).args(&services)
}

fn put(server: &Server, session: &str, bearer: Option<&str>, expression: &str) -> Response {
    let mut conn = Conn::plain(server.http_port());
    let bearer = bearer.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = bearer.as_deref().map(|value| ("Authorization", value)).into_iter().collect();
    let target = format!("/ensight/v1/{session}/eval");
    let body: Value = json!(expression);
    http::request_with(&mut conn, "PUT", &target, &headers, body.to_string().as_bytes()).expect("an answer")
}

#[test]
fn each_instance_has_a_secret_of_its_own_and_forgets_it() {
    let yard = Yard::new();
    let server = builder(&yard).start();
    let tokens = [(); 2].map(|()| yard::reserve(&server, "ensight", ""));
    let sockets = tokens.each_ref().map(|token| yard::open(&server, token));
    for token in &tokens {
        let secret = "__import__('os').environ['ENSIGHT_SECURITY_TOKEN']";
        assert_eq!(put(&server, token, None, secret).json(), json!(token));
        // The header wins, and the path may then hold anything, another's token too.
        assert_eq!(put(&server, &tokens[0], Some(token), secret).json(), json!(token));
    }
    for (socket, token) in sockets.into_iter().zip(&tokens) {
        socket.close();
        eventually(DEADLINE, "the token is forgotten", || put(&server, token, None, "1").status == 401);
    }
    yard.wait_empty(DEADLINE);
}

#[test]
fn what_cannot_be_reached_is_said_in_time() {
    let yard = Yard::new();
    let server = builder(&yard).args(&["--grpc_timeout", "0.5", "--security_token", SECRET]).start();
    let token = |name: &str| {
        let path = format!("/v1/reserve/{name}?security_token={SECRET}");
        http::get(server.http_port(), &path, &[]).json()["token"].as_str().expect("a token").to_owned()
    };
    let unused = token("ensight");
    let began = Instant::now();
    let answer = put(&server, &unused, None, "1");
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert!(began.elapsed().as_secs() < 10);
    // Nor may a stranger try, and there is no EnSight beside those of reservations.
    assert_eq!(put(&server, "stranger", None, "1").status, 401);
    assert_eq!(put(&server, SECRET, None, "1").status, 404);
    assert!(!server.log().contains(&unused) && !server.log().contains(SECRET), "no token is in the log");
}
