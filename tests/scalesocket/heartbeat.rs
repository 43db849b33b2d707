//! Who is gone without a word is noticed.

use std::time::{Duration, Instant};

use crate::members::{expect_texts, join, next_text, text};
use crate::support::server::Server;
use crate::support::wait::DEADLINE;
use crate::support::ws::{Frame, PING, PONG};

const INTERVAL: Duration = Duration::from_millis(300);
const ARGS: [&str; 2] = ["--heartbeat", "0.3"];

#[test]
fn who_answers_pings_stays() {
    let server = Server::scalesocket(&[ARGS[0], ARGS[1], "--frame=json", "cat"]);
    let mut ws = join(&server, "/r");
    let began = Instant::now();
    for _ in 0..6 {
        let ping = ws.next().expect("no end while pings are answered");
        assert_eq!(ping.opcode, PING);
        ws.send(&Frame::new(PONG, ping.payload));
    }
    assert!(began.elapsed() > INTERVAL * 4, "{:?}", began.elapsed());
    ws.send(&text("{}"));
    assert_eq!(next_text(&mut ws), r#"{"id":1}"#);
}

#[test]
fn who_answers_nothing_is_cut_and_the_room_ends() {
    let server = Server::scalesocket(&[ARGS[0], ARGS[1], "cat"]);
    let mut ws = join(&server, "/r");
    let pings = std::iter::from_fn(|| ws.next()).take(20).count();
    assert!((1..20).contains(&pings), "{pings} pings before the end");
    server.wait_children(0);
    server.wait_log("no sign of life", DEADLINE);
}

#[test]
fn the_others_are_told_of_who_is_cut() {
    let server = Server::scalesocket(&[ARGS[0], ARGS[1], "--leavemsg", "left #ID", "cat"]);
    let mut watcher = join(&server, "/r");
    let _silent = join(&server, "/r");
    expect_texts(&mut watcher, &["left 2"]);
}

#[test]
fn pings_go_on_while_the_command_reads_nothing() {
    let server = Server::scalesocket(&[ARGS[0], ARGS[1], "sleep", "--", "1000"]);
    let mut ws = join(&server, "/r");
    ws.conn.socket().set_write_timeout(Some(INTERVAL)).unwrap();
    let message = text("x".repeat(1 << 20)).encode();
    assert!((0..100).any(|_| ws.conn.try_send(&message).is_err()), "nobody reads, but everything is taken");
    for _ in 0..5 {
        assert_eq!(ws.next().expect("no end while the member is made to wait").opcode, PING);
    }
}
