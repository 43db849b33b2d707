//! Clients that nobody here wrote.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::backend::Backend;
use crate::support::process::{Group, Output};
use crate::support::python::python;
use crate::support::server::Server;
use crate::support::tls::Certificate;
use crate::support::wait::eventually_some;

/// How long the Python client may take: it masks 8 MiB messages on a busy machine.
const DEADLINE: Duration = Duration::from_mins(2);

fn run_python(url: &str, more: &[&str]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/websocketserver/interop.py");
    let mut command = Command::new(python());
    command.arg(script).arg(url).args(more).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = Group::spawn(&mut command);
    let output = Output::default();
    output.collect("python", client.child().stdout.take().expect("piped"));
    output.collect("python", client.child().stderr.take().expect("piped"));
    let status = eventually_some(DEADLINE, || client.try_wait()).expect("the Python client ends");
    assert!(status.success(), "the Python client ended with {status}");
}

#[test]
fn python_websockets_echoes_through_ws() {
    let backend = Backend::echo();
    let server = Server::start(&backend.args());
    run_python(&format!("ws://localhost:{}/", server.ws_port()), &[]);
    backend.wait_ended(2);
}

#[test]
fn python_websockets_echoes_through_wss_and_checks_the_certificate() {
    let backend = Backend::echo();
    let certificate = Certificate::rsa();
    let server = Server::builder().args(&backend.args()).args(&certificate.args()).start();
    run_python(&format!("wss://localhost:{}/", server.ws_port()), &[certificate.cert().to_str().unwrap()]);
    backend.wait_ended(2);
}
