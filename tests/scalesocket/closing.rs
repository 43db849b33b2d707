//! How a websocket ends, from either side.

use crate::members::{ask, expect_texts, goodbye, join, rest, text};
use crate::support::server::Server;
use crate::support::ws::{CLOSE, Frame, Length, PING, TEXT};

#[test]
fn a_goodbye_is_answered_with_its_code() {
    let server = Server::scalesocket(&["cat"]);
    let mut watcher = join(&server, "/r");
    for (sent, code) in
        [(Frame::close(1000, "bye"), 1000), (Frame::close(4321, ""), 4321), (Frame::new(CLOSE, []), 1005)]
    {
        let mut ws = join(&server, "/r");
        ws.send(&sent);
        let answer = ws.next().expect("a close frame");
        assert_eq!(answer.close_reason(), (code, String::new()));
        assert!(ws.conn.ends());
        assert_eq!(ask(&mut watcher, "still here"), "still here");
    }
}

#[test]
fn who_goes_without_a_word_is_gone() {
    let server = Server::scalesocket(&["--leavemsg", "left #ID", "cat"]);
    let mut watcher = join(&server, "/r");
    join(&server, "/r").conn.reset();
    expect_texts(&mut watcher, &["left 2"]);
    join(&server, "/r").conn.end_writing();
    expect_texts(&mut watcher, &["left 3"]);
    drop(join(&server, "/r"));
    expect_texts(&mut watcher, &["left 4"]);
}

#[test]
fn who_breaks_the_protocol_is_told_so_and_the_others_are_not_hurt() {
    let server = Server::scalesocket(&["cat"]);
    let mut watcher = join(&server, "/r");
    let cases = [
        ("no mask", text("x").unmasked().encode(), 1002),
        ("reserved bits", Frame { rsv: 4, ..text("x") }.encode(), 1002),
        ("unknown opcode", Frame::new(3, *b"x").encode(), 1002),
        ("unknown control opcode", Frame::new(11, *b"x").encode(), 1002),
        ("a continuation of nothing", Frame::new(0, *b"x").encode(), 1002),
        ("a message inside another", [text("x").unfinished().encode(), text("y").encode()].concat(), 1002),
        ("a fragmented ping", Frame::new(PING, *b"x").unfinished().encode(), 1002),
        ("a long ping", Frame::new(PING, [0; 126]).encode(), 1002),
        ("a close code out of range", Frame::close(999, "").encode(), 1002),
        ("half a close code", Frame::new(CLOSE, [3]).encode(), 1002),
        ("text that is not UTF-8", Frame::new(TEXT, *b"\xff").encode(), 1007),
        ("text that ends within a character", Frame::new(TEXT, *b"\xc3").encode(), 1007),
    ];
    for (what, bytes, code) in cases {
        let mut ws = join(&server, "/r");
        ws.conn.send(&bytes);
        assert_eq!(goodbye(ws).0, code, "{what}");
        assert_eq!(ask(&mut watcher, what), what);
    }
    server.wait_children(1);
}

#[test]
fn a_message_may_be_64_mib_long_and_no_longer() {
    const MIB: u64 = 1 << 20;
    let server = Server::scalesocket(&["--heartbeat", "0", "sh", "--", "-c", "head -c 67108865 | wc -c"]);
    let mut ws = join(&server, "/r");
    ws.conn.send(&Frame { mask: Some([0; 4]), ..Frame::new(TEXT, vec![b'x'; 64 << 20]) }.encode());
    expect_texts(&mut ws, &["67108865"]);
    assert_eq!(goodbye(ws).0, 1000);
    let server = Server::scalesocket(&["--heartbeat", "0", "wc", "--", "-c"]);
    for (length, code) in [(64 * MIB + 1, 1009), (1 << 40, 1009)] {
        let mut ws = join(&server, "/r");
        ws.send(&Frame { length: Length::Claim(length), ..Frame::new(TEXT, []) });
        let piece = vec![b'x'; 1 << 20];
        // It may be refused at once, or when it has come.
        (0..=64).take_while(|_| ws.conn.try_send(&piece).is_ok()).count();
        let (code_found, reason) = goodbye(ws);
        assert_eq!(code_found, code, "{reason}");
        server.wait_children(0);
    }
}

#[test]
fn a_message_in_many_frames_may_not_be_longer_either() {
    let server = Server::scalesocket(&["--heartbeat", "0", "cat"]);
    let mut ws = join(&server, "/r");
    let mut piece = Frame { mask: Some([0; 4]), ..Frame::new(TEXT, vec![b'x'; 1 << 20]) }.unfinished();
    for _ in 0..65 {
        if ws.conn.try_send(&piece.encode()).is_err() {
            break;
        }
        piece.opcode = 0;
    }
    assert_eq!(goodbye(ws).0, 1009);
}

#[test]
fn everybody_is_told_when_the_command_has_ended() {
    let server = Server::scalesocket(&["sh", "--", "-c", "read x; exit 5"]);
    let mut all: Vec<_> = (0..5).map(|_| join(&server, "/r")).collect();
    all[3].send(&text("go"));
    for ws in all {
        assert_eq!(goodbye(ws), (1011, "the command exited with code 5".to_owned()));
    }
    let mut ws = join(&server, "/r");
    ws.send(&text("again"));
    assert_eq!(rest(ws).1, 1011);
}
