//! Many at once: each gets its own bytes, and afterwards all is as before.

use std::sync::{Arc, Barrier};

use crate::support::backend::Backend;
use crate::support::door::Door;
use crate::support::random::Random;
use crate::support::wait::spawn;
use crate::support::ws::{Frame, Ws};

const THREADS: usize = 8;
const EACH: usize = 25;

/// Opens its tunnels, waits until all are open everywhere, uses them in turns, and ends them in all ways.
fn use_many(mut tunnels: Vec<Ws>, seed: u64, all_open: &Barrier) {
    all_open.wait();
    let mut random = Random::new(seed);
    let data: Vec<_> = tunnels.iter().map(|_| random.vec(1 + random.clone().below(20_000))).collect();
    for _ in 0..3 {
        for (ws, data) in tunnels.iter_mut().zip(&data) {
            ws.send(&Frame::binary(data.clone()));
        }
        for (ws, data) in tunnels.iter_mut().zip(&data) {
            assert_eq!(ws.take_data(data.len()), *data);
        }
    }
    for (at, ws) in tunnels.into_iter().enumerate() {
        match at % 3 {
            0 => assert_eq!(ws.close().0, 1000),
            1 => ws.conn.reset(),
            _ => drop(ws),
        }
    }
}

#[test]
fn two_hundred_tunnels_at_once_leave_nothing_behind() {
    Door::each(|door| {
        let backend = Backend::echo();
        let server = door.server(&backend);
        let resources = server.resources();
        let all_open = Arc::new(Barrier::new(THREADS));
        let users: Vec<_> = (0..THREADS)
            .map(|thread| {
                let dial = door.dialer(&server);
                let all_open = Arc::clone(&all_open);
                spawn("user", move || use_many((0..EACH).map(|_| dial()).collect(), thread as u64, &all_open))
            })
            .collect();
        for user in users {
            user.join().unwrap();
        }
        backend.wait_ended(THREADS * EACH);
        server.wait_resources(resources);
        // Whoever comes next finds everything working.
        let mut ws = door.ws(&server);
        ws.send(&Frame::binary(*b"still"));
        assert_eq!(ws.take_data(5), b"still");
        assert_eq!(ws.close().0, 1000);
    });
}
