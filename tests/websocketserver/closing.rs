//! Either side may say goodbye: nothing on its way is lost, and nothing is left behind.

use std::io::Write;
use std::net::{Shutdown, TcpListener};
use std::time::{Duration, Instant};

use crate::support::backend::{Backend, each_read};
use crate::support::door::Door;
use crate::support::random::{Digest, Random};
use crate::support::server::Server;
use crate::support::stream::Look;
use crate::support::wait::{DEADLINE, pace};
use crate::support::ws::{BINARY, CLOSE, Frame, PONG, Ws};

/// More than the kernel keeps on the way, so that some of it must wait.
const MUCH: usize = 20 << 20;
/// No patience of the server's has run out yet.
const PROMPT: Duration = Duration::from_secs(4);
/// A moment in which nothing may come.
const MOMENT: Duration = Duration::from_millis(100);

#[test]
fn a_client_that_closes_lets_the_backend_have_everything_and_then_the_end() {
    Door::each(|door| {
        let backend = Backend::sink();
        let server = door.server(&backend);
        let resources = server.resources();
        for (seed, close) in [(41, Frame::close(3210, "bye")), (42, Frame::new(CLOSE, []))] {
            let mut ws = door.ws(&server);
            let before = backend.received();
            let data = Random::new(seed).vec(MUCH);
            ws.send_all(&[Frame::binary(data.clone()), close.clone()]);
            let began = Instant::now();
            let answer = ws.next_answering().unwrap();
            assert_eq!(answer.payload, close.payload[..close.payload.len().min(2)], "the code and no reason");
            assert!(ws.conn.ends());
            drop(ws);
            backend.wait_ended(backend.accepted());
            assert!(began.elapsed() < PROMPT, "the end came after {:?}", began.elapsed());
            let mut expected = before;
            expected.add(&data);
            assert_eq!(backend.received(), expected);
        }
        server.wait_resources(resources);
    });
}

#[test]
fn last_words_of_the_backend_arrive_before_the_answer_to_a_close_frame() {
    Door::each(|door| {
        let backend = Backend::serve(|stream, _| {
            each_read(stream, |_| Ok(())).unwrap();
            (&mut &*stream).write_all(&Random::new(43).vec(MUCH)).unwrap();
        });
        let server = door.server(&backend);
        let resources = server.resources();
        let mut ws = door.ws(&server);
        ws.send_all(&[Frame::binary(*b"a question"), Frame::close(1001, "")]);
        let (words, code, _) = ws.drain();
        assert_eq!((words, code), (Digest::of_random(43, MUCH as u64), 1001));
        assert!(ws.conn.ends());
        drop(ws);
        server.wait_resources(resources);
    });
}

#[test]
fn a_backend_that_goes_on_after_the_end_delays_the_answer_by_a_second_only() {
    let backend = Backend::never_reads();
    let server = Server::start(&backend.args());
    let resources = server.resources();
    let mut ws = Ws::connect(server.ws_port());
    let began = Instant::now();
    ws.send(&Frame::close(1000, ""));
    assert_eq!(ws.next().unwrap().close_reason().0, 1000);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(ws.conn.ends());
    drop(ws);
    // No word from the client, nor from the backend: the server gives the backend up by itself.
    server.wait_resources(resources);
}

#[test]
fn a_backend_that_ends_is_heard_to_the_end_and_the_client_closes_last() {
    Door::each(|door| {
        let backend = Backend::source(44, MUCH as u64);
        let server = door.server(&backend);
        let resources = server.resources();
        let mut ws = door.ws(&server);
        let (received, code, _) = ws.drain();
        assert_eq!((received, code), (Digest::of_random(44, MUCH as u64), 1000));
        assert_eq!(ws.conn.look(MOMENT), Look::Silence, "TCP stays until the client has answered");
        ws.send(&Frame::close(1000, ""));
        assert!(ws.conn.ends());
        drop(ws);
        server.wait_resources(resources);
    });
}

#[test]
fn what_a_client_sends_before_it_answers_still_reaches_a_backend_that_reads() {
    Door::each(|door| {
        let backend = Backend::serve(|stream, tally| {
            stream.shutdown(Shutdown::Write).unwrap();
            each_read(stream, |bytes| {
                tally.add(bytes);
                Ok(())
            })
            .unwrap();
        });
        let server = door.server(&backend);
        let resources = server.resources();
        let mut ws = door.ws(&server);
        assert_eq!(ws.next_answering().unwrap().close_reason().0, 1000);
        ws.send_all(&[Frame::binary(Random::new(45).vec(MUCH)), Frame::close(1000, "")]);
        assert!(ws.conn.ends());
        drop(ws);
        backend.wait_ended(1);
        assert_eq!(backend.received(), Digest::of_random(45, MUCH as u64));
        server.wait_resources(resources);
    });
}

