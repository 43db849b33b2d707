//! Messages and bytes: lines, `--binary`, `--delimiters`, `--null`.

use crate::members::{ask, expect_texts, goodbye, join, next_binary, next_text, rest, text};
use crate::support::random::Random;
use crate::support::server::Server;
use crate::support::wait::DEADLINE;
use crate::support::ws::{BINARY, Frame, PING, PONG, TEXT};

/// What a command says at once.
#[track_caller]
fn printed(flags: &[&str], format: &str) -> Vec<String> {
    let server = Server::scalesocket_builder().args(flags).args(&["printf", "--", format]).start();
    let (texts, code, _) = rest(join(&server, "/r"));
    assert_eq!(code, 1000);
    texts
}

#[test]
fn a_message_is_a_line_for_the_command() {
    let expected = b"ab\n\n\xff\0\na\nb\nt\n\nfrag\n\r\n";
    // What prints into a pipe prints at its end.
    let script = format!("head -c {} | od -An -v -tx1 -w1", expected.len());
    let server = Server::scalesocket(&["sh", "--", "-c", &script]);
    let mut ws = join(&server, "/r");
    ws.send_all(&[
        text("ab"),
        text(""),
        Frame::binary(*b"\xff\0"),
        text("a\nb"),
        text("t\n"),
        Frame::new(TEXT, *b"fr").unfinished(),
        Frame::new(0, *b"ag").unfinished(),
        Frame::new(0, *b""),
        text("\r"),
    ]);
    let lines: Vec<u8> =
        (0..expected.len()).map(|_| u8::from_str_radix(next_text(&mut ws).trim(), 16).unwrap()).collect();
    assert_eq!(lines, expected);
}

#[test]
fn a_line_is_a_message_for_the_members() {
    assert_eq!(
        printed(&[], "one\\n\\ntwo\\r\\n\\rx\\r\\r\\n a\\000b \\nünï\\nlast"),
        ["one", "", "two", "\rx\r", " a\0b ", "ünï", "last"]
    );
    assert_eq!(printed(&[], "\\n"), [""]);
    assert_eq!(printed(&[], ""), Vec::<String>::new());
}

#[test]
fn a_line_that_is_not_utf8_stops_nothing() {
    assert_eq!(printed(&[], "good\\na\\377b\\nnext\\n\\300"), ["good", "a\u{fffd}b", "next", "\u{fffd}"]);
    let server = Server::scalesocket(&["cat"]);
    let mut ws = join(&server, "/r");
    ws.send_all(&[Frame::binary(*b"\xff"), text("on")]);
    expect_texts(&mut ws, &["\u{fffd}", "on"]);
    server.wait_log("not UTF-8", DEADLINE);
}

#[test]
fn binary_passes_bytes_as_they_are() {
    let server = Server::scalesocket(&["--binary", "cat"]);
    let mut ws = join(&server, "/r");
    let bytes = Random::new(5).vec(300_000);
    ws.send(&text("text\n"));
    assert_eq!(ws.take_data(5), b"text\n");
    ws.send(&Frame::binary(bytes.clone()));
    assert_eq!(ws.take_data(bytes.len()), bytes);
    ws.send(&Frame::binary(Vec::new()));
    ws.send(&Frame::binary(*b"x"));
    assert_eq!(next_binary(&mut ws), b"x", "nothing is said for an empty message");
}

#[test]
fn binary_notices_have_no_line_end() {
    let server = Server::scalesocket(&["--binary", "--joinmsg", "join", "--leavemsg", "leave", "cat"]);
    let mut first = join(&server, "/r");
    assert_eq!(first.take_data(4), b"join");
    let second = join(&server, "/r");
    assert_eq!(first.take_data(4), b"join");
    second.close();
    assert_eq!(first.take_data(5), b"leave");
}

