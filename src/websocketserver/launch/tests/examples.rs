//! The examples, with the real X server.

use std::io::Read;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use super::super::super::services::Services;
use super::*;
use crate::sys::process::COOKIE;
use crate::sys::process::testing::names_below;

fn launch(service: &str, size: &str) -> (Launch, Started) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/services/services.json");
    let spec = Arc::clone(Services::read(&file).unwrap().get(service).unwrap());
    // Far from the displays of other tests on this machine.
    let index = std::process::id() % 1_000 + 1_000;
    let options = BTreeMap::from([("size".to_owned(), size.to_owned())]);
    let order = Order { launch: 1, spec, index, token: String::new(), options };
    let launch = start_with(order, graces(), tempfile::tempdir().unwrap());
    let started = launch.started();
    (launch, started)
}

/// Reads the greeting of a VNC server and the size of its screen (RFC 6143 sections 7.1 and 7.3).
fn screen(mut stream: impl Read + std::io::Write) -> (u16, u16) {
    let mut take = |count: usize, answer: &[u8]| {
        let mut said = vec![0; count];
        stream.read_exact(&mut said).unwrap();
        stream.write_all(answer).unwrap();
        said
    };
    assert_eq!(take(12, b"RFB 003.008\n"), b"RFB 003.008\n");
    assert_eq!(take(2, &[1]), [1, 1], "no password is asked for");
    assert_eq!(take(4, &[1]), [0; 4]);
    let size = take(4, b"");
    (u16::from_be_bytes([size[0], size[1]]), u16::from_be_bytes([size[2], size[3]]))
}

#[test]
fn a_desktop_session_shows_an_xterm_and_leaves_nothing() {
    let (launch, started) = launch("Local Software Session", "1600x1200");
    let Endpoint::Tcp { port, .. } = started.default else { panic!() };
    let stream = wait_for("Xvnc listens", || TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), DEADLINE).ok());
    assert_eq!(screen(stream), (1600, 1200));
    let program = format!("rfbport {port}");
    let xvnc = wait_for("an xterm is there", || {
        let family = names_below(COOKIE, &program);
        family.iter().any(|(_, name)| name.contains("xterm")).then_some(family)
    });
    assert!(launch.stop() < DEADLINE / 2);
    let ids: Vec<i32> = xvnc.iter().map(|(id, _)| *id).collect();
    assert!(ids.len() >= 3, "{xvnc:?}");
    assert_gone(&ids);
}

#[test]
fn a_desktop_session_refuses_a_size_that_was_not_offered() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/services/services.json");
    let spec = Arc::clone(Services::read(&file).unwrap().get("Local Software Session").unwrap());
    let options = BTreeMap::from([("size".to_owned(), "1x1".to_owned())]);
    let order = Order { launch: 1, spec, index: 0, token: String::new(), options };
    let launch = start_with(order, graces(), tempfile::tempdir().unwrap());
    let reason = launch.exited();
    assert!(reason.ends_with("ValueError: the size '1x1' is none of 1280x1024, 1600x1200"), "{reason}");
    launch.gone();
}

#[test]
fn a_terminal_by_inetd_needs_no_port_and_ends_with_its_client() {
    let (launch, started) = launch("Terminal", "800x600");
    let Endpoint::Given(given) = started.default else { panic!() };
    let socket = UnixStream::from(given.take().unwrap());
    assert_eq!(screen(&socket), (800, 600));
    drop(socket);
    assert!(launch.exited().starts_with("exited with code 0"));
    launch.gone();
}

#[test]
fn every_example_is_read_without_a_fault() {
    for name in ["services.json", "cluster.json"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/services").join(name);
        assert_eq!(Services::read(&file).unwrap().iter().count(), 2);
    }
}
