//! What RFC 6455 forbids is answered as it says, and takes nothing with it.

use std::io::Write;
use std::sync::Arc;

use crate::support::backend::{Backend, each_read};
use crate::support::cycle::Cycle;
use crate::support::random::{Digest, Random};
use crate::support::server::Server;
use crate::support::stream::Conn;
use crate::support::wait::spawn;
use crate::support::ws::{BINARY, CLOSE, CONTINUATION, Frame, Length, PING, PONG, TEXT, Ws};

/// A way to break the protocol: its name, the frames, and a word of the reason in the close frame.
type Fault = (&'static str, Vec<u8>, &'static str);

fn wire(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(Frame::encode).collect()
}

fn wrong_frames() -> Vec<Fault> {
    let mut faults = vec![
        ("an unmasked frame", wire(&[Frame::binary(*b"x").unmasked()]), "masked"),
        ("an unmasked close without payload", wire(&[Frame::new(CLOSE, []).unmasked()]), "masked"),
        ("a long ping", wire(&[Frame::new(PING, [0; 126])]), "125"),
        ("a long pong", wire(&[Frame::new(PONG, [0; 126])]), "125"),
        ("a long close", wire(&[Frame::new(CLOSE, [0; 126])]), "125"),
        ("a ping in fragments", wire(&[Frame::new(PING, *b"a").unfinished()]), "fragment"),
        ("a close in fragments", wire(&[Frame::new(CLOSE, []).unfinished()]), "fragment"),
        ("a continuation of nothing", wire(&[Frame::new(CONTINUATION, [])]), "continu"),
        (
            "a continuation of a message that has ended",
            wire(&[Frame::new(TEXT, []).unfinished(), Frame::new(CONTINUATION, []), Frame::new(CONTINUATION, [])]),
            "continu",
        ),
        (
            "a message inside another",
            wire(&[Frame::new(BINARY, []).unfinished(), Frame::new(PING, []), Frame::new(TEXT, [])]),
            "inside",
        ),
        ("two bytes as a length of one", wire(&[short_as(125, Length::In16Bits)]), "shortest"),
        ("eight bytes as a length of one", wire(&[short_as(125, Length::In64Bits)]), "shortest"),
        ("eight bytes as a length of two", wire(&[short_as(65_535, Length::In64Bits)]), "shortest"),
        (
            "a ping with a length in two bytes",
            wire(&[Frame { length: Length::In16Bits, ..Frame::new(PING, *b"x") }]),
            "",
        ),
        ("a length with its highest bit", wire(&[claim(1 << 63)]), "highest bit"),
        ("a length of all bits", wire(&[claim(u64::MAX)]), "highest bit"),
    ];
    faults.extend((1..8).map(|rsv| ("reserved bits", wire(&[Frame { rsv, ..Frame::binary(*b"x") }]), "reserved")));
    faults.extend((3..8).chain(11..16).map(|code| ("an opcode", wire(&[Frame::new(code, *b"x")]), "opcode")));
    faults
}

fn short_as(size: usize, length: Length) -> Frame {
    Frame { length, ..Frame::binary(vec![0; size]) }
}

fn claim(length: u64) -> Frame {
    Frame { length: Length::Claim(length), ..Frame::binary([]) }
}

/// Sends some data and then `bytes`; the server must answer with `code`, the backend get the data and an end.
fn refuses(server: &Server, backend: &Backend, name: &str, bytes: &[u8], code: u16) -> String {
    let (ended, received) = (backend.ended(), backend.received());
    let mut ws = Ws::connect(server.ws_port());
    let data = Random::new(31).vec(1_000);
    // What follows a violation must neither be read as frames nor turn the answer into a reset.
    let rest = Frame::binary(vec![9; 10_000]).encode();
    ws.conn.send(&[&Frame::binary(data.clone()).encode(), bytes, &rest].concat());
    let answers = std::iter::from_fn(|| ws.next()).find(|frame| frame.opcode != PONG);
    let close = answers.unwrap_or_else(|| panic!("{name}: a close frame before the end"));
    let (found, reason) = close.close_reason();
    assert_eq!(found, code, "{name}: {reason}");
    assert!(ws.conn.ends(), "{name}: the server ends TCP");
    backend.wait_ended(ended + 1);
    let mut expected = received;
    expected.add(&data);
    assert_eq!(backend.received(), expected, "{name}: what came before is not lost");
    reason
}

#[test]
fn what_the_protocol_forbids_is_answered_with_1002_and_a_reason() {
    let backend = Backend::sink();
    let server = Server::start(&backend.args());
    let resources = server.resources();
    for (name, bytes, word) in wrong_frames() {
        let reason = refuses(&server, &backend, name, &bytes, 1002);
        assert!(!reason.is_empty() && reason.contains(word), "{name}: {reason}");
    }
    server.wait_resources(resources);
    server.wait_log("the client broke the protocol", crate::support::wait::DEADLINE);
}

#[test]
fn a_close_frame_that_may_not_be_sent_is_answered_with_1002_or_1007() {
    let backend = Backend::sink();
    let server = Server::start(&backend.args());
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        let reason = refuses(&server, &backend, &format!("code {code}"), &Frame::close(code, "").encode(), 1002);
        assert!(reason.contains("code"), "{code}: {reason}");
    }
    refuses(&server, &backend, "half a code", &Frame::new(CLOSE, [3]).encode(), 1002);
    for wrong in [b"\xff".as_slice(), b"ok \xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf"] {
        let frame = Frame::new(CLOSE, [&1000_u16.to_be_bytes(), wrong].concat());
        let reason = refuses(&server, &backend, "a reason that is no text", &frame.encode(), 1007);
        assert!(reason.contains("UTF-8"), "{reason}");
    }
}

