//! Requests that two readers would split differently, and connections that carry several.

use crate::support::http;
use crate::support::server::Server;
use crate::support::stream::Conn;

use tempfile::TempDir;

/// A request that must never be served when it stands where a body should.
const SECOND: &str = "GET /second.txt HTTP/1.1\r\nHost: h\r\n\r\n";

fn server() -> (TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["first", "second", "third"] {
        std::fs::write(folder.path().join(format!("{name}.txt")), name).unwrap();
    }
    let server = Server::start(&["--http_directory", folder.path().to_str().unwrap()]);
    (folder, server)
}

/// One answer of `status`, and then the end, whatever follows the request.
#[track_caller]
fn refused(port: u16, request: &str, statuses: &[u16]) {
    let mut conn = Conn::plain(port);
    let answer = http::exchange(&mut conn, format!("{request}{SECOND}")).expect("an answer");
    assert!(statuses.contains(&answer.status), "{request:?}: {} {}", answer.status, answer.reason);
    assert_eq!(answer.header("Connection"), Some("close"), "{request:?}");
    let rest = conn.take_rest();
    assert!(rest.is_empty(), "{request:?}: {:?}", String::from_utf8_lossy(&rest));
}

#[test]
fn framing_in_doubt_is_refused_and_ends_the_connection() {
    let (_folder, server) = server();
    for headers in [
        "Host: h\r\nContent-Length: 0\r\nContent-Length: 5\r\n",
        "Host: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n",
        "Host: h\r\nContent-Length: 5, 5\r\n",
        "Host: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Host: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Host: h\r\nContent-Length: -1\r\n",
        "Host: h\r\nContent-Length: +1\r\n",
        "Host: h\r\nContent-Length: 0x10\r\n",
        "Host: h\r\nContent-Length: 1 0\r\n",
        "Host: h\r\nContent-Length:\r\n",
        "Host: h\r\nContent-Length: 99999999999999999999999999\r\n",
        "Host: h\r\nContent-Length: 18446744073709551616\r\n",
        "Host: h\nX: y\r\n",
        "Host: h\r\nX: y\n",
        "Host: h\r\nX: y\rz\r\n",
        "Host: h\r\nX: y\r\r\n",
        "Host: h\r\nX: y\r\n folded\r\n",
        "Host: h\r\nX: y\r\n\tfolded\r\n",
        " Host: h\r\n",
        "Host : h\r\n",
        "Host: h\r\nContent-Length : 5\r\n",
        "Host: h\r\nContent-Length\t: 5\r\n",
        "Host: h\r\n: nameless\r\n",
        "Host: h\r\nX y: z\r\n",
        "Host: h\r\nnothing\r\n",
        "Host: h\r\nX: a\0b\r\n",
        "Host: h\r\n\0X: a\r\n",
        "Host: h\r\nX: a\x01b\r\n",
        "Host: h\r\nX\u{e9}: a\r\n",
        "Host: h\r\nHost: i\r\n",
        "",
    ] {
        refused(server.http_port(), &format!("GET /first.txt HTTP/1.1\r\n{headers}\r\n"), &[400]);
    }
}

#[test]
fn transfer_codings_in_doubt_are_refused() {
    let (_folder, server) = server();
    let port = server.http_port();
    for coding in
        ["gzip, chunked", "xchunked", "chunked, identity", "chunked\r\nTransfer-Encoding: chunked", "identity", ""]
    {
        let request = format!("GET /first.txt HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: {coding}\r\n\r\n");
        refused(port, &request, &[400, 501]);
    }
    let old = "GET /first.txt HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    refused(port, old, &[400]);
    let old = "GET /first.txt HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    refused(port, old, &[400]);
}

#[test]
fn request_lines_in_doubt_are_refused() {
    let (_folder, server) = server();
    for (line, statuses) in [
        ("GET  /first.txt HTTP/1.1", [400, 400]),
        ("GET /first.txt  HTTP/1.1", [400, 505]),
        ("GET /first.txt HTTP/1.1 ", [400, 505]),
        ("GET /first.txt\tHTTP/1.1", [400, 400]),
        (" GET /first.txt HTTP/1.1", [400, 400]),
        ("GET /first file.txt HTTP/1.1", [400, 505]),
        ("GET /first.txt", [400, 505]),
        ("GET first.txt HTTP/1.1", [400, 400]),
        ("GET ftp://h/first.txt HTTP/1.1", [400, 400]),
        ("GET /first.txt HTTP/2.0", [505, 400]),
        ("GET /first.txt HTTP/1.2", [505, 400]),
        ("GET /first.txt http/1.1", [400, 505]),
        ("GET /first.txt HTTP/11", [505, 400]),
        ("GET /\u{e9} HTTP/1.1", [400, 400]),
        ("GET /\x1b HTTP/1.1", [400, 400]),
        ("G\0T / HTTP/1.1", [400, 400]),
        ("", [400, 200]), // an empty line is skipped, and the Host line is no request
    ] {
        refused(server.http_port(), &format!("{line}\r\nHost: h\r\n\r\n"), &statuses);
    }
}

