//! How long reservations and instances live, and how they end.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{STOP, application, ending, greeting, instances, read_line, rest, runs, stage, try_greeting};
use crate::support::http;
use crate::support::stream::Conn;
use crate::support::wait::{DEADLINE, eventually};
use crate::support::ws::Frame;

#[test]
fn a_reservation_that_nobody_uses_expires() {
    let stage = stage(&application(1), &["--timeout", "1"]);
    let began = Instant::now();
    let token = stage.reserve("App");
    let slot = stage.wait_state(0, "reserved");
    assert_eq!((slot["token"].as_str(), slot["connections"].as_u64()), (Some(token.as_str()), Some(0)));
    let left = slot["expires_in"].as_f64().unwrap();
    assert!(left > 0.0 && left <= 1.0, "{left}");
    stage.wait_state(0, "free");
    assert!(began.elapsed() >= Duration::from_secs(1), "too early: {:?}", began.elapsed());
    assert_eq!(stage.try_open(&token).unwrap_err().status, 403);
    assert_eq!(stage.call(&format!("release/{token}")).status, 404);
    assert!(stage.server.log().contains("was not used in time"));
    assert_eq!(stage.instances(), [0; 0]);
}

#[test]
fn a_reservation_in_use_does_not_expire() {
    let stage = stage(&application(1), &["--timeout", "1"]);
    let (_, mut ws, pid) = stage.visit("App");
    let slot = stage.wait_state(0, "active");
    assert_eq!(slot["expires_in"], serde_json::Value::Null);
    assert_eq!(slot["connections"], 1);
    let timestamp = slot["timestamp"].as_f64().unwrap();
    let now = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    eventually(DEADLINE, "more time than the timeout passes", || now() > timestamp + 1.2);
    ws.send(&Frame::binary(*b"still there\n"));
    assert_eq!(read_line(&mut ws).unwrap(), "still there\n");
    assert!(runs(pid));
}

#[test]
fn an_instance_waits_for_its_client_to_come_back() {
    let stage = stage(&application(1), &["--reconnect_grace", "20"]);
    let (token, ws, pid) = stage.visit("App");
    ws.conn.reset();
    let slot = stage.wait_state(0, "grace");
    assert_eq!(slot["token"], *token);
    assert!(slot["expires_in"].as_f64().unwrap() > 5.0);
    let mut again = stage.open(&token);
    assert_eq!(greeting(&mut again), pid, "the same process");
    assert_eq!(stage.wait_state(0, "active")["expires_in"], serde_json::Value::Null);
    assert_eq!(again.close().0, 1000);
    stage.wait_state(0, "grace");
    assert_eq!(stage.call(&format!("release/{token}")).status, 200);
    stage.wait_clean();
    assert!(!runs(pid));
}

#[test]
fn a_grace_that_nobody_uses_ends_the_instance() {
    let stage = stage(&application(1), &["--reconnect_grace", "0.5"]);
    let (token, ws, pid) = stage.visit("App");
    let began = Instant::now();
    assert_eq!(ws.close().0, 1000);
    stage.wait_clean();
    assert!(began.elapsed() >= Duration::from_millis(500), "too early: {:?}", began.elapsed());
    assert!(!runs(pid));
    assert_eq!(stage.try_open(&token).unwrap_err().status, 403);
}

#[test]
fn a_launch_that_takes_too_long_has_failed() {
    let stage = stage(&application(1), &["--launch_timeout", "1"]);
    let token = stage.reserve("App?mode=never");
    let began = Instant::now();
    let mut both = [stage.open(&token), stage.open(&token)];
    for ws in &mut both {
        let (code, reason) = ending(ws);
        assert_eq!(code, 1011);
        assert!(reason.contains("within 1 s"), "{reason}");
    }
    assert!(began.elapsed() >= Duration::from_secs(1), "too early: {:?}", began.elapsed());
    stage.wait_clean();
    let (_, ws, _) = stage.visit("App");
    assert_eq!(ws.close().0, 1000);
}