#[test]
fn a_client_that_goes_on_sending_is_heard_as_long_as_it_sends() {
    let backend = Backend::serve(|stream, tally| {
        stream.shutdown(Shutdown::Write).unwrap();
        each_read(stream, |bytes| {
            tally.add(bytes);
            Ok(())
        })
        .unwrap();
    });
    let server = Server::start(&backend.args());
    let mut ws = Ws::connect(server.ws_port());
    assert_eq!(ws.next().unwrap().close_reason().0, 1000);
    // Longer than a silent client would be waited for.
    let (began, mut sent) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(7) {
        ws.send(&Frame::binary(*b"more"));
        sent += 4;
        pace(MOMENT);
    }
    ws.send(&Frame::close(1000, ""));
    assert!(ws.conn.ends());
    backend.wait_ended(1);
    assert_eq!(backend.received().count, sent);
}

#[test]
fn a_connection_that_the_target_refuses_is_closed_with_1011_and_the_cause() {
    Door::each(|door| {
        let backend = Backend::echo();
        let server = door.server(&backend);
        let (port, resources) = (backend.port(), server.resources());
        drop(backend);
        for _ in 0..5 {
            let mut ws = door.ws(&server);
            let (code, reason) = ws.next().unwrap().close_reason();
            assert_eq!(code, 1011);
            assert!(reason.contains(&format!("127.0.0.1:{port}")) && reason.contains("refused"), "{reason}");
            ws.send(&Frame::close(1011, ""));
            assert!(ws.conn.ends());
            drop(ws);
        }
        server.wait_resources(resources);
        // A target that comes back is found again.
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let mut ws = door.ws(&server);
        let (stream, _) = listener.accept().unwrap();
        (&stream).write_all(b"back").unwrap();
        assert_eq!(ws.take_data(4), b"back");
    });
}

#[test]
fn a_client_that_closes_in_a_flood_gets_its_answer() {
    Door::each(|door| {
        let backend = Backend::flood();
        let server = door.server(&backend);
        let resources = server.resources();
        for _ in 0..3 {
            let mut ws = door.shared_ws(&server);
            assert_eq!(ws.next().unwrap().opcode, BINARY);
            ws.send(&Frame::close(1001, ""));
            let began = Instant::now();
            let close = std::iter::from_fn(|| ws.next()).find(|frame| frame.opcode != BINARY);
            assert_eq!(close.expect("an answer before the end").close_reason().0, 1001);
            assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        }
        backend.wait_ended(3);
        server.wait_resources(resources);
    });
}

#[test]
fn a_goodbye_waits_for_a_client_that_reads_late() {
    Door::each(|door| {
        let backend = Backend::flood();
        let server = door.server(&backend);
        let resources = server.resources();
        let mut ws = door.shared_ws(&server);
        server.wait_rest();
        // The line is full. The server has something to say: a pong, and why it goes.
        ws.send_all(&[Frame::new(9, *b"there?"), Frame { rsv: 1, ..Frame::binary(*b"x") }]);
        server.wait_rest();
        let mut signals = std::iter::from_fn(|| ws.next()).filter(|frame| frame.opcode != BINARY);
        let mut signal = signals.next().expect("a close frame before the end");
        if signal.opcode == PONG {
            signal = signals.next().expect("a close frame before the end");
        }
        assert_eq!(signal.close_reason().0, 1002);
        drop(signals);
        ws.send(&Frame::close(1002, ""));
        assert!(ws.conn.ends());
        drop(ws);
        server.wait_resources(resources);
    });
}

#[test]
fn a_goodbye_of_the_server_is_logged_once_with_its_reason() {
    let backend = Backend::closes();
    let server = Server::start(&backend.args());
    let mut ws = Ws::connect(server.ws_port());
    assert_eq!(ws.next().unwrap().close_reason().0, 1000);
    ws.send(&Frame::close(1000, ""));
    assert!(ws.conn.ends());
    drop(ws);
    server.wait_log("0 bytes up, 0 bytes down: the backend closed", DEADLINE);
    assert_eq!(server.log().matches("ended after").count(), 1);
}
