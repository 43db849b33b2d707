//! Pages of other sites.

use crate::members::{ask, join_with};
use crate::support::server::Server;
use crate::support::wait::DEADLINE;

/// The status of a handshake from a page of `origin`; whoever is let in is heard.
fn status(server: &Server, origin: &str) -> u16 {
    match join_with(server, "/r", &[("Origin", origin)]) {
        Ok(mut ws) => {
            assert_eq!(ask(&mut ws, "hello"), "hello");
            ws.close();
            101
        }
        Err(answer) => answer.status,
    }
}

#[test]
fn a_page_of_another_site_does_not_get_in_without_permission() {
    let server = Server::scalesocket(&["cat"]);
    let own = format!("http://localhost:{}", server.room_port());
    assert_eq!(status(&server, &own), 101);
    for foreign in ["http://elsewhere.example", "null", "http://localhost.elsewhere.example"] {
        assert_eq!(status(&server, foreign), 403, "{foreign}");
    }
    server.wait_log("a page of another site", DEADLINE);
}

#[test]
fn allowed_sites_get_in() {
    let server = Server::scalesocket(&[
        "--allow_origin",
        "http://elsewhere.example",
        "--allow_origin",
        "https://b.example:8443",
        "cat",
    ]);
    assert_eq!(status(&server, "http://elsewhere.example"), 101);
    assert_eq!(status(&server, "https://b.example:8443"), 101);
    assert_eq!(status(&server, "https://elsewhere.example"), 403);
    let anybody = Server::scalesocket(&["--allow_origin", "*", "cat"]);
    assert_eq!(status(&anybody, "http://anything.example"), 101);
}