#[test]
fn any_characters_can_end_messages() {
    assert_eq!(printed(&["--delimiters=;|"], "a;b\\r|;c\\n;d"), ["a", "b\r", "", "c\n", "d"]);
    assert_eq!(printed(&["--null"], "a\\000b\\nc\\000\\000"), ["a", "b\nc", ""]);
    assert_eq!(printed(&["--null", "--delimiters=\n"], "a\\000b\\nc\\r\\n"), ["a", "b", "c\r"]);
    let server = Server::scalesocket(&["--delimiters=;", "cat"]);
    let mut ws = join(&server, "/r");
    // What goes to the command ends with a line end all the same.
    ws.send_all(&[text("a;b"), text("c;")]);
    expect_texts(&mut ws, &["a", "b\nc"]);
}

#[test]
fn pings_and_pongs_are_no_messages() {
    for flags in
        [&["cat"][..], &["--binary", "cat"], &["--frame=json", "cat"], &["--client-frame=binary", "--binary", "cat"]]
    {
        let server = Server::scalesocket(flags);
        let mut ws = join(&server, "/r");
        for payload in ["", "ping", "{\"id\":1}"] {
            ws.send(&Frame::new(PONG, payload));
            ws.send(&Frame::new(PING, payload));
            let pong = ws.next().expect("a pong");
            assert_eq!((pong.opcode, pong.payload.as_slice()), (PONG, payload.as_bytes()), "{flags:?}");
        }
        ws.send(&text("{}"));
        let first = ws.next().expect("the first message");
        let expected = if flags.contains(&"--frame=json") { "{\"id\":1}" } else { "{}" };
        assert!(String::from_utf8_lossy(&first.payload).ends_with(expected), "{flags:?}: {first:?}");
    }
}

#[test]
fn a_ping_between_the_frames_of_a_message_is_answered_at_once() {
    let server = Server::scalesocket(&["cat"]);
    let mut ws = join(&server, "/r");
    ws.send_all(&[text("a").unfinished(), Frame::new(PING, *b"now")]);
    assert_eq!(ws.next().unwrap().payload, b"now");
    ws.send(&Frame::new(0, *b"b"));
    expect_texts(&mut ws, &["ab"]);
}

#[test]
fn text_and_binary_are_decided_by_the_command_line_alone() {
    let server = Server::scalesocket(&["cat"]);
    let mut ws = join(&server, "/r");
    ws.send(&Frame::new(BINARY, *b"text?"));
    expect_texts(&mut ws, &["text?"]);
    let server = Server::scalesocket(&["-b", "cat"]);
    let mut ws = join(&server, "/r");
    ws.send(&text("binary?"));
    assert_eq!(next_binary(&mut ws), b"binary?");
}

#[test]
fn a_command_that_does_not_read_can_be_spoken_to_and_goes_on() {
    // The original ends the room when a write fails.
    let script = "exec <&-; echo closed; sleep 0.3; echo later; exec sleep 1000";
    let server = Server::scalesocket(&["sh", "--", "-c", script]);
    let mut ws = join(&server, "/r");
    expect_texts(&mut ws, &["closed"]);
    ws.send_all(&[text("a"), text("b"), text("c")]);
    expect_texts(&mut ws, &["later"]);
    server.wait_children(1);
    assert_eq!(ws.close().0, 1000);
    server.wait_children(0);
}

#[test]
fn the_last_words_of_a_command_are_heard() {
    for round in 0..30 {
        let server = Server::scalesocket(&["sh", "--", "-c", "read x; echo bye"]);
        let mut ws = join(&server, "/r");
        ws.send(&text("x"));
        assert_eq!(rest(ws), (vec!["bye".to_owned()], 1000, "the command exited with code 0".to_owned()), "{round}");
    }
}

#[test]
fn all_that_a_command_says_before_its_end_is_heard() {
    for count in [100, 1_000, 20_000] {
        let server = Server::scalesocket(&["seq", "--", "1", &count.to_string()]);
        let (texts, code, _) = rest(join(&server, "/r"));
        assert_eq!(code, 1000);
        assert_eq!(texts, (1..=count).map(|number| number.to_string()).collect::<Vec<_>>());
    }
}

#[test]
fn a_command_that_says_nothing_says_goodbye() {
    let server = Server::scalesocket(&["true"]);
    assert_eq!(goodbye(join(&server, "/r")), (1000, "the command exited with code 0".to_owned()));
    let server = Server::scalesocket(&["cat"]);
    assert_eq!(ask(&mut join(&server, "/r"), "still"), "still");
}
