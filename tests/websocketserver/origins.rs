//! Pages of other sites: a browser says where a page comes from, and that decides.

use crate::support::backend::Backend;
use crate::support::http::{self, Response};
use crate::support::server::Server;
use crate::support::stream::Conn;
use crate::support::ws::Ws;

const FOREIGN: &str = "http://evil.example";
const TOKEN: &str = "s3cret-HELLO";

struct Site {
    server: Server,
    _backend: Backend,
    _folder: tempfile::TempDir,
}

fn site(more: &[&str]) -> Site {
    let (backend, folder) = (Backend::echo(), tempfile::tempdir().unwrap());
    let directory = ["--http_directory", folder.path().to_str().unwrap()];
    let server = Server::builder().args(&backend.args()).args(&directory).args(more).start();
    Site { server, _backend: backend, _folder: folder }
}

impl Site {
    /// The answer to a websocket handshake from a page of `origin` with this target, and its words.
    fn websocket(&self, target: &str, origin: &str) -> (u16, String) {
        let [ws, http] = [self.server.ws_port(), self.server.http_port()].map(|port| {
            let headers = [("Origin", origin), ("Host", "here.example:8000")];
            match Ws::open_with(Conn::plain(port), target, &headers) {
                Ok(ws) => (ws.response.status, String::new()),
                Err(refusal) => (refusal.status, refusal.text()),
            }
        });
        assert_eq!(ws, http, "{target} from {origin}");
        ws
    }

    /// The answer to an unknown call of the API, with one more header.
    fn call(&self, target: &str, header: (&str, &str)) -> Response {
        http::get(self.server.http_port(), target, &[("Host", "here.example:8000"), header])
    }
}

const SAME: [&str; 4] =
    ["http://here.example:8000", "http://here.example", "https://here.example:9", "http://HERE.example:8000"];
const OTHER: [&str; 8] = [
    FOREIGN,
    "http://here.example.evil:8000",
    "http://evil-here.example:8000",
    "http://evil.example:8000",
    "null",
    "file://",
    "here.example:8000",
    "http://here.example@evil.example",
];

#[test]
fn a_websocket_without_a_token_is_for_pages_of_the_same_host() {
    let site = site(&[]);
    for origin in SAME {
        assert_eq!(site.websocket("/", origin).0, 101, "{origin}");
    }
    for origin in OTHER {
        let (status, text) = site.websocket("/", origin);
        assert_eq!(status, 403, "{origin}");
        assert!(text.contains("--allow_origin"), "{text}");
    }
}

#[test]
fn a_websocket_with_a_token_may_come_from_anywhere_unless_origins_are_listed() {
    let open = site(&[]);
    let (status, text) = open.websocket("/?token=1", FOREIGN);
    assert!(status == 403 && text.contains("token"), "the token decides: {text}");
    let listed = site(&["--allow_origin", "https://adr.example"]);
    let (status, text) = listed.websocket("/?token=1", FOREIGN);
    assert!(status == 403 && text.contains("--allow_origin"), "the origin decides: {text}");
    let (status, text) = listed.websocket("/?token=1", "https://adr.example");
    assert!(status == 403 && text.contains("token"), "{text}");
}

#[test]
fn origins_that_are_named_may_connect() {
    let named = site(&["--allow_origin", "https://adr.example", "--allow_origin", "HTTP://Evil.example:80"]);
    for (origin, status) in [
        ("https://adr.example", 101),
        (FOREIGN, 101),
        (SAME[0], 101),
        ("https://adr.example:444", 403),
        ("http://adr.example", 403),
        ("null", 403),
    ] {
        assert_eq!(named.websocket("/", origin).0, status, "{origin}");
    }
    let any = site(&["--allow_origin", "*"]);
    for origin in SAME.into_iter().chain(OTHER) {
        assert_eq!(any.websocket("/", origin).0, 101, "{origin}");
    }
}

#[test]
fn without_a_security_token_the_api_is_for_pages_of_the_same_host() {
    let site = site(&[]);
    for origin in SAME {
        let answer = site.call("/v1/nothing", ("Origin", origin));
        assert_eq!((answer.status, answer.header("Access-Control-Allow-Origin")), (404, Some(origin)), "{origin}");
        assert_eq!(answer.header("Vary"), Some("Origin"));
    }
    for origin in OTHER {
        let answer = site.call("/v1/stop", ("Origin", origin));
        assert_eq!((answer.status, answer.header("Access-Control-Allow-Origin")), (403, None), "{origin}");
    }
    for (site_said, status) in [("cross-site", 403), ("same-origin", 404), ("same-site", 404), ("none", 404)] {
        assert_eq!(site.call("/v1/nothing", ("Sec-Fetch-Site", site_said)).status, status, "{site_said}");
    }
    assert_eq!(site.call("/v1/nothing", ("X", "no browser")).status, 404);
    // The pages themselves are for everybody.
    assert_ne!(site.call("/", ("Sec-Fetch-Site", "cross-site")).status, 403);
}

#[test]
fn origins_that_are_named_may_call_the_api() {
    let site = site(&["--allow_origin", "https://adr.example"]);
    let answer = site.call("/v1/nothing", ("Origin", "https://adr.example"));
    assert_eq!((answer.status, answer.header("Access-Control-Allow-Origin")), (404, Some("https://adr.example")));
    assert_eq!(site.call("/v1/nothing", ("Origin", FOREIGN)).status, 403);
    assert_eq!(site.call("/v1/nothing", ("Sec-Fetch-Site", "cross-site")).status, 403);
}

#[test]
fn with_a_security_token_the_api_is_open_to_pages_that_have_it() {
    let site = site(&["--security_token", TOKEN]);
    let answer = site.call(&format!("/v1/nothing?security_token={TOKEN}"), ("Origin", FOREIGN));
    assert_eq!((answer.status, answer.header("Access-Control-Allow-Origin")), (404, Some(FOREIGN)));
    let refusal = site.call("/v1/nothing", ("Origin", FOREIGN));
    assert_eq!((refusal.status, refusal.header("Access-Control-Allow-Origin")), (401, Some(FOREIGN)));
}

fn preflight(site: &Site, origin: &str) -> Response {
    let request = format!(
        "OPTIONS /v1/status HTTP/1.1\r\nHost: here.example\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: PUT\r\n\
         Access-Control-Request-Headers: authorization,content-type\r\n\r\n"
    );
    http::raw(site.server.http_port(), request)
}

#[test]
fn a_preflight_is_answered_without_the_token() {
    let open = site(&["--security_token", TOKEN]);
    let answer = preflight(&open, FOREIGN);
    assert_eq!((answer.status, answer.header("Access-Control-Allow-Origin")), (204, Some(FOREIGN)));
    let methods = answer.header("Access-Control-Allow-Methods").unwrap();
    assert!(methods.contains("GET") && methods.contains("PUT"), "{methods}");
    let headers = answer.header("Access-Control-Allow-Headers").unwrap().to_ascii_lowercase();
    assert!(headers.contains("authorization") && headers.contains("content-type"), "{headers}");
    // Without a token a page of another site gets no leave.
    assert_eq!(preflight(&site(&[]), FOREIGN).header("Access-Control-Allow-Origin"), None);
    assert!(preflight(&site(&[]), SAME[0]).header("Access-Control-Allow-Origin").is_some());
}
