//! Members that do not keep up, and what becomes of them (`--slow`).

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use rustix::net::sockopt::set_socket_recv_buffer_size;

use crate::members::{ask, goodbye, join, text};
use crate::support::server::Server;
use crate::support::stream::Conn;
use crate::support::wait::{DEADLINE, spawn};
use crate::support::ws::{CLOSE, TEXT, Ws};
use crate::volume::{crowd, numbers};

const LINES: u32 = 4_000_000;
const SCRIPT: &str = "seq 1 4000000; echo said everything >&2; exec cat";

/// The kernel is not to take for the member what the member does not take.
fn narrow(ws: &Ws) {
    set_socket_recv_buffer_size(ws.conn.socket(), 32 * 1024).unwrap();
}

/// Reads messages of increasing numbers and returns how many, up to something else.
fn read_numbers(ws: &mut Ws) -> (u32, u8, Vec<u8>) {
    let (mut count, mut last) = (0, 0);
    loop {
        let frame = ws.next().expect("no end without a goodbye");
        let number = std::str::from_utf8(&frame.payload).ok().and_then(|text| text.parse::<u32>().ok());
        match number.filter(|_| frame.opcode == TEXT) {
            Some(number) => {
                assert!(number > last, "{number} after {last}");
                (count, last) = (count + 1, number);
            }
            None => return (count, frame.opcode, frame.payload),
        }
    }
}

#[test]
fn a_member_that_stops_reading_is_sent_away_and_nine_others_get_everything() {
    let (server, mut all) = crowd(10, &[], SCRIPT);
    let mut stuck = all.remove(4);
    narrow(&stuck);
    let expected = numbers(LINES);
    let readers: Vec<_> = all
        .into_iter()
        .map(|mut ws| {
            let expected = std::sync::Arc::clone(&expected);
            spawn("member", move || {
                ws.conn.expect(&expected);
                ws
            })
        })
        .collect();
    // They are not slowed by the tenth, which has not read a byte when they have everything.
    let mut nine: Vec<Ws> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
    server.wait_log("sent away: the client does not keep up", DEADLINE);
    let (count, opcode, payload) = read_numbers(&mut stuck);
    assert!(count < LINES, "{count} of {LINES}");
    assert_eq!((opcode, &payload[..2]), (CLOSE, 1013_u16.to_be_bytes().as_slice()));
    assert!(String::from_utf8_lossy(&payload).contains("does not keep up"), "{payload:?}");
    nine[0].send(&text("still here"));
    for mut ws in nine {
        assert_eq!(crate::members::next_text(&mut ws), "still here");
    }
}

#[test]
fn a_member_that_is_alone_and_slow_gets_everything() {
    // Nobody is lost with it, so the command waits.
    let (_server, mut all) = crowd(1, &[], "seq 1 1000000");
    let mut ws = all.remove(0);
    narrow(&ws);
    let expected = numbers(1_000_000);
    for piece in expected.chunks(expected.len() / 20 + 1) {
        crate::support::wait::pace(Duration::from_millis(20));
        ws.conn.expect(piece);
    }
    assert_eq!(goodbye(ws).0, 1000);
}

#[test]
fn a_slow_reader_of_large_messages_gets_all_of_them() {
    // The original loses 340 of these 400.
    let script = "i=0; while [ $i -lt 400 ]; do printf '%0100000d\\n' $i; i=$((i + 1)); done";
    let (_server, mut all) = crowd(1, &["--mailbox", "1000000"], script);
    let mut ws = all.remove(0);
    narrow(&ws);
    for number in 0..400_u32 {
        if number % 40 == 0 {
            crate::support::wait::pace(Duration::from_millis(30));
        }
        let said = crate::members::next_text(&mut ws);
        assert_eq!((said.len(), said.trim_start_matches('0').parse().unwrap_or(0)), (100_000, number));
    }
    assert_eq!(goodbye(ws).0, 1000);
}

#[test]
fn with_block_everybody_waits_and_nobody_loses_anything() {
    let (server, mut all) = crowd(2, &["--slow", "block"], SCRIPT);
    let (mut stuck, mut eager) = (all.remove(0), all.remove(0));
    narrow(&stuck);
    let expected = numbers(LINES);
    let theirs = std::sync::Arc::clone(&expected);
    let reading = spawn("eager member", move || {
        eager.conn.expect(&theirs);
        eager
    });
    server.wait_rest();
    assert!(!server.log().contains("said everything"), "the command waits");
    assert!(!reading.is_finished(), "and so does the other member");
    stuck.conn.expect(&expected);
    let mut eager = reading.join().unwrap();
    assert_eq!(ask(&mut eager, "done"), "done");
    assert_eq!(crate::members::next_text(&mut stuck), "done");
}

#[test]
fn with_block_a_member_that_goes_is_not_waited_for() {
    let (server, mut all) = crowd(2, &["--slow", "block"], SCRIPT);
    let (stuck, mut eager) = (all.remove(0), all.remove(0));
    narrow(&stuck);
    let reading = spawn("eager member", move || eager.conn.expect(&numbers(LINES)));
    server.wait_rest();
    assert!(!reading.is_finished());
    stuck.conn.reset();
    reading.join().unwrap();
}

#[test]
fn with_drop_nobody_waits_and_who_is_slow_stays() {
    let (server, mut all) = crowd(1, &["--slow", "drop"], SCRIPT);
    let mut ws = all.remove(0);
    narrow(&ws);
    server.wait_log("said everything", DEADLINE);
    server.wait_log("messages to it are dropped", DEADLINE);
    // It goes on saying something until that is not dropped.
    let mut sender = ws.try_clone();
    let (heard, more) = std::sync::mpsc::channel::<()>();
    let saying = spawn("sender", move || {
        while more.recv_timeout(Duration::from_millis(50)) == Err(RecvTimeoutError::Timeout) {
            sender.send(&text("later"));
        }
    });
    let (count, opcode, payload) = read_numbers(&mut ws);
    assert_eq!((opcode, payload.as_slice()), (TEXT, b"later".as_slice()));
    assert!(count > 0 && count < LINES, "{count} of {LINES}");
    drop(heard);
    saying.join().unwrap();
    server.wait_children(1);
}

#[test]
fn members_who_come_and_go_while_much_is_said_disturb_nobody() {
    let (server, mut all) = crowd(1, &[], "seq 1 1000000; exec cat");
    let mut steady = all.remove(0);
    let port = server.room_port();
    let visits = spawn("visitors", move || {
        for _ in 0..50 {
            let ws = Ws::open_with(Conn::plain(port), "/r", &[]).unwrap();
            ws.conn.reset();
        }
    });
    steady.conn.expect(&numbers(1_000_000));
    visits.join().unwrap();
    // What visitors' joins have added to the input comes back behind the numbers.
    for _ in 0..50 {
        assert_eq!(crate::members::next_text(&mut steady), "x");
    }
    drop(steady);
    server.wait_children(0);
}

#[test]
fn a_mailbox_can_be_small() {
    let server = Server::scalesocket(&["--mailbox", "65536", "sh", "--", "-c", "read x; seq 1 200000; exec cat"]);
    let mut ws = join(&server, "/r");
    ws.send(&text("go"));
    ws.conn.expect(&numbers(200_000));
    assert_eq!(ask(&mut ws, "on"), "on");
}
