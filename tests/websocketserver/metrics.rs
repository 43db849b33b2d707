//! `/metrics`, read by the strict parser of Prometheus' own Python client.

use serde_json::{Map, Value, json};

use crate::support::http;
use crate::support::python::samples;
use crate::support::server::Server;
use crate::support::wait::{DEADLINE, eventually};
use crate::support::ws::Frame;
use crate::support::yard::{self, Yard};

/// Everything that may stand in a name and means something in the format.
const ODD: &str = "a \"quoted\\name\\\" {service=\"x\"} # ü 漢 \\n";

/// Listens and echoes.
const ECHO: &str = "
import socket, sys
client, _ = socket.create_server(('127.0.0.1', int(sys.argv[1]))).accept()
while data := client.recv(65536):
    client.sendall(data)
";

/// The samples, each with its name, labels and value.
struct Samples(Vec<(String, Map<String, Value>, f64)>);

/// Name without the prefix, some labels, and the value.
type Expected<'a> = (&'a str, &'a [(&'a str, &'a str)], u32);

impl Samples {
    fn of(server: &Server) -> Self {
        let answer = http::get(server.http_port(), "/metrics", &[]);
        assert_eq!(answer.status, 200);
        let kind = answer.header("Content-Type").unwrap();
        assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
        Self(samples(&answer.body))
    }

    /// The only sample with this name and these labels; 0 when there is none.
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |found: &Map<String, Value>| labels.iter().all(|(key, value)| found.get(*key) == Some(&json!(value)));
        let found: Vec<_> = self.0.iter().filter(|(found, its, _)| found == name && has(its)).collect();
        assert!(found.len() < 2, "{name} {labels:?}: {found:?}");
        found.first().map_or(0.0, |(_, _, value)| *value)
    }

    #[track_caller]
    fn check(&self, expected: &[Expected<'_>]) {
        for (name, labels, value) in expected {
            let found = self.value(&format!("websocketserver_{name}"), labels);
            assert!((found - f64::from(*value)).abs() < 0.5, "{name} {labels:?} is {found}, not {value}");
        }
    }
}

#[test]
fn metrics_are_correct_before_and_after_every_kind_of_event() {
    let yard = Yard::new();
    let server = yard
        .server(&json!({
            ODD: { "command": ["python3", "-c", ECHO, "{port}"], "count": 2 },
            "failing": { "command": ["sh", "-c", "exit 3", "{port}"], "count": 1 },
        }))
        .args(&["--metrics"])
        .start();
    let odd = |key: &'static str, value: &'static str| [("service", ODD), (key, value)];
    Samples::of(&server).check(&[
        ("slots", &odd("state", "free"), 2),
        ("slots", &odd("state", "active"), 0),
        ("slots", &[("service", "failing"), ("state", "free")], 1),
        ("tunnels_total", &[], 0),
    ]);

    let mut ws = yard::launch(&server, ODD);
    ws.send(&Frame::binary([7; 5_000]));
    ws.take_data(5_000);
    yard::wait_state(&server, ODD, 0, "active", DEADLINE);
    let token = yard::reserve(&server, ODD, "");
    let refused = http::get(server.http_port(), &format!("/v1/reserve/{}", encoded(ODD)), &[]);
    assert_eq!(refused.status, 503);
    let (_, code, _) = yard::launch(&server, "failing").drain();
    assert_eq!(code, 1011);
    eventually(DEADLINE, "the bytes are counted", || {
        Samples::of(&server).value("websocketserver_tunnel_bytes_total", &[("direction", "down")]) > 4_999.0
    });
    let samples = Samples::of(&server);
    samples.check(&[
        ("slots", &odd("state", "active"), 1),
        ("slots", &odd("state", "free"), 0),
        ("reservations_total", &odd("outcome", "made"), 2),
        ("reservations_total", &odd("outcome", "refused"), 1),
        ("launches_total", &odd("outcome", "started"), 1),
        ("launches_total", &odd("outcome", "connected"), 1),
        ("launches_total", &[("service", "failing"), ("outcome", "failed")], 1),
        ("launch_seconds_count", &[("service", ODD)], 1),
        ("tunnels_total", &[], 1),
        ("tunnels_open", &[], 1),
        ("tunnel_bytes_total", &[("direction", "up")], 5_000),
        ("tunnel_bytes_total", &[("direction", "down")], 5_000),
        ("http_answers_total", &[("status", "503")], 1),
    ]);
    let seconds = samples.value("websocketserver_launch_seconds_sum", &[("service", ODD)]);
    assert!(seconds > 0.0 && seconds < DEADLINE.as_secs_f64(), "{seconds}");

    ws.close();
    assert_eq!(http::get(server.http_port(), &format!("/v1/release/{token}"), &[]).status, 200);
    yard::wait_state(&server, ODD, 0, "free", DEADLINE);
    Samples::of(&server).check(&[
        ("slots", &odd("state", "free"), 2),
        ("slots", &odd("state", "active"), 0),
        ("tunnels_open", &[], 0),
        ("tunnels_total", &[], 1),
        ("tunnel_bytes_total", &[("direction", "up")], 5_000),
    ]);
}

fn encoded(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[test]
fn a_name_that_would_break_lines_is_refused_at_start() {
    let yard = Yard::new();
    let services = json!({ "two\nlines": { "command": ["sh", "-c", "", "{port}"], "count": 1 } });
    let config = yard.write("services.json", &services.to_string());
    let ended = Server::run(&["0", "--remote_session_config", config.to_str().unwrap()]);
    assert_eq!(ended.status.code(), Some(1));
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains("two\\nlines") && said.contains("control characters"), "{said}");
}

#[test]
fn metrics_are_there_when_they_are_asked_for_and_need_the_security_token() {
    let yard = Yard::new();
    let plain = yard.bare_server().start();
    assert_eq!(http::get(plain.http_port(), "/metrics", &[]).status, 404);
    let guarded = yard.bare_server().args(&["--metrics", "--security_token", "secret"]).start();
    assert_eq!(http::get(guarded.http_port(), "/metrics", &[]).status, 401);
    let answer = http::get(guarded.http_port(), "/metrics", &[("Authorization", "Bearer secret")]);
    assert_eq!(answer.status, 200);
    samples(&answer.body);
}

#[test]
fn reservations_that_nobody_uses_are_counted_as_expired() {
    let yard = Yard::new();
    let services = json!({ ODD: { "command": ["sh", "-c", "", "{port}"], "count": 1 } });
    let server = yard.server(&services).args(&["--metrics", "--timeout", "0.2"]).start();
    yard::reserve(&server, ODD, "");
    yard::wait_state(&server, ODD, 0, "free", DEADLINE);
    Samples::of(&server).check(&[("reservations_total", &[("service", ODD), ("outcome", "expired")], 1)]);
}
