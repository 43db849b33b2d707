//! What a tunnel does with either number of threads, over real sockets.

use std::io::Write;
use std::net::TcpListener;
use std::sync::mpsc::{self, RecvTimeoutError};

use super::*;
use crate::net::backend;

const HEARTBEAT: Duration = Duration::from_secs(2);

/// Both ends of a TCP connection.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = backend::connect("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
    (near, listener.accept().unwrap().0)
}

/// A tunnel with at most `helpers` second threads, its client and its backend.
fn tunnel(helpers: usize) -> (Arc<Tunnel>, TcpStream, TcpStream) {
    let ((near, client), (there, backend)) = (pair(), pair());
    let sink = Arc::new(Sink::new(Arc::new(Transport::plain(near))));
    (Arc::new(Tunnel::new(sink, there, Some(HEARTBEAT), Helpers::new(helpers))), client, backend)
}

/// An empty pong, masked (RFC 6455 section 5.5.3).
const PONG: [u8; 6] = [0x8A, 0x80, 0, 0, 0, 0];

#[test]
fn a_client_that_takes_nothing_cannot_keep_a_tunnel_that_is_closed() {
    for helpers in [0, 1] {
        let (tunnel, client, mut backend) = tunnel(helpers);
        backend.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let running = Arc::clone(&tunnel);
        let (over, ended) = mpsc::channel();
        let runner = thread::spawn("tunnel", move || {
            let _ = over.send(running.run(Vec::new(), ()));
        });
        while backend.write_all(&[0; 1 << 12]).is_ok() {}
        tunnel.close(1000, "released");
        let began = std::time::Instant::now();
        // It is there, and says so; but it reads nothing.
        let summary = loop {
            match ended.recv_timeout(HEARTBEAT / 4) {
                Err(RecvTimeoutError::Timeout) => drop((&client).write_all(&PONG)),
                answer => break answer.unwrap(),
            }
            assert!(began.elapsed() < Duration::from_secs(20), "still there with {helpers} helpers");
        };
        runner.unwrap().join().unwrap();
        let end = summary.end;
        assert_eq!(end, End::Closed { code: 1000, reason: "released".to_owned() });
    }
}
