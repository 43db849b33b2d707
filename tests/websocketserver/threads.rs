//! A tunnel has one thread while little moves and a second one while data flows, and loses nothing on the way.

use std::io::Write;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::support::backend::{Backend, each_read};
use crate::support::door::Door;
use crate::support::random::{Digest, Random};
use crate::support::server::Server;
use crate::support::tls::Certificate;
use crate::support::wait::{DEADLINE, eventually, spawn};
use crate::support::ws::{Frame, PONG, Ws};

/// Enough to fill any buffer that an idle tunnel has.
const SOME: usize = 1 << 20;
const HEARTBEAT: Duration = Duration::from_millis(600);

/// Sends random bytes up in frames of odd sizes, and takes them back from a backend that echoes.
fn through(ws: &mut Ws, seed: u64, count: usize) {
    let data = Random::new(seed).vec(count);
    let (mut sender, sent) = (ws.try_clone(), data.clone());
    let sent = spawn("sender", move || {
        let (mut random, mut rest) = (Random::new(seed), &sent[..]);
        while !rest.is_empty() {
            let (frame, more) = rest.split_at(1 + random.below(70_000.min(rest.len())));
            sender.send(&Frame::binary(frame));
            rest = more;
        }
    });
    assert!(ws.take_data(count) == data, "what comes back is what was sent");
    sent.join().unwrap();
}

#[test]
fn a_second_thread_comes_with_the_load_and_goes_with_it() {
    Door::each(|door| {
        let backend = Backend::echo();
        let server = door.server_with(&backend, &["--heartbeat", &HEARTBEAT.as_secs_f64().to_string()]);
        let mut ws = door.shared_ws(&server);
        ws.send(&Frame::binary(*b"x"));
        assert_eq!(ws.take_data(1), b"x");
        // The thread that did a handshake goes back to accepting.
        server.wait_rest();
        let alone = server.threads();
        for round in 0..3 {
            through(&mut ws, round, SOME);
            assert_eq!(server.threads(), alone + 1, "round {round}");
            let mut seen = Instant::now();
            eventually(DEADLINE, "the second thread leaves", || {
                // Pings come, and somebody has to answer.
                if seen.elapsed() > HEARTBEAT {
                    ws.send(&Frame::new(PONG, []));
                    seen = Instant::now();
                }
                server.threads() == alone
            });
            ws.send(&Frame::binary(*b"y"));
            assert_eq!(ws.take_data(1), b"y");
            assert_eq!(server.threads(), alone, "a byte needs nobody else");
        }
        // A conversation is a load as well.
        for turn in 0..40 {
            ws.send(&Frame::binary([turn]));
            assert_eq!(ws.take_data(1), [turn]);
        }
        assert_eq!(server.threads(), alone + 1);
    });
}

#[test]
fn tunnels_for_which_there_is_no_second_thread_carry_everything_as_well() {
    Door::each(|door| {
        let backend = Backend::echo();
        // Six connections, and second threads for half of them.
        let server = door.builder(&backend).descriptors(32 + 6 * 2).start();
        let six: Vec<Ws> = (0..6).map(|_| door.shared_ws(&server)).collect();
        let before = server.threads();
        let (all_through, waiting) = mpsc::channel::<()>();
        let threads: Vec<_> = six
            .into_iter()
            .zip(1..)
            .map(|(mut ws, seed)| {
                let all_through = all_through.clone();
                spawn("tunnel", move || {
                    through(&mut ws, seed, 4 << 20);
                    drop(all_through);
                    ws
                })
            })
            .collect();
        drop(all_through);
        assert!(waiting.recv().is_err(), "nobody sends anything");
        assert_eq!(server.threads(), before + 3);
        for thread in threads {
            assert_eq!(thread.join().unwrap().close().0, 1000);
        }
    });
}

#[test]
fn a_tunnel_without_a_second_thread_ends_like_any_other() {
    let backend = Backend::serve(|stream, tally| {
        each_read(stream, |bytes| {
            tally.add(bytes);
            Ok(())
        })
        .unwrap();
        (&mut &*stream).write_all(&Random::new(7).vec(4 << 20)).unwrap();
    });
    let server = Server::builder().args(&backend.args()).descriptors(32 + 2 * 2).start();
    let mut with = Ws::connect(server.ws_port());
    let before = server.threads();
    with.send(&Frame::binary(vec![0; SOME]));
    eventually(DEADLINE, "it has a second thread", || server.threads() == before + 1);
    let mut without = Ws::connect(server.ws_port());
    let alone = server.threads();
    without.send_all(&[Frame::binary(Random::new(8).vec(4 << 20)), Frame::close(1001, "")]);
    let (words, code, _) = without.drain();
    assert_eq!((words, code), (Digest::of_random(7, 4 << 20), 1001));
    assert_eq!(server.threads(), alone);
    drop(without);
    with.send(&Frame::close(1000, ""));
    assert_eq!(with.drain().1, 1000);
    backend.wait_ended(2);
    let mut expected = Digest::of(&vec![0; SOME]);
    expected.add(&Random::new(8).vec(4 << 20));
    assert_eq!(backend.received().count, expected.count);
}

/// A stack is as large as it ever was, and a handshake needs much of it.
#[test]
fn a_tunnel_over_tls_does_not_keep_the_stack_of_its_handshake() {
    const MANY: usize = 16;
    /// Threads that accept, and one that has just stopped to.
    const ACCEPTING: usize = 5;
    let (certificate, backend) = (Certificate::ec(), Backend::echo());
    let server = Server::builder().args(&backend.args()).args(&certificate.args()).start();
    let mut all: Vec<Ws> = (0..MANY).map(|_| Ws::connect_tls(server.ws_port())).collect();
    for ws in &mut all {
        ws.send(&Frame::binary(*b"x"));
        assert_eq!(ws.take_data(1), b"x");
    }
    let stacks = server.stacks_kib();
    let deepest = *stacks.iter().max().unwrap();
    let deep = stacks.iter().filter(|kib| **kib > deepest * 2 / 3).count();
    assert!(stacks.len() > MANY && deep <= ACCEPTING, "KiB of stacks: {stacks:?}");
}
