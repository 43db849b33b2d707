//! Members of rooms, as raw clients.

use crate::support::http::Response;
use crate::support::server::Server;
use crate::support::stream::Conn;
use crate::support::wait::{DEADLINE, eventually};
use crate::support::ws::{BINARY, CLOSE, Frame, TEXT, Ws};

/// A websocket in a room, which it really is in: what anybody says from now on reaches it.
#[track_caller]
pub(crate) fn join(server: &Server, path: &str) -> Ws {
    let connected = || server.log().matches("client connected").count();
    let before = connected();
    let ws = join_with(server, path, &[]).expect("101 Switching Protocols");
    eventually(DEADLINE, "the member is in the room", || connected() > before);
    ws
}

/// A websocket with more headers, which may be refused.
#[track_caller]
pub(crate) fn join_with(server: &Server, path: &str, headers: &[(&str, &str)]) -> Result<Ws, Box<Response>> {
    Ws::open_with(Conn::plain(server.room_port()), path, headers)
}

/// A text message.
pub(crate) fn text(text: impl Into<String>) -> Frame {
    Frame::new(TEXT, text.into())
}

/// The next message, which has to be text in one frame.
#[track_caller]
pub(crate) fn next_text(ws: &mut Ws) -> String {
    let frame = ws.next_answering().expect("a message, not the end");
    assert_eq!((frame.opcode, frame.fin), (TEXT, true), "{frame:?} {:?}", String::from_utf8_lossy(&frame.payload));
    String::from_utf8(frame.payload).expect("UTF-8")
}

/// The next messages, which have to be these texts.
#[track_caller]
pub(crate) fn expect_texts(ws: &mut Ws, texts: &[&str]) {
    for expected in texts {
        assert_eq!(next_text(ws), *expected);
    }
}

/// Says something, and reads what comes back.
#[track_caller]
pub(crate) fn ask(ws: &mut Ws, question: &str) -> String {
    ws.send(&text(question));
    next_text(ws)
}

/// The next message, which has to be binary.
#[track_caller]
pub(crate) fn next_binary(ws: &mut Ws) -> Vec<u8> {
    let frame = ws.next_answering().expect("a message, not the end");
    assert_eq!((frame.opcode, frame.fin), (BINARY, true), "{frame:?}");
    frame.payload
}

/// The goodbye, which comes next; it is answered, and the connection ends.
#[track_caller]
pub(crate) fn goodbye(ws: Ws) -> (u16, String) {
    let (texts, code, reason) = rest(ws);
    assert_eq!(texts, Vec::<String>::new(), "nothing before the goodbye");
    (code, reason)
}

/// Every text up to the goodbye, and the goodbye, which is answered; then the connection ends.
#[track_caller]
pub(crate) fn rest(mut ws: Ws) -> (Vec<String>, u16, String) {
    let mut texts = Vec::new();
    loop {
        let frame = ws.next_answering().expect("a close frame before the end");
        if frame.opcode == CLOSE {
            let (code, reason) = frame.close_reason();
            // The server may not wait for the answer.
            drop(ws.conn.try_send(&Frame::new(CLOSE, frame.payload).encode()));
            assert!(ws.conn.ends(), "nothing may follow a close frame");
            return (texts, code, reason);
        }
        assert_eq!(frame.opcode, TEXT, "{frame:?}");
        texts.push(String::from_utf8(frame.payload).expect("UTF-8"));
    }
}

/// The bytes of a server's frames with these texts.
pub(crate) fn wire<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Vec<u8> {
    let frame = |text: S| Frame::new(TEXT, text.as_ref()).unmasked().encode();
    texts.into_iter().flat_map(frame).collect()
}