#[test]
fn the_preface_of_http_2_is_answered() {
    let (_folder, server) = server();
    refused(server.http_port(), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", &[505, 400]);
}

#[test]
fn a_body_that_nobody_reads_is_no_second_request() {
    let (_folder, server) = server();
    let length = SECOND.len();
    for (request, status) in [
        (format!("GET /first.txt HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n"), 200),
        (format!("HEAD /first.txt HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n"), 200),
        (format!("POST /first.txt HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n"), 405),
        (format!("GET /first.txt HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n"), 200),
        (format!("GET /v1/status HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\nUpgrade: websocket\r\n\r\n"), 400),
    ] {
        refused(server.http_port(), &request, &[status]);
    }
}

#[test]
fn expect_100_continue_is_answered_with_a_final_status() {
    let (_folder, server) = server();
    let mut conn = Conn::plain(server.http_port());
    let head = "PUT /v1/status HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n";
    assert_eq!(http::exchange(&mut conn, head).unwrap().status, 405);
    assert!(conn.ends());
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (_folder, server) = server();
    let mut conn = Conn::plain(server.http_port());
    let names = ["first", "second", "third", "first", "third"];
    let requests = names.map(|name| format!("GET /{name}.txt HTTP/1.1\r\nHost: h\r\n\r\n"));
    conn.send(requests.concat().as_bytes());
    for name in names {
        assert_eq!(http::read(&mut conn, "GET").unwrap().text(), name);
    }
    // In pieces that end anywhere.
    let mut conn = Conn::plain(server.http_port());
    conn.send_in_pieces(requests.concat().as_bytes(), 17);
    for name in names {
        assert_eq!(http::read(&mut conn, "GET").unwrap().text(), name);
    }
}

#[test]
fn a_request_after_connection_close_is_not_served() {
    let (_folder, server) = server();
    for end in ["Connection: close\r\n", "Connection: x, Close\r\n", "connection: keep-alive, close\r\n"] {
        refused(server.http_port(), &format!("GET /first.txt HTTP/1.1\r\nHost: h\r\n{end}\r\n"), &[200]);
    }
}

#[test]
fn http_1_0_keeps_the_connection_only_when_it_asks_to() {
    let (_folder, server) = server();
    let mut conn = Conn::plain(server.http_port());
    let answer = http::exchange(&mut conn, "GET /first.txt HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!((answer.status, answer.header("Connection")), (200, Some("close")));
    assert!(conn.ends());
    let mut conn = Conn::plain(server.http_port());
    for _ in 0..3 {
        let answer = http::exchange(&mut conn, "GET /first.txt HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").unwrap();
        assert_eq!((answer.status, answer.header("Connection")), (200, Some("keep-alive")));
    }
}

#[test]
fn the_absolute_form_of_a_target_is_understood() {
    let (_folder, server) = server();
    let mut conn = Conn::plain(server.http_port());
    for target in ["http://h/first.txt", "HTTP://h:80/first.txt?x=http://y/", "https://h/first.txt"] {
        let answer = http::request(&mut conn, "GET", target, &[]).unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "first"), "{target}");
    }
    assert_ne!(http::request(&mut conn, "GET", "http://h", &[]).unwrap().status, 400);
}

#[test]
fn methods_that_change_things_are_refused_with_405() {
    let (_folder, server) = server();
    for method in ["get", "POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW", "gEt"] {
        for target in ["/first.txt", "/v1/stop"] {
            let answer = http::raw(server.http_port(), format!("{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
            assert_eq!(answer.status, 405, "{method} {target}");
            assert!(answer.header("Allow").is_some_and(|allow| allow.contains("GET")), "{method} {target}");
        }
    }
    let answer = http::raw(server.http_port(), "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(matches!(answer.status, 400 | 405), "{}", answer.status);
    assert_eq!(http::get(server.http_port(), "/first.txt", &[]).text(), "first");
}

#[test]
fn head_is_answered_like_get_without_the_body() {
    let (_folder, server) = server();
    let mut conn = Conn::plain(server.http_port());
    for target in ["/first.txt", "/nothing", "/v1/nothing", "/v2/"] {
        let get = http::request(&mut conn, "GET", target, &[]).unwrap();
        let head = http::request(&mut conn, "HEAD", target, &[]).unwrap();
        assert_eq!(head.status, get.status, "{target}");
        assert_eq!(head.header("Content-Length"), Some(get.body.len().to_string().as_str()), "{target}");
        assert_eq!(head.header("Content-Type"), get.header("Content-Type"), "{target}");
    }
}
