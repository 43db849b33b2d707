//! `/metrics`, read by the strict parser of Prometheus' own Python client.

use crate::members::{ask, goodbye, join};
use crate::support::http;
use crate::support::python::samples;
use crate::support::server::Server;
use crate::support::wait::{DEADLINE, eventually};

const TOTAL: &str = "scalesocket_websocket_connections_total_total";
const OPEN: &str = "scalesocket_websocket_connections_open";

/// The value for a room; `None` when there is no such line.
fn value(server: &Server, name: &str, room: &str) -> Option<f64> {
    let answer = http::get(server.room_port(), "/metrics", &[]);
    assert_eq!(answer.status, 200);
    let kind = answer.header("Content-Type").unwrap();
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(answer.text().ends_with("# EOF\n"));
    let all = samples(&answer.body);
    let found: Vec<_> = all.iter().filter(|(its, labels, _)| its == name && labels["room"] == room).collect();
    assert!(found.len() < 2, "{found:?}");
    found.first().map(|(_, _, value)| *value)
}

#[track_caller]
fn check(server: &Server, room: &str, total: f64, open: f64) {
    assert_eq!((value(server, TOTAL, room), value(server, OPEN, room)), (Some(total), Some(open)), "{room}");
}

#[test]
fn members_are_counted_by_room() {
    let server = Server::scalesocket(&["--metrics", "cat"]);
    let (a, _b) = (join(&server, "/r1"), join(&server, "/r1"));
    let _c = join(&server, "/r2");
    check(&server, "r1", 2.0, 2.0);
    check(&server, "r2", 1.0, 1.0);
    a.close();
    eventually(DEADLINE, "one is gone", || value(&server, OPEN, "r1") == Some(1.0));
    check(&server, "r1", 2.0, 1.0);
}

#[test]
fn any_name_of_a_room_is_understood() {
    let server = Server::scalesocket(&["--metrics", "cat"]);
    let rooms = [r#"q"b\"#, r#"\n"} 1"#, "{}", "a%22b"];
    let members: Vec<_> = rooms.iter().map(|room| join(&server, &format!("/{}", room.replace(' ', "")))).collect();
    for room in rooms {
        check(&server, &room.replace(' ', ""), 1.0, 1.0);
    }
    drop(members);
}

#[test]
fn the_page_is_in_order_while_there_are_no_members() {
    let server = Server::scalesocket(&["--metrics", "cat"]);
    for _ in 0..2 {
        let page = http::get(server.room_port(), "/metrics", &[]).text();
        for line in [
            "# HELP scalesocket_websocket_connections_total Number of total websocket connections.\n",
            "# TYPE scalesocket_websocket_connections_total counter\n",
            "# HELP scalesocket_websocket_connections_open number of open websocket connections.\n",
            "# TYPE scalesocket_websocket_connections_open gauge\n",
        ] {
            assert_eq!(page.matches(line).count(), 1, "{line}{page}");
        }
        assert!(page.ends_with("# EOF\n"), "{page}");
        join(&server, "/r").close();
    }
}

#[test]
fn a_member_counts_even_if_its_command_cannot_be_started_and_a_broken_one_leaves_no_trace() {
    let server = Server::scalesocket(&["--metrics", "/nonexistent"]);
    assert_eq!(goodbye(join(&server, "/r")).0, 1011);
    eventually(DEADLINE, "it is gone", || value(&server, OPEN, "r") == Some(0.0));
    check(&server, "r", 1.0, 0.0);
}

#[test]
fn a_room_that_opens_again_goes_on_counting() {
    let server = Server::scalesocket(&["--metrics", "cat"]);
    for visit in 1..=3 {
        let mut ws = join(&server, "/r");
        assert_eq!(ask(&mut ws, "hello"), "hello");
        check(&server, "r", f64::from(visit), 1.0);
        ws.close();
        server.wait_children(0);
        eventually(DEADLINE, "nobody is there", || value(&server, OPEN, "r") == Some(0.0));
    }
}
