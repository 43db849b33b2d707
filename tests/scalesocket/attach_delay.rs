//! `--cmd-attach-delay` without `--tcp`.

use std::time::{Duration, Instant};

use crate::members::{expect_texts, join, next_text, rest, text};
use crate::support::server::Server;
use crate::support::wait::DEADLINE;

#[test]
fn nothing_is_said_before_the_delay_has_passed_and_nothing_is_lost() {
    for flag in ["--cmd-attach-delay", "--delay"] {
        let server = Server::scalesocket(&[flag, "1", "sh", "--", "-c", "echo started >&2; echo early; cat"]);
        let began = Instant::now();
        let mut ws = join(&server, "/r");
        ws.send_all(&[text("one"), text("two")]);
        server.wait_log("started", DEADLINE);
        assert!(began.elapsed() < Duration::from_secs(1), "the command starts at once");
        assert_eq!(next_text(&mut ws), "early");
        assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
        expect_texts(&mut ws, &["one", "two"]);
    }
}

#[test]
fn a_room_that_is_left_before_the_delay_has_passed_ends_at_once() {
    let server = Server::scalesocket(&["--cmd-attach-delay", "1000", "sleep", "--", "1000"]);
    let ws = join(&server, "/r");
    server.wait_children(1);
    let first = server.children();
    ws.close();
    server.wait_children(0);
    // One that comes back has one command, and not the old one beside it.
    let _again = join(&server, "/r");
    server.wait_children(1);
    assert_ne!(server.children(), first);
}

#[test]
fn what_was_said_before_the_end_reaches_a_command_that_was_not_attached_yet() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("said");
    let script = "cat > \"$0\"";
    let args = ["--cmd-attach-delay", "1000", "--leavemsg", "left", "sh", "--", "-c", script, file.to_str().unwrap()];
    let server = Server::scalesocket(&args);
    let mut ws = join(&server, "/r");
    ws.send(&text("said"));
    ws.close();
    server.wait_children(0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "said\nleft\n");
}

#[test]
fn a_command_that_ends_before_the_delay_is_heard() {
    let server = Server::scalesocket(&["--cmd-attach-delay", "1000", "echo", "--", "done"]);
    assert_eq!(rest(join(&server, "/r")).0, ["done"]);
}
