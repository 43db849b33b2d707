//! `/v1/release` at every moment of an instance's life.

use super::{Stage, application, ending, runs, stage};
use crate::support::ws::Ws;

/// Releases, and sees that the token is good for nothing after that.
#[track_caller]
fn release(stage: &Stage, token: &str) {
    let answer = stage.call(&format!("release/{token}"));
    assert_eq!((answer.status, answer.json()), (200, serde_json::json!({"status": "released"})));
    assert_eq!(stage.try_open(token).unwrap_err().status, 403);
    let again = stage.call(&format!("release/{token}"));
    assert_eq!(again.status, 404);
    assert_eq!(again.json()["error"], "the token is unknown, expired or released");
}

#[track_caller]
fn is_told(ws: &mut Ws) {
    assert_eq!(ending(ws), (1000, "the reservation was released".to_owned()));
}

#[test]
fn a_reservation_is_released_before_it_is_used() {
    let stage = stage(&application(1), &[]);
    release(&stage, &stage.reserve("App"));
    assert_eq!(stage.slots()[0]["state"], "free", "at once");
    assert_eq!(stage.instances(), [0; 0]);
}

#[test]
fn a_launch_is_released_under_way() {
    let stage = stage(&application(1), &[]);
    let token = stage.reserve("App?mode=never");
    let mut both = [stage.open(&token), stage.open(&token)];
    stage.wait_state(0, "launching");
    release(&stage, &token);
    both.iter_mut().for_each(is_told);
    stage.wait_clean();
}

#[test]
fn an_instance_at_work_is_released() {
    let stage = stage(&application(1), &["--reconnect_grace", "60"]);
    let (token, mut ws, pid) = stage.visit("App");
    let mut second = stage.open(&token);
    super::greeting(&mut second);
    release(&stage, &token);
    is_told(&mut ws);
    is_told(&mut second);
    stage.wait_clean();
    assert!(!runs(pid));
}

#[test]
fn an_instance_without_its_client_is_released() {
    let stage = stage(&application(1), &["--reconnect_grace", "60"]);
    let (token, ws, pid) = stage.visit("App");
    assert_eq!(ws.close().0, 1000);
    stage.wait_state(0, "grace");
    release(&stage, &token);
    stage.wait_clean();
    assert!(!runs(pid));
}

#[test]
fn an_instance_that_takes_its_time_to_end_has_no_token_any_more() {
    let stage = stage(&application(1), &[]);
    let (token, ws, pid) = stage.visit("App?mode=stubborn");
    drop(ws);
    let slot = stage.wait_state(0, "stopping");
    assert_eq!(slot["token"], "");
    assert!(runs(pid));
    assert_eq!(stage.call(&format!("release/{token}")).status, 404);
    assert_eq!(stage.try_open(&token).unwrap_err().status, 403);
    stage.wait_clean();
}
