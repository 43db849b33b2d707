//! A reservation's token is a session id too: its calls reach that instance's own EnSight.

use serde_json::{Value, json};

use crate::support::ensight::{Place, SECRET, Transport, installation};
use crate::support::http::{self, Response};
use crate::support::server::Server;
use crate::support::stream::Conn;
use crate::support::wait::DEADLINE;
use crate::support::yard::{Yard, open, reserve};

/// The value of an expression, asked of the session `token`.
#[track_caller]
fn eval(server: &Server, token: &str, expression: &str) -> Response {
    call(server, token, "eval", &json!(expression))
}

#[track_caller]
fn call(server: &Server, token: &str, path: &str, body: &Value) -> Response {
    let target = format!("/ensight/v1/{token}/{path}");
    let mut conn = Conn::plain(server.http_port());
    // As the viewer does it.
    let headers = [("Content-Type", "text/plain"), ("Connection", "close")];
    http::request_with(&mut conn, "PUT", &target, &headers, body.to_string().as_bytes()).expect("an answer")
}

fn server(yard: &Yard, more: &[String]) -> Server {
    installation(yard);
    yard.bare_server().args(&["--local_session", "ensight", "2"]).args(&yard.root_args()).args(more).start()
}

#[test]
fn each_token_reaches_its_own_ensight() {
    let yard = Yard::new();
    let server = server(&yard, &[]);
    let tokens = [(); 2].map(|()| reserve(&server, "local_ensight", ""));
    let tunnels = tokens.each_ref().map(|token| open(&server, token));
    for (index, token) in tokens.iter().enumerate() {
        let answer = call(&server, token, "exec", &json!(format!("mark = {index}")));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    for (index, token) in tokens.iter().enumerate() {
        assert_eq!(eval(&server, token, "mark").json(), index);
    }
    // Neither a made-up token nor none reaches any of them, and a released one does no longer.
    for stranger in ["session", "00000000-0000-4000-8000-000000000000"] {
        assert_eq!(eval(&server, stranger, "1").status, 401, "{stranger}");
    }
    assert_eq!(http::get(server.http_port(), &format!("/v1/release/{}", tokens[0]), &[]).status, 200);
    assert_eq!(eval(&server, &tokens[0], "1").status, 401);
    assert_eq!(eval(&server, &tokens[1], "mark").json(), 1);
    drop(tunnels);
    yard.wait_empty(DEADLINE);
}

#[test]
fn a_call_may_come_before_the_websocket_that_launches() {
    let yard = Yard::new();
    let server = server(&yard, &[]);
    let token = reserve(&server, "local_ensight", "");
    std::thread::scope(|scope| {
        let early = scope.spawn(|| eval(&server, &token, "6 * 7"));
        let _tunnel = open(&server, &token);
        assert_eq!(early.join().unwrap().json(), 42);
    });
}

#[test]
fn the_main_ensight_and_those_of_reservations_are_different() {
    let place = Place::new(Transport::Tcp);
    let _main = place.start(&[]);
    let yard = Yard::new();
    let mut more = place.args();
    more.extend(["--security_token", SECRET].map(str::to_owned));
    let server = server(&yard, &more);
    let reserved = http::get(server.http_port(), &format!("/v1/reserve/local_ensight?security_token={SECRET}"), &[]);
    let token = reserved.json()["token"].as_str().unwrap().to_owned();
    let _tunnel = open(&server, &token);
    assert_eq!(call(&server, SECRET, "exec", &json!("mark = 'main'")).status, 200);
    assert_eq!(call(&server, &token, "exec", &json!("mark = 'own'")).status, 200);
    assert_eq!(eval(&server, SECRET, "mark").json(), "main");
    assert_eq!(eval(&server, &token, "mark").json(), "own");
}
