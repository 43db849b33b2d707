//! Bytes arrive as they were sent, whatever the frames around them.

use std::net::TcpStream;
use std::sync::{Arc, LazyLock, mpsc};
use std::thread;

use crate::support::backend::{Backend, each_read};
use crate::support::cycle::Cycle;
use crate::support::random::Random;
use crate::support::server::Server;
use crate::support::stream::Conn;
use crate::support::tls::Certificate;
use crate::support::wait::spawn;
use crate::support::ws::{BINARY, CONTINUATION, Frame, PING, PONG, TEXT, Ws};

const MIB: usize = 1 << 20;
/// One message of this size goes in a single frame.
const HUGE: usize = 64 * MIB;
/// How much goes each way.
const TOTAL: u64 = 256 * MIB as u64;
/// Where in the block the backend's stream begins, so that the two directions differ.
const DOWN_START: usize = 12_345;

/// What a client sends, again and again: half of it in mixed frames, half in one.
struct Script {
    data: Arc<[u8]>,
    wire: Vec<u8>,
    pings: Vec<Vec<u8>>,
}

static SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    let mut random = Random::new(11);
    let data: Arc<[u8]> = random.vec(2 * HUGE).into();
    let (mut wire, mut pings) = (Vec::with_capacity(data.len() + data.len() / 8), Vec::new());
    let mut at = 0;
    while at < HUGE {
        let size = match random.below(8) {
            0 => [1, 2, 125, 126, 127, 65_535, 65_536][random.below(7)],
            1 => 1 + random.below(300),
            2..=5 => 1 + random.below(70_000),
            _ => 1 + random.below(MIB),
        };
        let size = size.min(HUGE - at);
        let pieces = if random.below(3) == 0 { 1 + random.below(5) } else { 1 };
        let mut frames = Frame::fragments(&data[at..at + size], size.div_ceil(pieces));
        if random.below(4) == 0 {
            frames[0].opcode = TEXT;
        }
        for mut frame in frames {
            frame.mask = Some(u32::try_from(random.below(1 << 32)).unwrap().to_be_bytes());
            wire.extend(frame.encode());
            if random.below(3) == 0 {
                let mut payload = pings.len().to_be_bytes().to_vec();
                payload.extend(random.vec(random.clone().below(118)));
                wire.extend(Frame::new(PING, payload.as_slice()).encode());
                pings.push(payload);
            }
        }
        at += size;
    }
    wire.extend(Frame::binary(&data[HUGE..]).encode());
    let last = b"after the last byte".to_vec();
    wire.extend(Frame::new(PING, last.as_slice()).encode());
    pings.push(last);
    Script { data, wire, pings }
});

/// Sends its part while it checks the client's, to the client's end.
fn exchange_at_backend(stream: &TcpStream) -> u64 {
    let cycle = Cycle::new(Arc::clone(&SCRIPT.data));
    let mut expected = cycle.clone();
    thread::scope(|scope| {
        scope.spawn(move || cycle.starting_at(DOWN_START).write(&mut &*stream, TOTAL).unwrap());
        each_read(stream, |bytes| {
            expected.expect(bytes);
            Ok(())
        })
        .unwrap();
    });
    expected.passed()
}

/// Reads the backend's part, and the pongs: some may be left out (RFC 6455 section 5.5.3), the last one never.
fn check_at_client(ws: &mut Ws, rounds: usize) {
    let script = &*SCRIPT;
    let mut expected = Cycle::new(Arc::clone(&script.data)).starting_at(DOWN_START);
    let mut pings = vec![&script.pings; rounds].into_iter().flatten().collect::<Vec<_>>().into_iter();
    while expected.passed() < TOTAL || pings.len() > 0 {
        let frame = ws.next().expect("no end while data flows");
        match frame.opcode {
            BINARY => expected.expect(&frame.payload),
            PONG => assert!(pings.any(|ping| *ping == frame.payload), "a pong that answers no ping, or in wrong order"),
            other => panic!("a frame with opcode {other}"),
        }
    }
    assert_eq!(expected.passed(), TOTAL);
}

