//! The description of the API (`docs/ensight_rest_v1.yaml`) and the server, compared by thousands of requests.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::ensight::{Place, SECRET, Transport};
use crate::support::process::{Group, Output};
use crate::support::python::python;
use crate::support::wait::eventually_some;

/// How long it may take on a busy machine.
const DEADLINE: Duration = Duration::from_mins(3);

/// What schemathesis looks at in each answer. That valid requests are accepted is not among it: most Python that it
/// makes up is wrong.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance,ignored_auth";

#[test]
fn no_answer_is_outside_of_the_document() {
    let site = Place::new(Transport::Tcp).serve();
    let _ensight = site.place.start(&[]);
    let mut command = Command::new(python().with_file_name("schemathesis"));
    command.args(["run", concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ensight_rest_v1.yaml")]);
    command.args(["--url", &format!("http://127.0.0.1:{}", site.server.http_port())]);
    command.args(["--header", &format!("Authorization: Bearer {SECRET}"), "--checks", CHECKS]);
    // One worker: Hypothesis reads sources by a parser that two threads at once confuse (Python 3.11).
    // The same requests each time, so that a failure can be looked into.
    command.args(["--max-examples", "40", "--phases", "examples,coverage,fuzzing", "--seed", "5", "--no-shrink"]);
    // The stream of events never ends.
    command.args(["--exclude-operation-id", "openCallbackStream"]);
    command.args(["--request-timeout", "20", "--workers", "1", "--continue-on-failure", "--warnings", "off"]);
    command.env("HYPOTHESIS_STORAGE_DIRECTORY", site.place.yard.file("hypothesis"));
    command.current_dir(site.place.yard.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut run = Group::spawn(&mut command);
    let output = Output::default();
    let readers = [
        output.collect("schemathesis", run.child().stdout.take().unwrap()),
        output.collect("schemathesis", run.child().stderr.take().unwrap()),
    ];
    let status = eventually_some(DEADLINE, || run.try_wait()).expect("schemathesis ends");
    for reader in readers {
        reader.join().unwrap();
    }
    assert!(status.success(), "schemathesis ended with {status}");
    assert!(output.text().contains("Tested: 12"), "all operations of the document are tested");
    // It is still there, and so is EnSight.
    assert_eq!(site.eval("6 * 7"), 42);
}
