//! PyEnSight as it comes from `PyPI`: its launcher starts our binary in an installation, uses it and stops it.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::ensight::{PROGRAMS, certificates, installation};
use crate::support::process::{Group, Output};
use crate::support::wait::{eventually, eventually_some};
use crate::support::yard::Yard;

/// How long a whole session may take on a busy machine.
const DEADLINE: Duration = Duration::from_mins(2);

/// The Python with one version of PyEnSight that `tests/run` has prepared.
fn client(version: &str) -> PathBuf {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-pyensight"));
    let folder = std::env::var_os("BERTH_TEST_PYENSIGHT").map_or_else(default, PathBuf::from);
    let python = folder.join(version).join("bin/python");
    assert!(python.exists(), "no {}: tests/run makes it", python.display());
    python
}

/// Runs a session of drive.py, to its end.
fn drive(version: &str, options: &[&str]) {
    let yard = Yard::new();
    installation(&yard);
    if options.contains(&"grpc_use_tcp_sockets=True") {
        certificates(&yard.file("keys"));
    }
    let mut command = Command::new(client(version));
    command.arg("-B").arg(format!("{PROGRAMS}/drive.py")).arg(yard.path()).args(options);
    // With this, what it starts says what it does, in the output of the test.
    command.env("PYENSIGHT_DEBUG", "1").env("ANSYS_GRPC_CERTIFICATES", yard.file("keys"));
    yard.mark(&mut command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut driver = Group::spawn(&mut command);
    let output = Output::default();
    let readers = [
        output.collect("drive", driver.child().stdout.take().unwrap()),
        output.collect("drive", driver.child().stderr.take().unwrap()),
    ];
    eventually(DEADLINE, "the session runs, or has failed", || {
        output.text().contains("running\n") || driver.try_wait().is_some()
    });
    let started = yard.everything();
    for program in ["websocketserver.py", "standin.py"] {
        assert!(started.iter().any(|(_, words)| words.contains(program)), "no {program} in {started:?}");
    }
    driver.child().stdin.take().unwrap().write_all(b"go on\n").unwrap();
    let status = eventually_some(DEADLINE, || driver.try_wait()).expect("the session comes to its end");
    assert!(status.success(), "{version} ended with {status}");
    // Nobody stops what is left: it must go by itself.
    yard.wait_empty_with_servers(Duration::from_secs(10));
    for reader in readers {
        reader.join().unwrap();
    }
    assert!(output.text().contains("\ndone\n"), "all of drive.py has run");
}

#[test]
fn version_0_12_over_a_unix_socket() {
    drive("0.12.0", &[]);
}

#[test]
fn version_0_12_over_plain_tcp() {
    drive("0.12.0", &["grpc_use_tcp_sockets=True", "grpc_disable_tls=True"]);
}

#[test]
fn version_0_12_over_mutual_tls() {
    drive("0.12.0", &["grpc_use_tcp_sockets=True"]);
}

#[test]
fn version_0_10() {
    drive("0.10.12", &[]);
}

#[test]
fn version_0_8() {
    drive("0.8.13", &[]);
}
