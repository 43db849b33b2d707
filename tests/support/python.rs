//! What Python programs of others make of our answers.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Map, Value};

use super::ensight::python;

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
