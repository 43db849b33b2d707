//! Everything that can happen to instances, in any order and at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Pid, Signal, kill_process};

use super::{Stage, application, ending, stage, try_greeting};
use crate::support::random::Random;
use crate::support::wait::{DEADLINE, eventually_some, spawn};
use crate::support::ws::{Frame, Ws};

const ROUNDS: usize = 200;
const THREADS: usize = 8;
const SLOTS: u32 = 4;
const LIMITS: [&str; 6] = ["--timeout", "1", "--reconnect_grace", "0.2", "--launch_timeout", "2"];

/// One reservation's fate, decided by the number of the round. What a client sees of it depends on the machine's load
/// too (a launch may take too long), so only what is left in the end is judged.
fn round(stage: &Stage, number: usize) -> &'static str {
    let mut random = Random::new(7_000 + number as u64);
    let fates = ["expire", "release", "kill", "vanish", "leave", "released", "hasty", "never", "dead", "again", "cut"];
    let fate = fates[random.below(fates.len())];
    let mode = match fate {
        "never" | "cut" => "never",
        "dead" => "die",
        _ => ["listen", "listen", "listen", "stubborn"][random.below(4)],
    };
    let path = format!("reserve/App?mode={mode}");
    let answer = eventually_some(DEADLINE, || Some(stage.call(&path)).filter(|answer| answer.status == 200));
    let token = answer.expect("a slot becomes free").json()["token"].as_str().unwrap().to_owned();
    let release = || drop(stage.call(&format!("release/{token}")));
    match fate {
        "expire" => return fate,
        "release" => release(),
        _ => {
            if let Ok(ws) = stage.try_open(&token) {
                connected(stage, fate, &token, ws, &release);
            }
        }
    }
    fate
}

fn connected(stage: &Stage, fate: &str, token: &str, mut ws: Ws, release: &dyn Fn()) {
    if fate == "hasty" {
        return ws.conn.reset();
    }
    if fate == "cut" {
        release();
    }
    let Ok(pid) = try_greeting(&mut ws) else { return };
    match fate {
        "kill" => {
            let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL); // it may have been stopped just now
            ending(&mut ws);
        }
        "vanish" => ws.conn.reset(),
        "released" => {
            release();
            ending(&mut ws);
        }
        "again" => {
            ws.conn.reset();
            if let Ok(mut second) = stage.try_open(token)
                && let Ok(again) = try_greeting(&mut second)
            {
                assert_eq!(again, pid, "one reservation, one process");
            }
        }
        _ => {
            ws.send(&Frame::close(1000, ""));
            ending(&mut ws);
        }
    }
}

#[test]
fn two_hundred_fates_leave_nothing_behind() {
    let stage = Arc::new(stage(&application(SLOTS), &LIMITS));
    assert!(stage.slots().iter().all(|slot| slot["state"] == "free"));
    stage.server.wait_rest();
    let before = stage.server.resources();
    let next = Arc::new(AtomicUsize::new(0));
    let work = |_| {
        let (stage, next) = (Arc::clone(&stage), Arc::clone(&next));
        spawn("fates", move || {
            let numbers = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < ROUNDS));
            numbers.map(|number| round(&stage, number)).collect::<Vec<_>>()
        })
    };
    let threads: Vec<_> = (0..THREADS).map(work).collect();
    let fates: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert_eq!(fates.len(), ROUNDS);
    stage.wait_clean();
    stage.server.wait_resources(before);
    let slots = stage.slots();
    assert_eq!(slots.len(), SLOTS as usize);
    for slot in slots {
        assert_eq!((slot["token"].as_str(), slot["connections"].as_u64()), (Some(""), Some(0)));
    }
    assert!(!stage.server.log().contains("panic"), "{}", stage.server.log());
}
