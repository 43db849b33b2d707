//! Which part of the server a request is for.

use crate::net::http::request::Head;

/// What a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PortKind {
    /// `ws_server_port`.
    Websocket,
    /// `--http_port`, which takes websockets too.
    Http,
}

impl PortKind {
    /// For thread names and the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Websocket => "ws",
            Self::Http => "http",
        }
    }

    /// The scheme of its URLs.
    pub(super) fn scheme(self, tls: bool) -> &'static str {
        match (self, tls) {
            (Self::Websocket, false) => "ws",
            (Self::Websocket, true) => "wss",
            (Self::Http, false) => "http",
            (Self::Http, true) => "https",
        }
    }
}

/// The parts of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// A websocket; its path says nothing.
    Websocket,
    /// Plain HTTP on the websocket port.
    UpgradeOnly,
    /// The REST API; what follows `/v1/`.
    Rest(&'a str),
    /// EnSight's REST API; what follows `/ensight/`.
    EnSight(&'a str),
    /// `/metrics`.
    Metrics,
    /// A name that is kept for later versions.
    Reserved,
    /// A file.
    File,
}

/// Chooses the part that answers `head`; `metrics` is whether there are any to see.
pub(super) fn route(kind: PortKind, head: &Head, metrics: bool) -> Route<'_> {
    if head.wants_websocket() {
        return Route::Websocket;
    }
    if kind == PortKind::Websocket {
        return Route::UpgradeOnly;
    }
    let path = head.path.trim_start_matches('/');
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    match first {
        "v1" => Route::Rest(rest),
        "ensight" => Route::EnSight(rest),
        "metrics" if metrics && rest.is_empty() => Route::Metrics,
        _ if is_version(first) => Route::Reserved,
        _ => Route::File,
    }
}

/// `v2`, `v10`, …: kept for versions of the REST API.
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::http::request::head_for_test;

    #[test]
    fn paths_lead_to_their_part() {
        let cases = [
            ("/", Route::File),
            ("/v1", Route::Rest("")),
            ("/v1/status", Route::Rest("status")),
            ("//v1/reserve/a%20b", Route::Rest("reserve/a%20b")),
            ("/v1x/status", Route::File),
            ("/v2/status", Route::Reserved),
            ("/v10", Route::Reserved),
            ("/metrics", Route::Metrics),
            ("/metrics/x", Route::File),
            ("/ensight/v1/x/exec", Route::EnSight("v1/x/exec")),
            ("/ensight", Route::EnSight("")),
            ("/viewer.html", Route::File),
            ("/ansys/nexus/x.js", Route::File),
        ];
        for (path, route_wanted) in cases {
            let head = head_for_test(&format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
            assert_eq!(route(PortKind::Http, &head, true), route_wanted, "{path}");
            assert_eq!(route(PortKind::Websocket, &head, true), Route::UpgradeOnly, "{path}");
        }
        let upgrade = head_for_test("GET /v1/stop HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n");
        assert_eq!(route(PortKind::Http, &upgrade, true), Route::Websocket);
        assert_eq!(route(PortKind::Websocket, &upgrade, true), Route::Websocket);
    }
}
