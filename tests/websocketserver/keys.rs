//! TLS 1.3 lets a client ask for new keys at any moment, also while the server is in the middle of a write.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::backend::{Backend, each_read};
use crate::support::cycle::Cycle;
use crate::support::random::Random;
use crate::support::server::Server;
use crate::support::stream::tcp;
use crate::support::tls::Certificate;
use crate::support::wait::DEADLINE;
use crate::support::ws::{Frame, KEY};

const MIB: usize = 1 << 20;

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A client's side of TLS 1.3, before its first word.
pub(crate) fn client(certificate: &Certificate) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate.cert()).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    ClientConnection::new(Arc::new(config), name).unwrap()
}

/// A websocket over TLS 1.3, with the answer to the handshake read.
fn connect(server: &Server, certificate: &Certificate) -> Tls {
    let socket = tcp(server.ws_port());
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut tls = StreamOwned::new(client(certificate), socket);
    write!(
        tls,
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    )
    .unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        tls.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    tls
}

fn update_keys(tls: &mut Tls) {
    tls.conn.refresh_traffic_keys().unwrap();
}

/// The next frame's payload, from a server.
fn next_payload(tls: &mut Tls) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    tls.read_exact(&mut head).unwrap();
    let length = match head[1] {
        126 => {
            let mut wide = [0; 2];
            tls.read_exact(&mut wide).unwrap();
            u64::from(u16::from_be_bytes(wide))
        }
        127 => {
            let mut wide = [0; 8];
            tls.read_exact(&mut wide).unwrap();
            u64::from_be_bytes(wide)
        }
        short => u64::from(short),
    };
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    tls.read_exact(&mut payload).unwrap();
    (head[0] & 15, payload)
}

#[test]
fn new_keys_in_the_middle_of_full_lines_change_no_byte() {
    const TOTAL: u64 = 24 * MIB as u64;
    let certificate = Certificate::ec();
    let block: Arc<[u8]> = Random::new(81).vec(MIB + 7).into();
    let mut expected = Cycle::new(block);
    let cycle = expected.clone();
    // It sends at once: the server's writer waits for room while the first updates come.
    let backend = Backend::serve(move |stream, tally| {
        let mut cycle = cycle.clone();
        std::thread::scope(|scope| {
            scope.spawn(|| cycle.write(&mut &*stream, TOTAL).unwrap());
            drop(each_read(stream, |bytes| {
                tally.add(bytes);
                Ok(())
            }));
        });
    });
    let server = Server::builder().args(&backend.args()).args(&certificate.args()).start();
    let mut tls = connect(&server, &certificate);
    server.wait_rest();
    let data = Random::new(82).vec(4 * MIB);
    let mut sent = crate::support::random::Digest::default();
    for (at, piece) in data.chunks(10_000).enumerate() {
        // More than 32 answers in a row are a fault to some clients, and all of them wait for the line.
        if at % 20 == 0 {
            update_keys(&mut tls);
        }
        tls.write_all(&Frame::binary(piece).encode()).unwrap();
        sent.add(piece);
    }
    let mut count = 0;
    while expected.passed() < TOTAL {
        let (_, payload) = next_payload(&mut tls);
        expected.expect(&payload);
        count += 1;
        if count % 5 == 0 {
            update_keys(&mut tls);
            tls.flush().unwrap();
        }
    }
    tls.write_all(&Frame::close(1000, "").encode()).unwrap();
    assert_eq!(next_payload(&mut tls), (8, 1000_u16.to_be_bytes().to_vec()));
    drop(tls);
    backend.wait_ended(1);
    assert_eq!(backend.received(), sent);
}

#[test]
fn a_client_that_asks_for_keys_and_reads_nothing_costs_no_memory() {
    // A hundred requests each: more than the kernel keeps on the way for a server that has stopped to read.
    const ROUNDS: usize = 10_000;
    let certificate = Certificate::ec();
    let backend = Backend::flood();
    let server = Server::builder().args(&backend.args()).args(&certificate.args()).start();
    let mut tls = connect(&server, &certificate);
    server.wait_rest();
    let before = server.rss_kib();
    let mut rounds = (0..ROUNDS).take_while(|_| {
        (0..100).for_each(|_| update_keys(&mut tls));
        tls.conn.write_tls(&mut tls.sock).is_ok()
    });
    assert!(rounds.by_ref().count() < ROUNDS, "who asks without end is sent away");
    drop(rounds);
    let growth = server.peak_rss_kib().saturating_sub(before);
    assert!(growth < 4 * 1024, "{growth} KiB more for a client that reads nothing");
    backend.wait_ended(1);
}
