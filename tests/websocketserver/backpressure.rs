//! Whoever does not read stalls the own tunnel, costs no memory and no processor time, and hurts nobody else.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::support::backend::{Backend, each_read};
use crate::support::cycle::Cycle;
use crate::support::random::Random;
use crate::support::server::Server;
use crate::support::stream::{Conn, Look};
use crate::support::tls::Certificate;
use crate::support::wait::{DEADLINE, spawn};
use crate::support::ws::{BINARY, Frame, Length, Ws};

const MIB: usize = 1 << 20;
/// How much more memory a stuck or a huge transfer may take.
const ALLOWANCE_KIB: usize = 8 * 1024;
/// What a backend sends in all to a client that does not read for a while.
const FLOOD: u64 = 64 * MIB as u64;
/// No room for this long means that nobody takes anything.
const STALL: Duration = Duration::from_millis(300);

/// Waits without taking a byte or a processor: until the connection has been silent for [`STALL`].
fn wait_silence(conn: &mut Conn) {
    while conn.look(STALL) != Look::Silence {}
}

/// Writes until the receiver takes nothing more, and tells how much it took.
fn write_until_stalled(stream: &TcpStream, cycle: &mut Cycle) -> u64 {
    stream.set_write_timeout(Some(STALL)).unwrap();
    let error = cycle.write(&mut &*stream, FLOOD).expect_err("nobody reads");
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    cycle.passed()
}

/// Never reads, until the connection is cut.
fn stay_deaf(stream: &TcpStream) {
    let mut events = [rustix::event::PollFd::new(stream, rustix::event::PollFlags::empty())];
    let _ = rustix::event::poll(&mut events, None);
}

/// The first connection gets `service`; the others echo.
fn serve_first(service: impl Fn(&TcpStream) + Send + Sync + 'static) -> Backend {
    let count = AtomicUsize::new(0);
    Backend::serve(move |stream, _| {
        if count.fetch_add(1, Ordering::SeqCst) == 0 {
            service(stream);
        } else {
            drop(each_read(stream, |bytes| (&mut &*stream).write_all(bytes)));
        }
    })
}

fn start(backend: &Backend, certificate: Option<&Certificate>) -> Server {
    let tls = certificate.map_or_else(Vec::new, |certificate| certificate.args().to_vec());
    Server::builder().args(&backend.args()).args(&tls).start()
}

fn connect(server: &Server, tls: bool) -> Ws {
    if tls { Ws::connect_tls(server.ws_port()) } else { Ws::connect(server.ws_port()) }
}

/// A tunnel beside the stuck one carries 32 MiB there and back.
fn others_go_on(server: &Server, tls: bool) {
    let dial = if tls { Conn::tls } else { Conn::plain };
    let mut reader = Ws::open(dial(server.ws_port()).into_shared(), "/").unwrap();
    let mut writer = reader.try_clone();
    let data = Random::new(22).vec(32 * MIB);
    let sent = data.clone();
    let sender = spawn("sender", move || writer.send(&Frame::binary(sent)));
    let mut expected = Cycle::new(data.into());
    while expected.passed() < 32 * MIB as u64 {
        expected.expect(&reader.next_answering().unwrap().payload);
    }
    sender.join().unwrap();
    assert_eq!(reader.close().0, 1000);
}

#[track_caller]
fn took_little_memory(server: &Server, before_kib: usize) {
    let growth = server.peak_rss_kib().saturating_sub(before_kib);
    assert!(growth < ALLOWANCE_KIB, "{growth} KiB more than before");
}

/// A loop would take up all of the processor time, a rest takes none.
fn server_rests(server: &Server, conn: &mut Conn) {
    wait_silence(conn);
    let before = server.cpu_ticks();
    for _ in 0..3 {
        wait_silence(conn);
    }
    let used = server.cpu_ticks() - before;
    assert!(used <= 5, "{used} ticks of processor time while nothing happens");
}

