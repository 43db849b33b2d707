//! `--cache`: messages for those who come later.

use crate::members::{ask, expect_texts, join, next_text, text};
use crate::support::server::Server;
use crate::support::ws::Ws;

const TAGGED: [&str; 4] = ["--server-frame=json", "--json-keys=from-to", "--cache", "tagged:8"];

fn server(flags: &[&str]) -> Server {
    Server::scalesocket_builder().args(flags).args(&["cat"]).start()
}

#[track_caller]
fn say(ws: &mut Ws, texts: &[&str]) {
    ws.send_all(&texts.iter().map(|said| text(*said)).collect::<Vec<_>>());
}

#[test]
fn the_last_messages_are_told_before_what_is_said_later() {
    let server = server(&["--cache", "all:8"]);
    let mut first = join(&server, "/r");
    for number in 0..12 {
        assert_eq!(ask(&mut first, &number.to_string()), number.to_string());
    }
    let mut late = join(&server, "/r");
    say(&mut first, &["live"]);
    expect_texts(&mut late, &["4", "5", "6", "7", "8", "9", "10", "11", "live"]);
    let mut other = join(&server, "/other");
    assert_eq!(ask(&mut other, "nothing of another room"), "nothing of another room");
}

#[test]
fn sizes_with_and_without_a_type() {
    for (size, kept) in [("1", 1), ("all:1", 1), ("64", 64)] {
        let server = server(&["--cache", size]);
        let mut first = join(&server, "/r");
        let all: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        // In one go, so that what is read at once has to be told apart.
        say(&mut first, &all);
        expect_texts(&mut first, &all);
        let mut late = join(&server, "/r");
        expect_texts(&mut late, &all[100 - kept..]);
        assert_eq!(ask(&mut late, "live"), "live");
    }
}

#[test]
fn only_tagged_messages_are_kept_where_that_is_asked_for() {
    let server = server(&TAGGED);
    let mut first = join(&server, "/r");
    let said =
        ["plain", r#"{"_cache":true,"n":1}"#, r#"{"_cache":false}"#, r#"{"_cache":true,"n":2}"#, r#"{"_cache":1}"#];
    say(&mut first, &said);
    expect_texts(&mut first, &said);
    expect_texts(&mut join(&server, "/r"), &[said[1], said[3]]);
}

#[test]
fn what_was_for_one_member_is_told_to_nobody_else() {
    for flags in [&["--server-frame=json", "--cache", "all:8"][..], &TAGGED] {
        let key = if flags.contains(&"--json-keys=from-to") { "_to" } else { "id" };
        let server = server(flags);
        let mut first = join(&server, "/r");
        let private = [format!(r#"{{"{key}":1,"_cache":true}}"#), format!(r#"{{"{key}":9,"_cache":true}}"#)];
        say(&mut first, &[&private[0], &private[1], r#"{"_cache":true}"#]);
        expect_texts(&mut first, &[&private[0], r#"{"_cache":true}"#]);
        let mut late = join(&server, "/r");
        expect_texts(&mut late, &[r#"{"_cache":true}"#]);
        assert_eq!(ask(&mut late, "live"), "live");
    }
}

#[test]
fn what_is_kept_goes_with_the_command_unless_it_is_to_stay() {
    for persist in [false, true] {
        let flags = ["--cache", "8", "--cachepersist"];
        let server = server(if persist { &flags } else { &flags[..2] });
        let mut first = join(&server, "/r");
        assert_eq!(ask(&mut first, "old"), "old");
        first.close();
        server.wait_children(0);
        let mut second = join(&server, "/r");
        if persist {
            expect_texts(&mut second, &["old"]);
        }
        assert_eq!(ask(&mut second, "new"), "new");
        // The end of the first command, seen late, takes nothing from the second.
        let mut third = join(&server, "/r");
        expect_texts(&mut third, if persist { &["old", "new"] } else { &["new"] });
    }
}

#[test]
fn who_comes_back_at_once_finds_the_new_rooms_messages() {
    // The original loses them in 2 of 8 runs.
    let server = server(&["--cache", "8"]);
    for round in 0..10 {
        let mut ws = join(&server, "/r");
        let said = format!("round {round}");
        assert_eq!(ask(&mut ws, &said), said);
        let mut late = join(&server, "/r");
        assert_eq!(next_text(&mut late), said);
        late.close();
        ws.close();
    }
}
