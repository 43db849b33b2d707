use std::io::Read;
use std::net::TcpListener;

use super::*;

const PIECE: usize = 300_017;

/// Both ends of a connection.
fn pair() -> (Transport, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let far = TcpStream::connect_timeout(&listener.local_addr().unwrap(), Duration::from_secs(60)).unwrap();
    far.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    (Transport::plain(listener.accept().unwrap().0), far)
}

/// Bytes in which each that is lost shows.
fn numbers(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).map(|at| u8::try_from((at + at / 251) % 256).unwrap()).collect()
}

#[test]
fn what_was_begun_is_completed_and_what_was_refused_leaves_no_trace() {
    let (transport, mut far) = pair();
    let mut taken = 0;
    // The kernel takes the last piece in part, unless it ends just where there is no more room.
    loop {
        let outcome = transport.offer(&numbers(taken, PIECE)).unwrap();
        taken += if outcome == Offered::Refused { 0 } else { PIECE };
        if outcome != Offered::Taken {
            break;
        }
    }
    assert_eq!(transport.offer(b"never").unwrap(), Offered::Refused);
    assert_eq!(transport.try_write(b"never", false).unwrap(), Placed::Full);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut bytes = Vec::new();
            far.read_to_end(&mut bytes).unwrap();
            bytes
        });
        transport.write_all([&[], &[]], false, &mut no_patience).unwrap();
        assert_eq!(transport.try_write(&numbers(taken, 9), false).unwrap(), Placed::Sent);
        transport.finish();
        assert!(reader.join().unwrap() == numbers(0, taken + 9));
    });
}

#[test]
fn a_read_timeout_that_is_known_is_in_force() {
    let (transport, far) = pair();
    let time = Some(Duration::from_millis(30));
    transport.socket().set_read_timeout(time).unwrap();
    let known = Transport::plain_with_read_timeout(Arc::clone(&transport.socket), time);
    known.set_read_timeout(time).unwrap();
    assert!(timed_out(&known.read(&mut [0]).unwrap_err()));
    known.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| std::io::Write::write_all(&mut &far, b"x").unwrap());
        assert_eq!(known.read(&mut [0]).unwrap(), 1);
    });
}
