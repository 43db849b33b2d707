//! Sixty-four tunnels at once: each byte goes where it belongs, and readers that are stuck cost little memory.

use std::io::Read;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, LazyLock, RwLock, mpsc};
use std::thread::{self, JoinHandle};

use rustix::net::sockopt;

use crate::support::backend::{Backend, each_read};
use crate::support::cycle::Cycle;
use crate::support::door::Door;
use crate::support::random::Random;
use crate::support::server::Server;
use crate::support::wait::{DEADLINE, eventually, spawn};
use crate::support::ws::{BINARY, Frame, Ws};

const TUNNELS: usize = 64;
const KIB: u64 = 1024;
/// What goes each way through each tunnel when all read.
const EACH: u64 = 1_500 * KIB + 13;
/// What waits for each stuck reader: more than the kernel is willing to hold for most of them.
const FLOOD: u64 = 12_000 * KIB + 13;
/// Socket buffers of the tests' own ends: the less the kernel holds, the sooner a sender is stuck.
const SOCKET_BUFFER: usize = 64 * 1024;
/// A sender has begun when it has got rid of this.
const BEGUN: u64 = 64 * KIB;
/// KiB for each tunnel. A stuck one has filled one buffer of 256 KiB; there are the stacks of its threads, the small buffer
/// of the other direction and the allocator's arenas: 320 to 340 were measured. TLS keeps records beside the cleartext:
/// 530 down, 950 up.
const ALLOWANCE_KIB: usize = 450;
const TLS_ALLOWANCE_KIB: usize = 1200;

static BLOCK: LazyLock<Arc<[u8]>> = LazyLock::new(|| Random::new(64).vec(1024 * 1024 + 7).into());

/// Which way bytes go.
#[derive(Clone, Copy)]
enum Way {
    Up,
    Down,
}

/// Each tunnel and direction has a place of its own in the block, so that nobody else's bytes look right.
fn cycle(tunnel: u8, way: Way) -> Cycle {
    Cycle::new(Arc::clone(&BLOCK)).starting_at((usize::from(tunnel) * 2 + way as usize) * 8_191)
}

/// The client's first byte says which tunnel this is.
fn number(mut stream: &TcpStream) -> u8 {
    let mut number = [0];
    stream.read_exact(&mut number).unwrap();
    number[0]
}

fn introduce(ws: &mut Ws, tunnel: u8) {
    ws.send(&Frame::binary([tunnel]));
}

fn shrink(stream: &TcpStream) {
    sockopt::set_socket_recv_buffer_size(stream, SOCKET_BUFFER).unwrap();
    sockopt::set_socket_send_buffer_size(stream, SOCKET_BUFFER).unwrap();
}

/// Compares all that comes, and says how much it was.
fn expect_to_end(stream: &TcpStream, mut expected: Cycle) -> u64 {
    each_read(stream, |bytes| {
        expected.expect(bytes);
        Ok(())
    })
    .unwrap();
    expected.passed()
}

/// Sends `total` bytes in frames of all sizes, many of them odd, several in one write and others in several.
fn send(ws: &mut Ws, tunnel: u8, total: u64, sent: &AtomicU64) {
    let mut random = Random::new(u64::from(tunnel) + 100);
    let mut bytes = cycle(tunnel, Way::Up);
    let mut wire = Vec::new();
    while bytes.passed() < total {
        let size = match random.below(4) {
            0 => [1, 3, 125, 126, 127, 65_535, 65_536, 65_537][random.below(8)],
            1 | 2 => 1 + random.below(5_000),
            _ => 1 + random.below(100_000),
        };
        let mut frame = Frame::binary(Vec::with_capacity(size));
        let size = (size as u64).min(total - bytes.passed());
        bytes.write(&mut frame.payload, size).unwrap();
        frame.mask = Some(u32::try_from(random.below(1 << 32)).unwrap().to_be_bytes());
        wire.extend(frame.encode());
        if wire.len() > random.clone().below(40_000) || bytes.passed() == total {
            ws.conn.send(&wire);
            wire.clear();
            sent.store(bytes.passed(), Ordering::SeqCst);
        }
    }
}

