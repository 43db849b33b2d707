//! The opening handshake: what is agreed, what is refused, and with which words.

use crate::support::backend::Backend;
use crate::support::http::{self, Response};
use crate::support::server::Server;
use crate::support::stream::Conn;
use crate::support::ws::{Frame, KEY, Ws};

struct Both {
    server: Server,
    _backend: Backend,
    _folder: tempfile::TempDir,
}

/// A server with a target and both ports.
fn server(more: &[&str]) -> Both {
    let backend = Backend::echo();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::builder()
        .args(&backend.args())
        .args(&["--http_directory", folder.path().to_str().unwrap()])
        .args(more)
        .start();
    Both { server, _backend: backend, _folder: folder }
}

impl Both {
    fn ports(&self) -> [u16; 2] {
        [self.server.ws_port(), self.server.http_port()]
    }

    /// The answer to a handshake with these headers, the same on both ports.
    #[track_caller]
    fn answer(&self, headers: &[(&str, &str)]) -> Response {
        let answers = self.ports().map(|port| match Ws::open_with(Conn::plain(port), "/", headers) {
            Ok(ws) => ws.response,
            Err(refusal) => *refusal,
        });
        assert_eq!(answers[0].status, answers[1].status, "{headers:?}");
        answers[0].clone()
    }
}

#[test]
fn other_versions_are_told_the_one_that_is_spoken() {
    let both = server(&[]);
    for version in ["", "8", "12", "14", "013", "13, 8", "x"] {
        let answer = both.answer(&[("Sec-WebSocket-Version", version)]);
        assert_eq!(answer.status, 426, "{version:?}");
        assert_eq!(answer.header("Sec-WebSocket-Version"), Some("13"), "{version:?}");
    }
}

#[test]
fn a_key_must_be_there_once_and_be_one() {
    let both = server(&[]);
    for key in [
        "",
        "short",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "!GhlIHNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25jZQ==x",
    ] {
        assert_eq!(both.answer(&[("Sec-WebSocket-Key", key)]).status, 400, "{key:?}");
    }
    for twice in [[KEY, KEY], [KEY, "AAAAAAAAAAAAAAAAAAAAAA=="]] {
        let headers = twice.map(|key| ("Sec-WebSocket-Key", key));
        assert_eq!(both.answer(&headers).status, 400, "{twice:?}");
    }
}

#[test]
fn upgrades_that_are_none_are_refused() {
    let both = server(&[]);
    assert_eq!(both.answer(&[("Connection", "keep-alive")]).status, 400);
    assert_eq!(both.answer(&[("Content-Length", "5")]).status, 400);
    for port in both.ports() {
        let ask = |line: &str| {
            let rest = format!(
                "Host: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}"
            );
            http::raw(port, format!("{line}\r\n{rest}\r\n\r\n")).status
        };
        assert_eq!(ask("POST / HTTP/1.1"), 405);
        assert_eq!(ask("GET / HTTP/1.0"), 400);
    }
}

#[test]
fn what_proxies_and_browsers_write_is_understood() {
    let both = server(&[]);
    for headers in [
        [("Connection", "keep-alive, Upgrade"), ("Upgrade", "websocket")],
        [("connection", "upgrade"), ("upgrade", "WebSocket")],
        [("Connection", "UPGRADE,close"), ("Upgrade", "h2c, websocket")],
    ] {
        assert_eq!(both.answer(&headers).status, 101, "{headers:?}");
    }
}

#[test]
fn binary_is_echoed_wherever_it_is_offered_and_nothing_else_is() {
    let both = server(&[]);
    let name = "Sec-WebSocket-Protocol";
    for offers in [
        vec!["binary"],
        vec!["base64, binary"],
        vec!["binary,base64"],
        vec!["base64", "binary"],
        vec!["x , binary , y"],
    ] {
        let headers: Vec<_> = offers.iter().map(|offer| (name, *offer)).collect();
        let answer = both.answer(&headers);
        assert_eq!((answer.status, answer.header(name)), (101, Some("binary")), "{offers:?}");
    }
    for offers in [vec![""], vec!["chat"], vec!["Binary"], vec!["binary2, mqtt"], vec!["mqtt", "base64"]] {
        let headers: Vec<_> = offers.iter().map(|offer| (name, *offer)).collect();
        let answer = both.answer(&headers);
        assert_eq!((answer.status, answer.header(name)), (101, None), "{offers:?}");
    }
    let refusal = both.answer(&[(name, "base64")]);
    assert_eq!(refusal.status, 400);
    assert!(refusal.text().contains("base64"), "{}", refusal.text());
}

#[test]
fn extensions_are_never_agreed_to() {
    let both = server(&[]);
    let answer = both.answer(&[("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")]);
    assert_eq!((answer.status, answer.header("Sec-WebSocket-Extensions")), (101, None));
}

