//! Much at once: no message is lost, nothing hangs, memory stays bounded.

use std::sync::Arc;
use std::time::Duration;

use crate::members::{ask, goodbye, join, next_text, text, wire};
use crate::support::server::Server;
use crate::support::wait::{DEADLINE, spawn};
use crate::support::ws::{Frame, TEXT, Ws};

const MIB: usize = 1 << 20;

/// Waits for `$0` members, which `--joinmsg` announces, before `$1` is run.
const WHEN_ALL_ARE_THERE: &str = "i=0; while [ $i -lt $0 ]; do read x; i=$((i + 1)); done; eval \"$1\"";

/// A server whose command says something to `members` members once they are all there; nobody is pinged.
pub(crate) fn crowd(members: usize, flags: &[&str], script: &str) -> (Server, Vec<Ws>) {
    let wait = ["--joinmsg", "x", "--heartbeat", "0", "sh", "--", "-c", WHEN_ALL_ARE_THERE];
    let builder = Server::scalesocket_builder().args(flags).args(&wait);
    let server = builder.args(&[&members.to_string(), script]).start();
    let all = (0..members).map(|_| join(&server, "/r")).collect();
    (server, all)
}

/// Messages of increasing numbers, as they are on the wire.
pub(crate) fn numbers(count: u32) -> Arc<Vec<u8>> {
    Arc::new(wire((1..=count).map(|number| number.to_string())))
}

/// A text message with a mask of zeros, which costs nothing.
pub(crate) fn unmasked_text(length: usize) -> Vec<u8> {
    Frame { mask: Some([0; 4]), ..Frame::new(TEXT, vec![b'x'; length]) }.encode()
}

#[test]
fn a_million_lines_reach_ten_members_in_order() {
    let (server, all) = crowd(10, &[], "seq 1 1000000");
    let expected = numbers(1_000_000);
    let readers: Vec<_> = all
        .into_iter()
        .map(|mut ws| {
            let expected = Arc::clone(&expected);
            spawn("member", move || {
                ws.conn.expect(&expected);
                assert_eq!(goodbye(ws), (1000, "the command exited with code 0".to_owned()));
            })
        })
        .collect();
    for reader in readers {
        reader.join().unwrap();
    }
    server.wait_children(0);
}

#[test]
fn a_line_of_100_mb_arrives_in_one_piece() {
    const LENGTH: usize = 100_000_000;
    let server = Server::scalesocket(&[
        "--heartbeat",
        "0",
        "sh",
        "--",
        "-c",
        "head -c 100000000 /dev/zero | tr '\\0' x; echo; echo next",
    ]);
    let mut ws = join(&server, "/r");
    let mut header = vec![0x81, 127];
    header.extend_from_slice(&(LENGTH as u64).to_be_bytes());
    ws.conn.expect(&header);
    let piece = vec![b'x'; 1_000_000];
    (0..LENGTH / piece.len()).for_each(|_| ws.conn.expect(&piece));
    assert_eq!(next_text(&mut ws), "next");
    assert_eq!(goodbye(ws).0, 1000);
}

#[test]
fn three_megabytes_go_through_cat_and_back() {
    let server = Server::scalesocket(&["cat"]);
    let mut ws = join(&server, "/r");
    let long = (0..500_000).map(|number| format!("{number:06}")).collect::<Vec<_>>().concat();
    assert!(ask(&mut ws, &long) == long);
    let server = Server::scalesocket(&["--binary", "cat"]);
    let mut ws = join(&server, "/r");
    ws.send(&text(long.as_str()));
    assert!(ws.take_data(long.len()) == long.as_bytes());
}

#[test]
fn a_command_that_says_much_before_it_reads_much() {
    const LINES: u32 = 2_000_000;
    const MESSAGES: usize = 20;
    let (server, mut all) = crowd(1, &[], "seq 1 2000000; wc -c >&2");
    let mut ws = all.remove(0);
    let mut sender = ws.try_clone();
    let sending = spawn("sender", move || {
        let message = unmasked_text(MIB);
        (0..MESSAGES).for_each(|_| sender.conn.send(&message));
    });
    ws.conn.expect(&numbers(LINES));
    sending.join().unwrap();
    // All of it has been heard, when the end of the input comes.
    ws.close();
    server.wait_log(&format!("\n{}\n", MESSAGES * (MIB + 1)), DEADLINE);
    server.wait_children(0);
}

#[test]
fn a_command_that_repeats_what_it_hears_keeps_up_with_much() {
    const MESSAGES: usize = 40;
    let server = Server::scalesocket(&["--heartbeat", "0", "cat"]);
    let mut ws = join(&server, "/r");
    let mut sender = ws.try_clone();
    let message = unmasked_text(MIB - 1);
    let sending = spawn("sender", move || (0..MESSAGES).for_each(|_| sender.conn.send(&message)));
    let expected = Frame::new(TEXT, vec![b'x'; MIB - 1]).unmasked().encode();
    (0..MESSAGES).for_each(|_| ws.conn.expect(&expected));
    sending.join().unwrap();
    assert_eq!(ws.close().0, 1000);
}

#[test]
fn a_command_that_reads_nothing_costs_little_memory() {
    const MESSAGES: usize = 60;
    let server = Server::scalesocket(&["--heartbeat", "1", "sleep", "--", "1000"]);
    let mut ws = join(&server, "/r");
    server.wait_rest();
    let before = server.peak_rss_kib();
    ws.conn.socket().set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let message = unmasked_text(MIB);
    let sent = (0..MESSAGES).take_while(|_| ws.conn.try_send(&message).is_ok()).count();
    assert!(sent < MESSAGES / 2, "{sent} MiB were taken for a command that reads nothing");
    let grown = server.peak_rss_kib() - before;
    assert!(grown < 16 * 1024, "{grown} KiB more");
    // Its end is noticed by a ping, although nothing is read from it.
    drop(ws);
    server.wait_children(0);
}

#[test]
fn memory_is_given_back_after_a_long_message() {
    let server = Server::scalesocket(&[
        "--heartbeat",
        "0",
        "sh",
        "--",
        "-c",
        "head -c 50000000 /dev/zero | tr '\\0' x; echo; exec cat",
    ]);
    let mut ws = join(&server, "/r");
    ws.conn.expect(&[0x81, 127, 0, 0, 0, 0, 0x02, 0xfa, 0xf0, 0x80]);
    let piece = vec![b'x'; 1_000_000];
    (0..50).for_each(|_| ws.conn.expect(&piece));
    assert_eq!(ask(&mut ws, "short"), "short");
    crate::support::wait::eventually(DEADLINE, "the memory is given back", || server.rss_kib() < 40 * 1024);
}
