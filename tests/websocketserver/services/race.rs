//! Who gets a slot when many want one.

use std::collections::BTreeSet;
use std::sync::{Arc, Barrier};

use super::{application, runs, stage};
use crate::support::wait::{DEADLINE, eventually, spawn};

#[test]
fn twenty_clients_that_race_for_five_slots_get_exactly_five() {
    let stage = Arc::new(stage(&application(5), &[]));
    for _ in 0..5 {
        let start = Arc::new(Barrier::new(20));
        let race = |_| {
            let (stage, start) = (Arc::clone(&stage), Arc::clone(&start));
            spawn("racer", move || {
                start.wait();
                stage.call("reserve/App")
            })
        };
        let racers: Vec<_> = (0..20).map(race).collect();
        let answers: Vec<_> = racers.into_iter().map(|racer| racer.join().unwrap()).collect();
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        let tokens: BTreeSet<String> = won.iter().map(|a| a.json()["token"].as_str().unwrap().to_owned()).collect();
        let indices: BTreeSet<u64> = won.iter().map(|answer| answer.json()["index"].as_u64().unwrap()).collect();
        assert_eq!((won.len(), tokens.len()), (5, 5));
        assert_eq!(indices, BTreeSet::from([0, 1, 2, 3, 4]));
        for answer in lost {
            assert_eq!(answer.status, 503);
            let seconds = answer.header("Retry-After").expect("when to ask again").parse::<u32>();
            assert!(seconds.is_ok_and(|seconds| seconds > 0));
            assert!(answer.json()["error"].as_str().unwrap().contains("all 5 instances"), "{}", answer.text());
        }
        for token in tokens {
            assert_eq!(stage.call(&format!("release/{token}")).status, 200);
        }
    }
    stage.wait_clean();
}

#[test]
fn an_index_is_not_used_again_while_its_old_process_lives() {
    let stage = stage(&application(1), &[]);
    for by_release in [false, true] {
        let (token, ws, pid) = stage.visit("App?mode=stubborn");
        if by_release {
            assert_eq!(stage.call(&format!("release/{token}")).status, 200);
        }
        drop(ws);
        let mut refused = 0;
        eventually(DEADLINE, "the slot is free again", || {
            // The order matters: it may end between the two looks, but not begin to live again.
            let lived = runs(pid);
            let answer = stage.call("reserve/App");
            if answer.status == 200 {
                assert!(!runs(pid), "the slot was given away while process {pid} lived");
                let token = answer.json()["token"].as_str().unwrap().to_owned();
                assert_eq!(stage.call(&format!("release/{token}")).status, 200);
                return true;
            }
            refused += usize::from(lived);
            false
        });
        assert!(refused > 10, "a process that takes its time holds the slot: refused {refused} times");
        stage.wait_clean();
    }
}