/// Compares all that comes before the close frame, and agrees to that.
fn receive_to_close(ws: &mut Ws, tunnel: u8, total: u64) {
    let mut expected = cycle(tunnel, Way::Down);
    let close = loop {
        let frame = ws.next_answering().unwrap();
        match frame.opcode {
            BINARY => expected.expect(&frame.payload),
            _ => break frame,
        }
    };
    assert_eq!((expected.passed(), close.close_reason().0), (total, 1000), "tunnel {tunnel}");
    ws.send(&Frame::close(1000, ""));
    assert!(ws.conn.ends(), "nothing may follow a close frame");
}

/// Each of them in a thread of its own, with its number.
fn in_threads<T: Send + 'static>(work: impl Fn(u8) -> T + Clone + Send + 'static) -> Vec<JoinHandle<T>> {
    let start = |tunnel| {
        let work = work.clone();
        spawn("tunnel", move || work(tunnel))
    };
    (0..u8::try_from(TUNNELS).unwrap()).map(start).collect()
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

fn all_received(received: &mpsc::Receiver<u64>, total: u64) {
    for _ in 0..TUNNELS {
        assert_eq!(received.recv_timeout(DEADLINE).expect("no wrong byte at the backend"), total);
    }
}

fn random_bytes_both_ways(door: &Door) {
    let (tell, received) = mpsc::channel();
    let backend = Backend::serve(move |stream, _| {
        let tunnel = number(stream);
        let passed = thread::scope(|scope| {
            scope.spawn(|| cycle(tunnel, Way::Down).write(&mut &*stream, EACH).unwrap());
            expect_to_end(stream, cycle(tunnel, Way::Up))
        });
        tell.send(passed).unwrap();
    });
    let server = door.server(&backend);
    let resources = server.resources();
    let dial = Arc::new(door.shared_dialer(&server));
    let all_open = Arc::new(Barrier::new(TUNNELS));
    let tunnels = in_threads(move |tunnel| {
        let mut reader = dial();
        let mut writer = reader.try_clone();
        introduce(&mut writer, tunnel);
        all_open.wait();
        let sender = spawn("sender", move || send(&mut writer, tunnel, EACH, &AtomicU64::new(0)));
        let mut expected = cycle(tunnel, Way::Down);
        while expected.passed() < EACH {
            expected.expect(&reader.next_answering().unwrap().payload);
        }
        sender.join().unwrap();
        assert_eq!((expected.passed(), reader.close().0), (EACH, 1000), "tunnel {tunnel}");
    });
    join(tunnels);
    all_received(&received, EACH);
    server.wait_resources(resources);
}

#[test]
fn sixty_four_tunnels_carry_their_own_bytes_both_ways_at_once() {
    Door::plain(random_bytes_both_ways);
}

#[test]
fn sixty_four_tunnels_carry_their_own_bytes_both_ways_at_once_over_tls() {
    Door::tls(random_bytes_both_ways);
}

/// How much each sender has got rid of.
type Sent = Arc<[AtomicU64]>;

fn nothing_sent() -> Sent {
    (0..TUNNELS).map(|_| AtomicU64::new(0)).collect()
}

/// Waits until all senders are stuck, and looks at the memory that the server has ever had.
fn stuck_in_little_memory(server: &Server, sent: &Sent, before_kib: usize, allowance_kib: usize) {
    let sent = || sent.iter().map(|sent| sent.load(Ordering::SeqCst));
    eventually(DEADLINE, "all senders have begun", || sent().all(|sent| sent >= BEGUN));
    server.wait_rest();
    let stuck = sent().filter(|sent| *sent < FLOOD).count();
    let growth = server.peak_rss_kib().saturating_sub(before_kib);
    println!("{stuck} stuck, {} KiB for each tunnel, {} KiB sent", growth / TUNNELS, sent().sum::<u64>() / KIB);
    assert!(stuck > 0, "nobody reads, and everything was taken");
    assert!(growth < allowance_kib * TUNNELS, "{growth} KiB more than before");
}

fn stuck_clients(door: &Door, allowance_kib: usize) {
    let sent = nothing_sent();
    let backend = Backend::serve({
        let sent = Arc::clone(&sent);
        move |stream, _| {
            let tunnel = number(stream);
            shrink(stream);
            let mut bytes = cycle(tunnel, Way::Down);
            while bytes.passed() < FLOOD {
                let piece = (FLOOD - bytes.passed()).min(16 * KIB);
                bytes.write(&mut &*stream, piece).unwrap();
                sent[usize::from(tunnel)].store(bytes.passed(), Ordering::SeqCst);
            }
        }
    });
    let server = door.server(&backend);
    let (resources, memory) = (server.resources(), server.rss_kib());
    let gate = Arc::new(RwLock::new(()));
    let stuck = gate.write().unwrap();
    let dial = Arc::new(door.dialer(&server));
    let tunnels = in_threads({
        let gate = Arc::clone(&gate);
        move |tunnel| {
            let mut ws = dial();
            shrink(ws.conn.socket());
            introduce(&mut ws, tunnel);
            drop(gate.read());
            receive_to_close(&mut ws, tunnel, FLOOD);
        }
    });
    stuck_in_little_memory(&server, &sent, memory, allowance_kib);
    drop(stuck);
    join(tunnels);
    backend.wait_ended(TUNNELS);
    server.wait_resources(resources);
}

#[test]
fn sixty_four_clients_that_are_stuck_cost_little_and_lose_nothing() {
    Door::plain(|door| stuck_clients(door, ALLOWANCE_KIB));
}

#[test]
fn sixty_four_clients_that_are_stuck_cost_little_and_lose_nothing_over_tls() {
    Door::tls(|door| stuck_clients(door, TLS_ALLOWANCE_KIB));
}

fn stuck_backends(door: &Door, allowance_kib: usize) {
    let gate = Arc::new(RwLock::new(()));
    let stuck = gate.write().unwrap();
    let (tell, received) = mpsc::channel();
    let backend = Backend::serve({
        let gate = Arc::clone(&gate);
        move |stream, _| {
            shrink(stream);
            let tunnel = number(stream);
            drop(gate.read());
            tell.send(expect_to_end(stream, cycle(tunnel, Way::Up))).unwrap();
        }
    });
    let server = door.server(&backend);
    let (resources, memory) = (server.resources(), server.rss_kib());
    let sent = nothing_sent();
    let dial = Arc::new(door.dialer(&server));
    let tunnels = in_threads({
        let sent = Arc::clone(&sent);
        move |tunnel| {
            let mut ws = dial();
            shrink(ws.conn.socket());
            introduce(&mut ws, tunnel);
            send(&mut ws, tunnel, FLOOD, &sent[usize::from(tunnel)]);
            assert_eq!(ws.close().0, 1000, "tunnel {tunnel}");
        }
    });
    stuck_in_little_memory(&server, &sent, memory, allowance_kib);
    drop(stuck);
    join(tunnels);
    all_received(&received, FLOOD);
    backend.wait_ended(TUNNELS);
    server.wait_resources(resources);
}

#[test]
fn sixty_four_backends_that_are_stuck_cost_little_and_lose_nothing() {
    Door::plain(|door| stuck_backends(door, ALLOWANCE_KIB));
}

#[test]
fn sixty_four_backends_that_are_stuck_cost_little_and_lose_nothing_over_tls() {
    Door::tls(|door| stuck_backends(door, TLS_ALLOWANCE_KIB));
}
