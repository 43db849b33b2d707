//! Who is there is known by pings, and by every byte given or taken.

use std::time::{Duration, Instant};

use crate::support::backend::Backend;
use crate::support::cycle::Cycle;
use crate::support::door::Door;
use crate::support::random::Random;
use crate::support::server::Server;
use crate::support::wait::{DEADLINE, pace};
use crate::support::ws::{BINARY, CLOSE, Frame, Length, PING, PONG, Ws};

const MIB: usize = 1 << 20;
const INTERVAL: Duration = Duration::from_millis(200);
const ARGS: [&str; 2] = ["--heartbeat", "0.2"];

#[test]
fn a_client_that_answers_pings_lives_on() {
    Door::each(|door| {
        let backend = Backend::echo();
        let server = door.server_with(&backend, &ARGS);
        let mut ws = door.ws(&server);
        let began = Instant::now();
        for _ in 0..8 {
            let ping = ws.next().expect("no end while pings are answered");
            assert_eq!(ping.opcode, PING);
            ws.send(&Frame::new(PONG, ping.payload));
        }
        let took = began.elapsed();
        assert!(took > INTERVAL * 6, "eight pings in {took:?}");
        assert!(took < INTERVAL * 16, "eight pings in {took:?}");
        ws.send(&Frame::binary(*b"here"));
        assert_eq!(ws.take_data(4), b"here");
        assert_eq!(ws.close().0, 1000);
    });
}

#[test]
fn a_client_that_sends_data_need_not_answer_pings() {
    let backend = Backend::echo();
    let server = Server::start(&[backend.args().as_slice(), &ARGS.map(str::to_owned)].concat());
    let mut ws = Ws::connect(server.ws_port());
    let began = Instant::now();
    while began.elapsed() < INTERVAL * 8 {
        ws.send(&Frame::binary(*b"x"));
        pace(INTERVAL / 4);
        let frame = std::iter::from_fn(|| ws.next()).find(|frame| frame.opcode != PING);
        assert_eq!(frame.expect("no end while data flows").payload, b"x");
    }
}

#[test]
fn a_client_that_answers_no_ping_is_cut_and_the_backend_told() {
    Door::each(|door| {
        let backend = Backend::sink();
        let server = door.server_with(&backend, &ARGS);
        let resources = server.resources();
        let mut ws = door.ws(&server);
        ws.send(&Frame::binary(*b"the last word"));
        let began = Instant::now();
        let pings = std::iter::from_fn(|| ws.next()).filter(|frame| frame.opcode == PING).take(20).count();
        let took = began.elapsed();
        assert!((1..20).contains(&pings), "{pings} pings before the end");
        assert!(took >= INTERVAL * 2 && took < INTERVAL * 8, "cut after {took:?}");
        backend.wait_ended(1);
        assert_eq!(backend.received().count, 13);
        server.wait_log("no answer to pings", DEADLINE);
        server.wait_resources(resources);
    });
}

#[test]
fn a_slow_reader_that_answers_nothing_is_not_cut() {
    const TOTAL: u64 = 12 * MIB as u64;
    Door::each(|door| {
        let block: std::sync::Arc<[u8]> = Random::new(61).vec(MIB + 3).into();
        let mut cycle = Cycle::new(std::sync::Arc::clone(&block));
        let backend = Backend::once(move |stream| cycle.write(&mut &*stream, TOTAL).unwrap());
        let server = door.server_with(&backend, &ARGS);
        let conn = door.conn(&server);
        // The kernel is not to take for the client what the client does not take.
        rustix::net::sockopt::set_socket_recv_buffer_size(conn.socket(), 32 * 1024).unwrap();
        let mut ws = Ws::open(conn, "/").unwrap();
        let mut expected = Cycle::new(block);
        let began = Instant::now();
        loop {
            let frame = ws.next().expect("no end while the client reads");
            match frame.opcode {
                BINARY => expected.expect(&frame.payload),
                CLOSE => break assert_eq!(frame.close_reason().0, 1000),
                _ => {}
            }
            // A quarter of a mebibyte at a time.
            if began.elapsed() < INTERVAL * 10 {
                pace(INTERVAL * 3 / 4);
            }
        }
        assert_eq!(expected.passed(), TOTAL);
    });
}

#[test]
fn pings_go_on_while_the_backend_takes_nothing() {
    let backend = Backend::never_reads();
    let server = Server::start(&[backend.args().as_slice(), &ARGS.map(str::to_owned)].concat());
    let mut ws = Ws::connect(server.ws_port());
    ws.send(&Frame { length: Length::Claim(1 << 40), ..Frame::new(BINARY, []) });
    ws.conn.socket().set_write_timeout(Some(INTERVAL)).unwrap();
    let block = vec![0; MIB];
    let sent = (0..200).take_while(|_| ws.conn.try_send(&block).is_ok()).count();
    assert!(sent < 100, "nobody reads, but {sent} MiB were taken");
    let began = Instant::now();
    for _ in 0..8 {
        assert_eq!(ws.next().expect("no end while the backend makes the client wait").opcode, PING);
    }
    assert!(began.elapsed() < INTERVAL * 16, "{:?}", began.elapsed());
}

#[test]
fn without_a_heartbeat_nobody_is_pinged_or_cut() {
    let backend = Backend::echo();
    let server = Server::start(&[backend.args().as_slice(), &["--heartbeat".to_owned(), "0".to_owned()]].concat());
    let mut ws = Ws::connect(server.ws_port());
    assert_eq!(ws.conn.look(Duration::from_secs(1)), crate::support::stream::Look::Silence);
    ws.send(&Frame::binary(*b"x"));
    assert_eq!(ws.next().unwrap().payload, b"x");
}
