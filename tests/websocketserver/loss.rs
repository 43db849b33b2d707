//! Either side may vanish: what was sent before arrives, the other side is told, and nothing is left behind.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::support::backend::{Backend, each_read};
use crate::support::door::Door;
use crate::support::random::{Digest, Random};
use crate::support::wait::{DEADLINE, eventually};
use crate::support::ws::{BINARY, Frame, PING};

const MUCH: usize = 20 << 20;

fn reset(stream: &TcpStream) {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).unwrap();
}

#[test]
fn a_backend_that_is_reset_is_told_with_1011_and_a_reason() {
    Door::each(|door| {
        let backend = Backend::serve(|mut stream, _| {
            stream.write_all(b"last words").unwrap();
            stream.read_exact(&mut [0]).unwrap();
            reset(stream);
        });
        let server = door.server(&backend);
        let resources = server.resources();
        let mut ws = door.ws(&server);
        assert_eq!(ws.take_data(10), b"last words");
        ws.send(&Frame::binary(*b"x"));
        let (code, reason) = ws.next_answering().unwrap().close_reason();
        assert!(code == 1011 && reason.contains("reset"), "{code} {reason}");
        ws.send(&Frame::close(code, ""));
        assert!(ws.conn.ends());
        drop(ws);
        server.wait_log("the backend was lost", DEADLINE);
        server.wait_resources(resources);
    });
}

#[test]
fn a_reset_in_the_middle_of_an_upload_is_told_too() {
    Door::each(|door| {
        let backend = Backend::serve(|mut stream, _| {
            stream.read_exact(&mut vec![0; 100_000]).unwrap();
            reset(stream);
        });
        let server = door.server(&backend);
        let resources = server.resources();
        for attempt in 0..30 {
            let mut reader = door.shared_ws(&server);
            let mut writer = reader.try_clone();
            let code = thread::scope(|scope| {
                // Sends until the server has closed: some of it always waits in both pumps.
                scope.spawn(move || {
                    let frame = Frame::binary(vec![1; 50_000]).encode();
                    while writer.conn.try_send(&frame).is_ok() {}
                });
                let (code, _) = reader.next_answering().unwrap().close_reason();
                reader.send(&Frame::close(code, ""));
                drop(reader.conn.socket().shutdown(std::net::Shutdown::Both));
                code
            });
            assert_eq!(code, 1011, "attempt {attempt}");
        }
        server.wait_resources(resources);
    });
}

#[test]
fn a_client_that_hangs_up_without_a_word_lets_the_backend_have_everything() {
    Door::each(|door| {
        let backend = Backend::sink();
        let server = door.server(&backend);
        let resources = server.resources();
        let mut ws = door.ws(&server);
        ws.send(&Frame::binary(Random::new(51).vec(MUCH)));
        drop(ws); // a FIN behind the data, with no close frame
        backend.wait_ended(1);
        assert_eq!(backend.received(), Digest::of_random(51, MUCH as u64));
        server.wait_log("the client was lost", DEADLINE);
        server.wait_resources(resources);
    });
}

#[test]
fn a_reset_of_the_client_does_not_take_what_it_sent_before() {
    Door::each(|door| {
        let (release, released) = mpsc::channel::<()>();
        let backend = Backend::once({
            move |stream| {
                // Takes nothing before the client is gone.
                released.recv().unwrap();
                let mut digest = Digest::default();
                each_read(stream, |bytes| {
                    digest.add(bytes);
                    Ok(())
                })
                .unwrap();
                assert_eq!(digest, Digest::of_random(52, 1_000_000));
            }
        });
        let server = door.server(&backend);
        let resources = server.resources();
        let mut ws = door.ws(&server);
        ws.send(&Frame::binary(Random::new(52).vec(1_000_000)));
        ws.send(&Frame::new(PING, []));
        assert_eq!(ws.next().unwrap().payload, b"", "the pong: the server has had everything");
        ws.conn.reset();
        server.wait_rest();
        release.send(()).unwrap();
        backend.wait_ended(1);
        server.wait_resources(resources);
    });
}

#[test]
fn a_client_that_vanishes_in_a_flood_frees_everything() {
    Door::each(|door| {
        let backend = Backend::flood();
        let server = door.server(&backend);
        let resources = server.resources();
        for count in 1..=4 {
            let mut ws = door.ws(&server);
            assert_eq!(ws.next().unwrap().opcode, BINARY);
            if count % 2 == 0 {
                ws.conn.reset();
            } else {
                drop(ws);
            }
            backend.wait_ended(count);
        }
        server.wait_resources(resources);
    });
}

#[test]
fn a_client_that_only_ends_its_own_direction_still_hears_the_answer() {
    let backend = Backend::serve(|mut stream, _| {
        let mut question = Vec::new();
        stream.read_to_end(&mut question).unwrap();
        stream.write_all(&question).unwrap();
    });
    let server = crate::support::server::Server::start(&backend.args());
    let mut ws = crate::support::ws::Ws::connect(server.ws_port());
    ws.send(&Frame::binary(*b"echo?"));
    ws.conn.end_writing();
    assert_eq!(ws.take_data(5), b"echo?");
}

#[test]
fn both_ends_lost_at_once_leave_nothing_behind() {
    Door::each(|door| {
        let backend = Backend::serve(|mut stream, _| {
            let mut byte = [0];
            while stream.write_all(&[7; 10_000]).is_ok() && matches!(stream.read(&mut byte), Ok(1)) && byte == [0] {}
            reset(stream);
        });
        let server = door.server(&backend);
        let resources = server.resources();
        for count in 1..=10 {
            let mut ws = door.ws(&server);
            ws.send(&Frame::binary([0, 0, 1]));
            ws.conn.reset();
            eventually(DEADLINE, "the backend ends", || backend.ended() >= count);
        }
        server.wait_resources(resources);
    });
}
