//! The Python of the interoperability tests.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Map, Value};

/// Its program; `tests/run` makes it, with the packages that the tests need.
///
/// # Panics
/// When it is not there.
pub fn python() -> PathBuf {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-venv/bin/python"));
    let python = std::env::var_os("BERTH_TEST_PYTHON").map_or_else(default, PathBuf::from);
    assert!(python.exists(), "no {}: tests/run makes it", python.display());
    python
}

/// The samples in a page of `OpenMetrics`, each with its name, labels and value, as the strict parser of Prometheus' own
/// Python client finds them.
///
/// # Panics
/// When the parser refuses the page.
#[track_caller]
pub fn samples(page: &[u8]) -> Vec<(String, Map<String, Value>, f64)> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/websocketserver/metrics.py");
    let mut command = Command::new(python());
    command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().expect("python starts");
    child.stdin.take().expect("piped").write_all(page).expect("a parser that reads");
    let output = child.wait_with_output().expect("the parser ends");
    assert!(output.status.success(), "the strict parser refuses this:\n{}", String::from_utf8_lossy(page));
    serde_json::from_slice(&output.stdout).expect("samples")
}