#[test]
fn every_key_is_answered_with_its_own_proof() {
    let both = server(&[]);
    for (key, accept) in [
        ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="), // both from the literature
    ] {
        assert_eq!(both.answer(&[("Sec-WebSocket-Key", key)]).header("Sec-WebSocket-Accept"), Some(accept));
    }
}

#[test]
fn plain_http_on_the_websocket_port_is_told_to_upgrade() {
    let both = server(&[]);
    for method in ["GET", "HEAD", "POST", "OPTIONS"] {
        let mut conn = Conn::plain(both.server.ws_port());
        let answer = http::request(&mut conn, method, "/v1/stop", &[]).unwrap();
        assert_eq!((answer.status, answer.header("Upgrade")), (426, Some("websocket")), "{method}");
        assert_eq!(answer.header("Connection"), Some("Upgrade"), "Upgrade is for this connection only");
        if method == "GET" {
            let text = answer.text();
            assert!(text.contains("ws://") && text.lines().count() == 1, "{text}");
        }
    }
}

#[test]
fn a_token_that_nobody_gave_out_is_refused_before_the_upgrade() {
    let both = server(&[]);
    for port in both.ports() {
        for path in ["/?token=12345", "/websockify?x=1&token=12345", "/?tok%65n=12345"] {
            let refusal = Ws::open(Conn::plain(port), path).unwrap_err();
            assert_eq!(refusal.status, 403, "{path}");
            assert!(refusal.text().contains("token"), "{}", refusal.text());
            assert!(refusal.reason.contains("token"), "viewers show the reason: {}", refusal.reason);
        }
        // A page may fill in a token that it does not have.
        for path in ["/any/path/at/all?nothing=1", "/?token="] {
            assert!(Ws::open(Conn::plain(port), path).is_ok(), "{path}");
        }
    }
}

#[test]
fn without_a_target_an_upgrade_is_404() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&["--http_directory", folder.path().to_str().unwrap()]);
    for port in [server.ws_port(), server.http_port()] {
        let refusal = Ws::open(Conn::plain(port), "/").unwrap_err();
        assert_eq!(refusal.status, 404);
        assert!(refusal.text().contains("--client_port"), "{}", refusal.text());
        let cookie = Ws::open_with(Conn::plain(port), "/", &[("Cookie", "a=b; token=12345")]).unwrap_err();
        assert_eq!(cookie.status, 403);
    }
}

#[test]
fn frames_behind_the_handshake_are_not_lost() {
    let both = server(&[]);
    for port in both.ports() {
        let mut conn = Conn::plain(port);
        let headers = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", KEY),
        ];
        let payload = b"early ".repeat(2_000);
        let mut bytes = http::head(&conn, "GET", "/", &headers).into_bytes();
        bytes.extend(Frame::binary(payload.clone()).encode());
        bytes.extend(Frame::close(1000, "").encode());
        conn.send(&bytes);
        let response = http::read_head(&mut conn).unwrap();
        assert_eq!(response.status, 101);
        let mut ws = Ws { conn, response };
        assert_eq!(ws.take_data(payload.len()), payload);
        assert_eq!(ws.drain().1, 1000);
    }
}

#[test]
fn added_headers_are_on_every_answer_and_replace_ours() {
    let both = server(&["--add_header", "instance_name=pim-1", "server=mine", "Cache-Control=no-store"]);
    let [ws, http] = both.ports();
    let answers = [
        both.answer(&[]),
        both.answer(&[("Sec-WebSocket-Version", "8")]),
        *Ws::open(Conn::plain(ws), "/?token=1").unwrap_err(),
        http::get(ws, "/", &[]),
        http::get(http, "/", &[]),
        http::get(http, "/nothing", &[]),
        http::get(http, "/v1/nothing", &[]),
        http::get(http, "/v1/status", &[("Sec-Fetch-Site", "cross-site")]),
        http::get(http, "/v2/", &[]),
        http::raw(http, "OPTIONS /v1/status HTTP/1.1\r\nHost: h\r\n\r\n"),
        http::raw(http, "POST /v1/status HTTP/1.1\r\nHost: h\r\n\r\n"),
        http::raw(http, "GET / HTTP/9.9\r\n\r\n"),
        http::raw(http, "GET /\0 HTTP/1.1\r\n\r\n"),
        http::raw(http, format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(9000))),
    ];
    for answer in answers {
        let all = |name: &str| -> Vec<&str> {
            let named = answer.headers.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
            named.map(|(_, value)| value.as_str()).collect()
        };
        assert_eq!(all("instance_name"), ["pim-1"], "{answer:?}");
        assert_eq!(all("Server"), ["mine"], "{answer:?}");
        assert_eq!(all("Cache-Control"), ["no-store"], "{answer:?}");
        assert_eq!(all("Content-Length").len(), usize::from(!matches!(answer.status, 101 | 204)), "{answer:?}");
        assert_eq!(all("Date").len(), 1, "{answer:?}");
    }
}
