//! Rooms: one command each, from the first member to the last.

use crate::members::{ask, expect_texts, goodbye, join, next_text, rest, text};
use crate::support::server::Server;
use crate::support::wait::{DEADLINE, eventually_some};
use crate::support::ws::Ws;

#[test]
fn members_of_a_room_share_a_command_and_rooms_do_not() {
    let server = Server::scalesocket(&["cat"]);
    assert!(server.children().is_empty(), "no command before the first member");
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

#[test]
fn the_first_member_hears_everything_and_who_comes_later_what_is_said_later() {
    let server = Server::scalesocket(&["sh", "--", "-c", "seq 1 100; exec cat"]);
    let mut first = join(&server, "/r");
    (1..=100).for_each(|number| assert_eq!(next_text(&mut first), number.to_string()));
    let mut late = join(&server, "/r");
    first.send(&text("now"));
    expect_texts(&mut first, &["now"]);
    expect_texts(&mut late, &["now"]);
}

#[test]
fn numbers_count_over_all_rooms_and_are_not_used_again() {
    let server = Server::scalesocket(&["--joinmsg", "#ID", "cat"]);
    for id in 1..=3 {
        let mut ws = join(&server, &format!("/r{}", id % 2));
        assert_eq!(next_text(&mut ws), id.to_string());
        ws.close();
    }
    let mut fourth = join(&server, "/r0");
    assert_eq!(next_text(&mut fourth), "4");
    let mut fifth = join(&server, "/r0");
    expect_texts(&mut fourth, &["5"]);
    expect_texts(&mut fifth, &["5"]);
}

#[test]
fn messages_keep_their_order() {
    const COUNT: u32 = 2_000;
    let server = Server::scalesocket(&["--joinmsg", "join #ID", "--leavemsg", "leave #ID", "cat"]);
    let mut watcher = join(&server, "/r");
    assert_eq!(next_text(&mut watcher), "join 1");
    let mut speakers: Vec<Ws> = (0..3).map(|_| join(&server, "/r")).collect();
    for number in 0..COUNT {
        for (index, ws) in speakers.iter_mut().enumerate() {
            ws.send(&text(format!("{} {number}", index + 2)));
        }
    }
    for ws in speakers {
        ws.close();
    }
    // Each speaker's words between the two messages about it.
    let mut heard = [const { Vec::new() }; 5];
    while heard.iter().flatten().filter(|(first, _): &&(String, String)| first == "leave").count() < 3 {
        let line = next_text(&mut watcher);
        let (first, second) = line.split_once(' ').unwrap();
        let id: usize = first.parse().or_else(|_| second.parse()).unwrap();
        heard[id].push((first.to_owned(), second.to_owned()));
    }
    for (id, lines) in heard.iter().enumerate().skip(2) {
        let id = id.to_string();
        assert_eq!(lines.first(), Some(&("join".to_owned(), id.clone())));
        assert_eq!(lines.last(), Some(&("leave".to_owned(), id.clone())));
        let said: Vec<_> = lines[1..lines.len() - 1].iter().map(|(_, number)| number.parse::<u32>().unwrap()).collect();
        assert_eq!(said, (0..COUNT).collect::<Vec<_>>(), "{id}");
    }
}

#[test]
fn a_room_whose_command_has_ended_is_free_for_another() {
    let server = Server::scalesocket(&["sh", "--", "-c", "echo $$; read line; echo last; exit 3"]);
    let (mut a, mut b) = (join(&server, "/r"), join(&server, "/r"));
    let first = next_text(&mut a);
    a.send(&text("end"));
    expect_texts(&mut a, &["last"]);
    assert_eq!(goodbye(a).0, 1011);
    let (texts, code, _) = rest(std::mem::replace(&mut b, join(&server, "/r")));
    assert_eq!((texts.last().map(String::as_str), code), (Some("last"), 1011));
    assert_ne!(next_text(&mut b), first, "another process");
    server.wait_log("process exited code=3", DEADLINE);
}

#[test]
fn who_comes_back_at_once_gets_a_new_command() {
    let server = Server::scalesocket(&["sh", "--", "-c", "echo $$; exec cat"]);
    let mut seen = Vec::new();
    for round in 0..20 {
        let mut ws = join(&server, "/r");
        seen.push(next_text(&mut ws));
        assert_eq!(ask(&mut ws, "hello"), "hello", "round {round}");
        ws.close();
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 20, "as many commands as visits");
    server.wait_children(0);
}

#[test]
fn a_command_that_fails_is_told_apart_from_one_that_is_done() {
    let cases = [("exit 0", 1000, "code 0"), ("exit 7", 1011, "code 7"), ("kill -KILL $$", 1011, "SIGKILL")];
    for (script, code, part) in cases {
        let server = Server::scalesocket(&["sh", "--", "-c", script]);
        let (found, reason) = goodbye(join(&server, "/r"));
        assert_eq!(found, code, "{script}");
        assert!(reason.contains(part), "{script}: {reason}");
        let level = if code == 1000 { "INFO" } else { "ERROR" };
        let line = || server.log().lines().find(|line| line.contains("process exited")).map(str::to_owned);
        let line = eventually_some(DEADLINE, line).unwrap();
        assert!(line.contains(level), "{line}");
    }
}
