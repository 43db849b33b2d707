use super::*;
use crate::net::tls::Fault;
use crate::net::tls::config::server_config;
use std::io::Write;
use std::net::TcpListener;

/// A certificate for `localhost` and its key, as PEM.
fn identity() -> (Vec<u8>, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem().into_bytes(), made.signing_key.serialize_pem().into_bytes())
}

/// Handshakes with a client that nobody here wrote, then echoes `size` bytes.
fn echoes(config: ServerConfig, size: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = std::thread::Builder::new().spawn(move || {
        let connector = native_tls::TlsConnector::builder().danger_accept_invalid_certs(true).build().unwrap();
        let socket = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(10)).unwrap();
        let mut stream = connector.connect("localhost", socket).unwrap();
        let sent: Vec<u8> = (0..size).map(|at| ((at * 7 + at / 251) % 256).try_into().unwrap()).collect();
        for piece in sent.chunks(60_000) {
            stream.write_all(piece).unwrap();
            let mut back = vec![0; piece.len()];
            stream.read_exact(&mut back).unwrap();
            assert!(back == piece);
        }
        stream.shutdown().unwrap();
    });
    let (socket, _) = listener.accept().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let session = TlsSession::handshake(&socket, Arc::new(config), deadline).unwrap();
    let (mut echoed, mut buffer, mut wire) = (0, vec![0; 40_000], Vec::new());
    loop {
        // The handshake's last word, too.
        session.take_output(&mut wire);
        (&socket).write_all(&wire).unwrap();
        wire.clear();
        match session.read(&mut buffer).unwrap() {
            Some(0) => break,
            Some(count) => {
                session.write(&buffer[..count], &mut wire).unwrap();
                echoed += count;
            }
            None => session.fill_from(&socket).unwrap(),
        }
    }
    assert_eq!(echoed, size);
    client.unwrap().join().unwrap();
}

#[test]
fn it_carries_bytes() {
    let (cert, key) = identity();
    echoes(server_config(&cert, &key).ok().unwrap(), 1_000_000);
}

#[test]
fn a_silent_client_fails_at_the_deadline() {
    let (cert, key) = identity();
    let config = server_config(&cert, &key).ok().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _client =
        std::net::TcpStream::connect_timeout(&listener.local_addr().unwrap(), Duration::from_secs(10)).unwrap();
    let (socket, _) = listener.accept().unwrap();
    let deadline = Instant::now() + Duration::from_millis(30);
    let error = TlsSession::handshake(&socket, Arc::new(config), deadline).err().unwrap();
    assert!(crate::net::transport::timed_out(&error), "{error}");
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let ((cert, _), (_, key)) = (identity(), identity());
    assert!(matches!(server_config(&cert, &key), Err(Fault::Mismatch)));
}