#[test]
fn an_application_that_dies_at_start_is_quoted() {
    let stage = stage(&application(1), &[]);
    let (code, reason) = ending(&mut stage.open(&stage.reserve("App?mode=die")));
    assert_eq!(code, 1011);
    assert!(reason.contains("exited with code 3") && reason.contains("there is no fuel"), "{reason}");
    stage.wait_clean();
    assert!(stage.slots()[0]["error"].as_str().unwrap().contains("there is no fuel"));
}

#[test]
fn websockets_of_one_token_share_one_process_and_the_last_one_ends_it() {
    let stage = stage(&application(2), &[]);
    let token = stage.reserve("App");
    let mut all: Vec<_> = (0..5).map(|_| stage.open(&token)).collect();
    let pids: Vec<i32> = all.iter_mut().map(greeting).collect();
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
    eventually(DEADLINE, "five connections", || stage.slots()[0]["connections"] == 5);
    while all.len() > 1 {
        drop(all.pop());
        let count = all.len();
        eventually(DEADLINE, "one connection less", || stage.slots()[0]["connections"] == count);
        assert!(runs(pids[0]), "{count} websockets are left");
    }
    drop(all);
    stage.wait_clean();
    assert!(!runs(pids[0]));
}

#[test]
fn the_last_words_of_a_process_come_before_the_reason_of_its_end() {
    let stage = stage(&application(1), &["--reconnect_grace", "20"]);
    for (exit, code, told) in [(3, 1011, "exited with code 3"), (0, 1000, ""), (1, 1011, "exited with code 1")] {
        let (token, mut ws, _) = stage.visit("App");
        let mut silent = stage.open(&token);
        greeting(&mut silent);
        ws.send(&Frame::binary(format!("exit {exit} farewell\n")));
        let (words, found, reason) = rest(&mut ws);
        assert_eq!((words.as_str(), found), ("farewell\n", code), "{reason}");
        assert!(reason.contains(told), "{reason}");
        assert_eq!(ending(&mut silent).0, code, "every tunnel is told");
        assert_eq!(stage.try_open(&token).unwrap_err().status, 403);
        stage.wait_clean();
    }
}

#[test]
fn a_killed_process_is_told_as_one() {
    let stage = stage(&application(1), &[]);
    let (_, mut ws, pid) = stage.visit("App");
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    let (code, reason) = ending(&mut ws);
    assert_eq!(code, 1011);
    assert!(reason.contains("killed by SIGKILL"), "{reason}");
    stage.wait_clean();
}

#[test]
fn a_stop_ends_instances_in_every_state_and_leaves_nothing() {
    let mut stage = stage(&application(6), &["--reconnect_grace", "60"]);
    let (_, mut active, _) = stage.visit("App");
    let (_, mut stubborn, _) = stage.visit("App?mode=stubborn");
    let (_, left, _) = stage.visit("App");
    drop(left);
    stage.wait_state(2, "grace");
    stage.reserve("App");
    let mut launching = stage.open(&stage.reserve("App?mode=never"));
    stage.wait_state(4, "launching");
    let (token, _released, _) = stage.visit("App?mode=stubborn");
    assert_eq!(stage.call(&format!("release/{token}")).status, 200);
    let mut waiting = Conn::plain(stage.server.http_port());
    assert_eq!(http::request(&mut waiting, "GET", "/v1/status", &[]).unwrap().status, 200);
    let began = Instant::now();
    stage.server.signal(Signal::TERM);
    for ws in [&mut active, &mut stubborn] {
        assert_eq!(ending(ws).0, 1001);
        ws.send(&Frame::close(1001, ""));
    }
    assert_eq!(try_greeting(&mut launching).unwrap_err().0, 1001);
    launching.send(&Frame::close(1001, ""));
    assert!(stage.server.wait_exit(DEADLINE).success());
    assert!(began.elapsed() < STOP, "{:?}", began.elapsed());
    eventually(DEADLINE, "nothing is left", || instances(&stage.folder).is_empty());
}
