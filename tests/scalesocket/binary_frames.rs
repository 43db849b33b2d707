//! Binary framing, either way: 12 bytes in front of each message.

use crate::members::{ask, expect_texts, join, next_binary, next_text, text};
use crate::support::server::Server;
use crate::support::ws::{Frame, Ws};

/// A header in the original's order of bytes, and a payload.
fn framed(id: u32, kind: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    [id, kind, length].into_iter().flat_map(u32::to_le_bytes).chain(payload.iter().copied()).collect()
}

fn big(id: u32, kind: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    [id, kind, length].into_iter().flat_map(u32::to_be_bytes).chain(payload.iter().copied()).collect()
}

/// Members of a room whose command repeats what it is told.
fn members(flags: &[&str]) -> (Server, [Ws; 3]) {
    let server = Server::scalesocket_builder().args(flags).args(&["cat"]).start();
    let members = [(); 3].map(|()| join(&server, "/r"));
    (server, members)
}

#[test]
fn messages_go_to_the_member_they_name() {
    let (_server, [mut a, mut b, mut c]) = members(&["--binary", "--server-frame=binary"]);
    for (id, kind, payload) in [(2, 2, "to b"), (9, 1, "to nobody"), (0, 1, "to all"), (0, 2, ""), (0, 7, "no type")] {
        a.send(&Frame::binary(framed(id, kind, payload.as_bytes())));
    }
    a.send(&Frame::binary(framed(3, 2, b"to c")));
    assert_eq!(next_binary(&mut b), b"to b");
    for ws in [&mut a, &mut b, &mut c] {
        assert_eq!(next_binary(ws), b"to all");
        assert_eq!(next_binary(ws), b"");
    }
    assert_eq!(next_binary(&mut c), b"to c");
}

#[test]
fn line_ends_may_stand_between_frames_and_the_messages_are_text() {
    for flag in ["--server-frame=binary", "--serverframe=binary"] {
        let (_server, [mut a, mut b, _]) = members(&[flag]);
        // cat repeats the line end that every message to it has.
        a.send(&Frame::binary(framed(2, 2, b"to b")));
        a.send(&Frame::binary(framed(0, 1, b"ten bytes\n")));
        a.send(&Frame::binary(framed(0, 1, "ü".as_bytes())));
        expect_texts(&mut b, &["to b", "ten bytes\n", "ü"]);
        expect_texts(&mut a, &["ten bytes\n", "ü"]);
    }
}

#[test]
fn frames_in_any_splits_are_understood() {
    let (_server, [mut a, mut b, _]) = members(&["--binary", "--server-frame=binary"]);
    let stream: Vec<u8> = (0..50).flat_map(|n| framed(2, 2, &vec![n; usize::from(n) * 3])).collect();
    // All at once, then byte by byte.
    a.send(&Frame::binary(stream.clone()));
    stream.chunks(1).for_each(|byte| a.send(&Frame::binary(byte)));
    for n in (0..50).chain(0..50) {
        assert_eq!(next_binary(&mut b), vec![n; usize::from(n) * 3]);
    }
}

#[test]
fn a_long_frame_arrives_whole() {
    let (_server, [mut a, mut b, _]) = members(&["--binary", "--server-frame=binary"]);
    let payload: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    a.send(&Frame::binary(framed(2, 2, &payload)));
    assert!(next_binary(&mut b) == payload);
}

#[test]
fn junk_in_lines_is_left_out_and_the_room_lives_on() {
    let (server, [mut a, mut b, _]) = members(&["--server-frame=binary"]);
    let mut lie = framed(0, 1, b"");
    lie[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    for junk in [b"short".to_vec(), b"".to_vec(), b"much longer than a header is".to_vec(), lie] {
        a.send(&Frame::binary(junk));
        // Behind two line ends a header begins anew, whatever was before.
        a.send(&text(""));
    }
    // What was junk may have swallowed a frame behind it, but not for long.
    (0..4).for_each(|_| a.send(&Frame::binary(framed(2, 1, b"on"))));
    assert_eq!(next_text(&mut b), "on");
    server.wait_children(1);
}

#[test]
fn a_length_that_nobody_can_mean_ends_the_room_with_a_reason() {
    let (server, [mut a, b, _c]) = members(&["--binary", "--server-frame=binary"]);
    let mut lie = framed(0, 1, b"");
    lie[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    a.send(&Frame::binary(lie));
    let (code, reason) = crate::members::goodbye(b);
    assert_eq!(code, 1011, "{reason}");
    assert!(reason.contains("4294967295"), "{reason}");
    server.wait_children(0);
    // The next room is a new one.
    let mut again = join(&server, "/r");
    again.send(&Frame::binary(framed(0, 2, b"new")));
    assert_eq!(next_binary(&mut again), b"new");
}

#[test]
fn messages_to_the_command_say_who_speaks() {
    let server = Server::scalesocket(&["--binary", "--client-frame=binary", "cat"]);
    let mut a = join(&server, "/r");
    a.send_all(&[text("text"), Frame::binary(*b"\0\xff"), text("")]);
    let expected = [framed(1, 1, b"text"), framed(1, 2, b"\0\xff"), framed(1, 1, b"")].concat();
    assert_eq!(a.take_data(expected.len()), expected);
    let mut b = join(&server, "/r");
    b.send(&text("b"));
    assert_eq!(a.take_data(13), framed(2, 1, b"b"));
}

#[test]
fn in_lines_a_line_end_follows() {
    let script = "head -c 15 | od -An -v -tx1 -w15";
    let server = Server::scalesocket(&["--clientframe=binary", "sh", "--", "-c", script]);
    let mut ws = join(&server, "/r");
    ws.send(&text("ab"));
    assert_eq!(next_text(&mut ws).trim(), "01 00 00 00 01 00 00 00 02 00 00 00 61 62 0a");
}

#[test]
fn both_ways_an_echo_answers_the_speaker_alone() {
    for flags in [&["--frame", "--binary"][..], &["--frame=binary", "--binary", "--byte-order", "big"]] {
        let (server, [mut a, mut b, _]) = members(flags);
        a.send(&text("mine"));
        assert_eq!(next_binary(&mut a), b"mine");
        b.send(&Frame::binary(*b"and mine"));
        assert_eq!(next_binary(&mut b), b"and mine");
        server.wait_children(1);
    }
    let (_server, [mut a, ..]) = members(&["--frame"]);
    assert_eq!(ask(&mut a, "in lines"), "in lines");
}

#[test]
fn the_byte_order_of_gwsocket_can_be_had() {
    let server = Server::scalesocket(&["--byte-order", "big", "--binary", "--client-frame=binary", "cat"]);
    let mut ws = join(&server, "/r");
    ws.send(&text("ab"));
    assert_eq!(ws.take_data(14), big(1, 1, b"ab"));
    let (_server, [mut a, mut b, _]) = members(&["--byte-order=big", "--binary", "--server-frame=binary"]);
    a.send(&Frame::binary(big(2, 2, b"to b")));
    assert_eq!(next_binary(&mut b), b"to b");
}

#[test]
fn who_leaves_in_binary_framing_leaves_nothing_behind() {
    let (server, members) = members(&["--frame", "--binary", "--stats"]);
    for mut ws in members {
        ws.send(&text("hello"));
        assert_eq!(next_binary(&mut ws), b"hello");
        ws.close();
    }
    server.wait_children(0);
    assert_eq!(crate::support::http::get(server.room_port(), "/r/stats/connections", &[]).text(), "0");
}
