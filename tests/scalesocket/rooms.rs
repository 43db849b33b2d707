//! Rooms: one command each, from the first member to the last.

use crate::support::server::Server;
use crate::support::stream::Conn;
use crate::support::ws::{Frame, TEXT, Ws};

/// A websocket in a room.
pub(crate) fn join(server: &Server, path: &str) -> Ws {
    Ws::open_with(Conn::plain(server.room_port()), path, &[]).expect("101 Switching Protocols")
}

/// A text message.
pub(crate) fn text(text: &str) -> Frame {
    Frame::new(TEXT, text)
}

/// The next message, which has to be text.
#[track_caller]
pub(crate) fn next_text(ws: &mut Ws) -> String {
    let frame = ws.next_answering().expect("a message, not the end");
    assert_eq!((frame.opcode, frame.fin), (TEXT, true), "{frame:?}");
    String::from_utf8(frame.payload).expect("UTF-8")
}

#[test]
fn members_of_a_room_share_a_command_and_rooms_do_not() {
    let server = Server::scalesocket(&["cat"]);
    let (mut a, mut b, mut other) = (join(&server, "/one"), join(&server, "/one"), join(&server, "/two"));
    server.wait_children(2);
    a.send(&text("hello"));
    assert_eq!(next_text(&mut a), "hello");
    assert_eq!(next_text(&mut b), "hello");
    other.send(&text("elsewhere"));
    assert_eq!(next_text(&mut other), "elsewhere");
    a.close();
    server.wait_children(2);
    b.close();
    server.wait_children(1);
    other.close();
    server.wait_children(0);
}