#[test]
fn the_answer_to_a_close_frame_repeats_its_code() {
    let backend = Backend::sink();
    let server = Server::start(&backend.args());
    let good = (1000..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4999]);
    for code in good {
        let mut ws = Ws::connect(server.ws_port());
        ws.send(&Frame::close(code, "reason: ü"));
        assert_eq!(ws.next().unwrap().close_reason().0, code);
        assert!(ws.conn.ends());
    }
    let mut ws = Ws::connect(server.ws_port());
    ws.send(&Frame::new(CLOSE, []));
    assert_eq!(ws.next().unwrap().payload, b"", "no code is answered with no code");
    assert!(ws.conn.ends());
    let mut ws = Ws::connect(server.ws_port());
    ws.send(&Frame::close(4321, &"x".repeat(123)));
    assert_eq!(ws.next().unwrap().close_reason().0, 4321);
}

#[test]
fn text_that_is_no_text_is_bytes_to_a_tunnel() {
    let backend = Backend::echo();
    let server = Server::start(&backend.args());
    let mut ws = Ws::connect(server.ws_port());
    let bytes: Vec<u8> = (0..=255).rev().collect();
    ws.send(&Frame::new(TEXT, bytes.clone()));
    assert_eq!(ws.take_data(256), bytes);
    let mut fragments = Frame::fragments(&bytes, 100);
    fragments[0].opcode = TEXT;
    fragments.insert(1, Frame::new(PONG, *b"nobody asked"));
    ws.send_all(&fragments);
    assert_eq!(ws.take_data(256), bytes);
    assert_eq!(ws.close().0, 1000);
}

#[test]
fn nothing_after_a_close_frame_is_read() {
    let backend = Backend::sink();
    let server = Server::start(&backend.args());
    let mut ws = Ws::connect(server.ws_port());
    ws.send_all(&[Frame::binary(*b"before"), Frame::close(1000, ""), Frame::binary(*b"after"), Frame::new(PING, [])]);
    assert_eq!(ws.next().unwrap().close_reason().0, 1000);
    assert!(ws.conn.ends());
    backend.wait_ended(1);
    assert_eq!(backend.received(), Digest::of(b"before"));
}

/// When a client reads.
#[derive(PartialEq)]
enum Reads {
    AtOnce,
    /// Little at a time, so that the line is full again and again.
    Slowly,
    /// Not before all pings are sent.
    Late,
}

/// Sends `pings` while `down` bytes come down.
fn survives_pings(pings: u32, down: u64, reads: &Reads) {
    let block: Arc<[u8]> = Random::new(32).vec(1 << 20).into();
    let mut cycle = Cycle::new(Arc::clone(&block));
    let backend = Backend::once(move |stream| {
        cycle.write(&mut &*stream, down).unwrap();
        // Stays, so that the pongs do not end with the data.
        each_read(stream, |_| (&mut &*stream).write_all(b"!")).unwrap();
    });
    let server = Server::start(&[backend.args().as_slice(), &["--heartbeat".to_owned(), "0".to_owned()]].concat());
    let conn = Conn::plain(server.ws_port());
    if *reads == Reads::Slowly {
        rustix::net::sockopt::set_socket_recv_buffer_size(conn.socket(), 128 * 1024).unwrap();
    }
    let mut ws = Ws::open(conn, "/").unwrap();
    let mut writer = ws.try_clone();
    let mut storm = move || {
        let payload = |n: u32| [n.to_be_bytes().as_slice(), &[7; 100]].concat();
        for first in (0..pings).step_by(100) {
            let frames: Vec<_> = (first..first + 100).map(|n| Frame::new(PING, payload(n))).collect();
            writer.send_all(&frames);
        }
    };
    let sender = if *reads == Reads::Late {
        storm();
        server.wait_rest();
        None
    } else {
        Some(spawn("pings", storm))
    };
    let mut expected = Cycle::new(block);
    let mut next = 0;
    while expected.passed() < down || next < pings {
        let frame = ws.next().expect("no end while pings are answered");
        if frame.opcode == PONG {
            let number = u32::from_be_bytes(*frame.payload.first_chunk().unwrap());
            assert!(number >= next, "pong {number} came after {next}");
            next = number + 1;
        } else {
            expected.expect(&frame.payload);
        }
    }
    if let Some(sender) = sender {
        sender.join().unwrap();
    }
    ws.send(&Frame::binary(*b"still there?"));
    assert_eq!(ws.take_data(1), b"!");
    assert_eq!(ws.close().0, 1000);
}

#[test]
fn the_last_of_ten_thousand_pings_is_answered_while_data_flows() {
    survives_pings(10_000, 16 << 20, &Reads::AtOnce);
}

#[test]
fn the_last_of_ten_thousand_pings_is_answered_to_a_client_that_reads_late() {
    survives_pings(10_000, 16 << 20, &Reads::Late);
}

#[test]
fn pongs_keep_their_order_on_a_line_that_is_full_again_and_again() {
    survives_pings(100_000, 16 << 20, &Reads::Slowly);
}

#[test]
fn the_last_of_many_pings_is_answered_when_the_line_was_full_of_pongs() {
    survives_pings(200_000, 0, &Reads::Late);
}