fn a_deaf_backend_stalls_its_client_only(certificate: Option<&Certificate>) {
    let tls = certificate.is_some();
    let backend = serve_first(stay_deaf);
    let server = start(&backend, certificate);
    let (resources, memory) = (server.resources(), server.rss_kib());
    let mut ws = connect(&server, tls);
    // One frame without end: nothing but its payload follows.
    ws.send(&Frame { length: Length::Claim(1 << 40), mask: Some([0; 4]), ..Frame::new(BINARY, []) });
    ws.conn.socket().set_write_timeout(Some(STALL)).unwrap();
    let block = Random::new(23).vec(MIB);
    let sent = (0..200).take_while(|_| ws.conn.try_send(&block).is_ok()).count();
    assert!(sent < 100, "nobody reads, but {sent} MiB were taken");
    took_little_memory(&server, memory);
    server_rests(&server, &mut ws.conn);
    others_go_on(&server, tls);
    drop(backend);
    ws.conn.reset();
    server.wait_resources(resources);
}

#[test]
fn a_backend_that_never_reads_stalls_its_own_client_only() {
    a_deaf_backend_stalls_its_client_only(None);
}

#[test]
fn a_backend_that_never_reads_stalls_its_own_client_only_over_tls() {
    a_deaf_backend_stalls_its_client_only(Some(&Certificate::ec()));
}

fn a_stuck_reader_stalls_its_backend_only(certificate: Option<&Certificate>) {
    let tls = certificate.is_some();
    let block: Arc<[u8]> = Random::new(21).vec(MIB + 1).into();
    let mut expected = Cycle::new(Arc::clone(&block));
    let (tell, stalled) = mpsc::channel();
    let backend = serve_first(move |stream| {
        let mut cycle = Cycle::new(Arc::clone(&block));
        tell.send(write_until_stalled(stream, &mut cycle)).unwrap();
        stream.set_write_timeout(None).unwrap();
        let rest = FLOOD - cycle.passed();
        cycle.write(&mut &*stream, rest).unwrap();
    });
    let server = start(&backend, certificate);
    let (resources, memory) = (server.resources(), server.rss_kib());
    let mut ws = connect(&server, tls);
    let taken = stalled.recv_timeout(DEADLINE).unwrap();
    assert!(taken < FLOOD / 2, "nobody reads, but {taken} bytes were taken");
    took_little_memory(&server, memory);
    others_go_on(&server, tls);
    let mut other = connect(&server, tls);
    server_rests(&server, &mut other.conn);
    assert_eq!(other.close().0, 1000);

    // What waited is still there, to the last byte.
    loop {
        let frame = ws.next_answering().unwrap();
        match frame.opcode {
            BINARY => expected.expect(&frame.payload),
            _ => break assert_eq!(frame.close_reason().0, 1000),
        }
    }
    assert_eq!(expected.passed(), FLOOD);
    ws.send(&Frame::close(1000, ""));
    assert!(ws.conn.ends());
    drop(ws);
    server.wait_resources(resources);
}

#[test]
fn a_client_that_does_not_read_stalls_its_own_backend_only() {
    a_stuck_reader_stalls_its_backend_only(None);
}

#[test]
fn a_client_that_does_not_read_stalls_its_own_backend_only_over_tls() {
    a_stuck_reader_stalls_its_backend_only(Some(&Certificate::ec()));
}

fn one_message_streams_through(certificate: Option<&Certificate>) {
    const SIZE: u64 = 1 << 30;
    let block: Arc<[u8]> = Random::new(24).vec(4 * MIB).into();
    let mut expected = Cycle::new(Arc::clone(&block));
    let (tell, received) = mpsc::channel();
    let backend = Backend::once(move |stream| {
        let read = each_read(stream, |bytes| {
            expected.expect(bytes);
            Ok(())
        });
        tell.send((read.is_ok(), expected.passed())).unwrap();
    });
    let server = start(&backend, certificate);
    let memory = server.rss_kib();
    let mut ws = connect(&server, certificate.is_some());
    let header = Frame { length: Length::Claim(SIZE), ..Frame::new(BINARY, []) };
    ws.send(&header);
    // The mask's period divides the block, so one masked block serves for all.
    let masked = Frame { mask: header.mask, ..Frame::binary(&block[..]) }.encode().split_off(14);
    (0..SIZE / masked.len() as u64).for_each(|_| ws.conn.send(&masked));
    assert_eq!(ws.close().0, 1000);
    assert_eq!(received.recv_timeout(DEADLINE).expect("no wrong byte at the backend"), (true, SIZE));
    took_little_memory(&server, memory);
}

#[test]
fn one_message_of_a_gibibyte_streams_through_in_little_memory() {
    one_message_streams_through(None);
}

#[test]
fn one_message_of_a_gibibyte_streams_through_in_little_memory_over_tls() {
    one_message_streams_through(Some(&Certificate::ec()));
}