fn everything_arrives(server: &Server, backend: &Backend, dial: fn(u16) -> Conn, received: &mpsc::Receiver<u64>) {
    let before = server.resources();
    let mut reader = Ws::open(dial(server.ws_port()).into_shared(), "/").unwrap();
    let mut writer = reader.try_clone();
    let rounds = usize::try_from(TOTAL).unwrap() / SCRIPT.data.len();
    let sender = spawn("sender", move || (0..rounds).for_each(|_| writer.conn.send(&SCRIPT.wire)));
    check_at_client(&mut reader, rounds);
    sender.join().unwrap();
    assert_eq!(reader.close().0, 1000);
    assert_eq!(received.recv().expect("no wrong byte at the backend"), TOTAL);
    backend.wait_ended(1);
    server.wait_resources(before);
}

#[test]
fn megabytes_both_ways_at_once_arrive_unchanged() {
    let (tell, received) = mpsc::channel();
    let backend = Backend::once(move |stream| tell.send(exchange_at_backend(stream)).unwrap());
    let server = Server::start(&backend.args());
    everything_arrives(&server, &backend, Conn::plain, &received);
}

#[test]
fn megabytes_both_ways_at_once_arrive_unchanged_over_tls() {
    let (tell, received) = mpsc::channel();
    let backend = Backend::once(move |stream| tell.send(exchange_at_backend(stream)).unwrap());
    let server = Server::builder().args(&backend.args()).args(&Certificate::ec().args()).start();
    everything_arrives(&server, &backend, Conn::tls, &received);
}

#[test]
fn tiny_frames_in_one_segment_and_bytes_one_by_one_come_through() {
    let backend = Backend::echo();
    let certificate = Certificate::ec();
    for tls in [false, true] {
        let server = if tls {
            Server::builder().args(&backend.args()).args(&certificate.args()).start()
        } else {
            Server::start(&backend.args())
        };
        let mut ws = if tls { Ws::connect_tls(server.ws_port()) } else { Ws::connect(server.ws_port()) };
        let data = Random::new(12).vec(9_000);
        let frames: Vec<_> = data.iter().map(|byte| Frame::binary([*byte])).collect();
        ws.send_all(&frames);
        assert_eq!(ws.take_data(data.len()), data);
        // One message whose frames hold one byte each, empty ones between.
        let mut frames = Frame::fragments(&data, 1);
        for at in (1..frames.len()).step_by(7) {
            frames.insert(at, Frame::new(CONTINUATION, []).unfinished());
        }
        ws.send_all(&frames);
        assert_eq!(ws.take_data(data.len()), data);
        assert_eq!(ws.close().0, 1000);
    }
}

#[test]
fn a_frame_may_be_cut_at_every_byte() {
    let backend = Backend::echo();
    let server = Server::start(&backend.args());
    let mut ws = Ws::connect(server.ws_port());
    let mut random = Random::new(13);
    for size in [20, 200, 65_536] {
        let payload = random.vec(size);
        let wire = Frame::binary(payload.clone()).encode();
        let header = wire.len() - size;
        for cut in 1..=header {
            // The answer to the byte before it tells that the first part has been read.
            ws.conn.send(&[&Frame::binary([7]).encode(), &wire[..cut]].concat());
            assert_eq!(ws.take_data(1), [7]);
            ws.conn.send(&wire[cut..]);
            assert_eq!(ws.take_data(size), payload, "cut after {cut} bytes");
        }
    }
    let ping = Frame::new(PING, random.vec(125));
    for cut in 1..ping.encode().len() {
        let wire = ping.encode();
        ws.conn.send_in_pieces(&wire, cut);
        let answer = ws.next().unwrap();
        assert_eq!((answer.opcode, &answer.payload), (PONG, &ping.payload), "in pieces of {cut} bytes");
    }
    ws.conn.send_in_pieces(&Frame::binary(random.clone().vec(400)).encode(), 1);
    assert_eq!(ws.take_data(400), random.vec(400));
    ws.conn.send_in_pieces(&Frame::close(1000, "bye").encode(), 1);
    assert_eq!(ws.next().unwrap().close_reason().0, 1000);
}
