//! How a websocket begins, and which room it is for.

use crate::members::{ask, expect_texts, join, join_with, next_text, text};
use crate::support::http;
use crate::support::server::Server;
use crate::support::stream::Conn;
use crate::support::ws::{ACCEPT, KEY, Ws};

/// Says the room's name in answer to every line.
const NAME: [&str; 4] = ["sh", "--", "-c", "while read line; do printf '%s\\n' \"$ROOM\"; done"];

#[test]
fn the_answer_to_a_handshake() {
    let server = Server::scalesocket(&["cat"]);
    let ws = join_with(&server, "/r", &[("Sec-WebSocket-Extensions", "permessage-deflate")]).unwrap();
    let header = |name| ws.response.header(name).map(str::to_ascii_lowercase);
    assert_eq!(header("Connection").as_deref(), Some("upgrade"));
    assert_eq!(header("Upgrade").as_deref(), Some("websocket"));
    assert_eq!(ws.response.header("Sec-WebSocket-Accept"), Some(ACCEPT));
    assert!(header("Date").is_some());
    assert_eq!(header("Sec-WebSocket-Extensions"), None, "none is spoken");
    assert_eq!(header("Sec-WebSocket-Protocol"), None, "none was offered");
}

#[test]
fn the_first_subprotocol_that_is_offered_is_taken() {
    let server = Server::scalesocket(&["cat"]);
    for (offer, taken) in [("chat", "chat"), ("chat, superchat", "chat"), ("binary", "binary")] {
        let mut ws = join_with(&server, "/r", &[("Sec-WebSocket-Protocol", offer)]).unwrap();
        assert_eq!(ws.response.header("Sec-WebSocket-Protocol"), Some(taken));
        assert_eq!(ask(&mut ws, "hello"), "hello");
        ws.close();
    }
}

#[test]
fn handshakes_that_are_not_in_order() {
    let server = Server::scalesocket(&["cat"]);
    let cases: [(&[(&str, &str)], u16); 9] = [
        (&[("Connection", "close")], 400),
        (&[("Sec-WebSocket-Version", "")], 426),
        (&[("Sec-WebSocket-Version", "8")], 426),
        (&[("Sec-WebSocket-Key", "")], 400),
        (&[("Sec-WebSocket-Key", "short")], 400),
        (&[("Upgrade", "h2c")], 400),
        (&[("Upgrade", "")], 400),
        (&[("Content-Length", "3")], 400),
        (&[("Connection", "")], 400),
    ];
    for (headers, status) in cases {
        let answer = join_with(&server, "/r", headers).unwrap_err();
        assert_eq!(answer.status, status, "{headers:?}: {answer:?}");
        assert_eq!(answer.header("Sec-WebSocket-Version"), (status == 426).then_some("13"));
    }
    let rest = format!(
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    );
    assert_eq!(http::raw(server.room_port(), format!("POST /r HTTP/1.1\r\nHost: h\r\n{rest}")).status, 405);
    assert_eq!(http::raw(server.room_port(), format!("GET /r HTTP/1.0\r\n{rest}")).status, 400);
    assert!(server.children().is_empty(), "no command for nobody");
}

#[test]
fn tokens_of_a_handshake_in_other_words() {
    let server = Server::scalesocket(&["cat"]);
    for headers in [
        [("Connection", "keep-alive, Upgrade"), ("Upgrade", "websocket")],
        [("Connection", "UPGRADE"), ("Upgrade", "WebSocket")],
    ] {
        assert_eq!(ask(&mut join_with(&server, "/r", &headers).unwrap(), "hello"), "hello");
    }
}

#[test]
fn a_room_is_the_first_segment_as_it_was_sent() {
    let server = Server::scalesocket(&NAME);
    let cases = [
        ("/room", "room"),
        ("/room/", "room"),
        ("/room?x=1", "room"),
        ("/room/?x=/y", "room"),
        ("/Room", "Room"),
        ("/my%20room", "my%20room"),
        ("/..", ".."),
        ("/.", "."),
        ("/health", "health"),
        ("/metrics", "metrics"),
        ("/favicon.ico", "favicon.ico"),
        ("/{\"q\\}", "{\"q\\}"),
    ];
    for (path, name) in cases {
        assert_eq!(ask(&mut join(&server, path), "?"), name, "{path}");
    }
}

#[test]
fn paths_to_one_room_lead_to_one_command() {
    let server = Server::scalesocket(&["cat"]);
    let mut all = ["/room", "/room/", "/room?x=1"].map(|path| join(&server, path));
    let mut others = ["/ROOM", "/r%6fom"].map(|path| join(&server, path));
    server.wait_children(3);
    all[0].send(&text("to the room"));
    for ws in &mut all {
        expect_texts(ws, &["to the room"]);
    }
    for ws in &mut others {
        assert_eq!(ask(ws, "alone"), "alone");
    }
}

#[test]
fn paths_that_are_no_rooms() {
    let server = Server::scalesocket(&["cat"]);
    for path in ["/", "//room", "/a/b", "/a/b/", "/?room=x", "//", "/room//"] {
        assert_eq!(join_with(&server, path, &[]).unwrap_err().status, 404, "{path}");
    }
    assert!(server.children().is_empty());
}

#[test]
fn what_comes_with_the_handshake_is_heard() {
    let server = Server::scalesocket(&["cat"]);
    let mut conn = Conn::plain(server.room_port());
    let headers = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", KEY),
    ];
    let head = http::head(&conn, "GET", "/r", &headers);
    conn.send(&[head.as_bytes(), &text("one").encode(), &text("two").encode()].concat());
    let response = http::read_head(&mut conn).unwrap();
    assert_eq!(response.status, 101);
    expect_texts(&mut Ws { conn, response }, &["one", "two"]);
}

#[test]
fn many_who_come_at_once_share_one_command() {
    let server = Server::scalesocket(&["--joinmsg", "#ID", "sh", "--", "-c", "echo \"new $$\"; cat"]);
    let port = server.room_port();
    let open = move || Ws::open_with(Conn::plain(port), "/r", &[]).unwrap();
    let threads: Vec<_> = (0..20).map(|_| crate::support::wait::spawn("member", open)).collect();
    let mut all: Vec<Ws> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    server.wait_children(1);
    let mut texts = Vec::new();
    for (index, ws) in all.iter_mut().enumerate() {
        // Behind its own number.
        let end = format!("end {index}");
        ws.send(&text(end.as_str()));
        texts.extend(std::iter::from_fn(|| Some(next_text(ws)).filter(|text| *text != end)));
    }
    // Who came first is told of the start; nobody a second time.
    let starts: Vec<_> = texts.iter().filter(|text| text.starts_with("new")).collect();
    assert!(starts.iter().all(|start| *start == starts[0]), "{starts:?}");
    let ids = |id: u32| texts.iter().filter(|text| **text == id.to_string()).count();
    assert!((1..=20).all(|id| ids(id) > 0), "numbers from 1 to 20: {texts:?}");
}
