use super::*;
use proptest::prelude::*;

fn head(lines: &str) -> Result<Head, Refused> {
    parse(format!("{}\r\n\r\n", lines.replace('\n', "\r\n")).as_bytes()).map(|head| *head)
}

fn refused(bytes: &[u8]) -> Refused {
    parse(bytes).expect_err(&String::from_utf8_lossy(bytes))
}

#[test]
fn a_usual_head_is_read() {
    let head =
        head("GET /a%20b/c?x=1&y HTTP/1.1\nHost: here:9000\nConnection: keep-alive, Upgrade\nupgrade: WebSocket")
            .unwrap();
    assert_eq!((head.method.as_str(), head.path.as_str()), ("GET", "/a%20b/c"));
    assert_eq!(head.query.as_deref(), Some("x=1&y"));
    assert_eq!(head.host(), Some("here"));
    assert!(head.has_token("connection", "upgrade"));
    assert!(head.wants_websocket() && head.wants_keep_alive() && !head.has_body());
}

#[test]
fn targets_have_three_forms() {
    let path = |target: &str| head(&format!("GET {target} HTTP/1.1\nHost: h")).map(|head| (head.path, head.query));
    assert_eq!(path("/"), Ok(("/".into(), None)));
    assert_eq!(path("http://h:1/a?b"), Ok(("/a".into(), Some("b".into()))));
    assert_eq!(path("HTTP://h"), Ok(("/".into(), None)));
    assert_eq!(path("http://h?b"), Ok(("/".into(), Some("b".into()))));
    assert_eq!(path("*"), Ok(("*".into(), None)));
    assert_eq!(path("/redirect?to=http://other/"), Ok(("/redirect".into(), Some("to=http://other/".into()))));
    assert_eq!(path("host:443").unwrap_err().0, 400);
    assert_eq!(path(&format!("/{}", "a".repeat(MAX_TARGET))).unwrap_err().0, 414);
}

#[test]
fn hosts_lose_their_port_and_keep_their_brackets() {
    assert_eq!(without_port("a.b:80"), "a.b");
    assert_eq!(without_port("a.b"), "a.b");
    assert_eq!(without_port("[::1]:80"), "[::1]");
    assert_eq!(without_port("[::1]"), "[::1]");
}

#[test]
fn doubtful_framing_is_refused() {
    let cases: &[(&str, u16, &str)] = &[
        ("GET / HTTP/1.1\nHost: a\nHost: a", 400, "more than one Host"),
        ("GET / HTTP/1.1", 400, "Host header is missing"),
        ("GET / HTTP/1.1\nHost: a\nContent-Length: 1\nContent-Length: 1", 400, "more than one Content-Length"),
        ("GET / HTTP/1.1\nHost: a\nContent-Length: 1\nTransfer-Encoding: chunked", 400, "both"),
        ("GET / HTTP/1.1\nHost: a\nContent-Length: +1", 400, "no number"),
        ("GET / HTTP/1.1\nHost: a\nContent-Length: 1, 1", 400, "no number"),
        ("GET / HTTP/1.1\nHost: a\nContent-Length: ", 400, "no number"),
        ("GET / HTTP/1.1\nHost: a\nContent-Length: 99999999999999999999", 400, "no number"),
        ("GET / HTTP/1.1\nHost: a\nTransfer-Encoding: gzip", 501, "only"),
        ("GET / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked", 501, "only"),
        ("GET / HTTP/1.1\nHost: a\nTransfer-Encoding: xchunked", 501, "only"),
        ("GET / HTTP/1.0\nTransfer-Encoding: chunked", 400, "HTTP/1.0"),
        ("GET / HTTP/1.1\nHost : a", 400, "header name"),
        ("GET / HTTP/1.1\nHost: a\n folded", 400, "folded"),
        ("GET / HTTP/1.1\nHost: a\nX: 1\n\tfolded", 400, "folded"),
        ("GET / HTTP/2.0\nHost: a", 505, "spoken"),
        ("GET  / HTTP/1.1\nHost: a", 400, ""),
        ("G@T / HTTP/1.1\nHost: a", 400, ""),
    ];
    for (lines, status, reason) in cases {
        let (got, text) = head(lines).expect_err(lines);
        assert_eq!(got, *status, "{lines}");
        assert!(text.contains(reason), "{lines}: {text}");
    }
    assert_eq!(refused(b"GET / HTTP/1.1\nHost: a\n\n").1, "a line ended in a bare line feed");
    assert_eq!(refused(b"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n").1, "a carriage return stood alone");
    assert_eq!(refused(b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n").0, 400);
    assert_eq!(refused(b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n").0, 400);
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(MAX_HEADERS));
    assert_eq!(refused(many.as_bytes()).0, 431);
}

#[test]
fn keep_alive_follows_the_version() {
    let keeps = |lines: &str| head(lines).unwrap().wants_keep_alive();
    assert!(keeps("GET / HTTP/1.1\nHost: a"));
    assert!(!keeps("GET / HTTP/1.1\nHost: a\nConnection: Close"));
    assert!(!keeps("GET / HTTP/1.0"));
    assert!(keeps("GET / HTTP/1.0\nConnection: keep-alive"));
}

#[test]
fn the_end_is_found_in_any_split() {
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
    for searched in 0..bytes.len() - 8 {
        assert_eq!(find_end(bytes, searched), Some(bytes.len() - 4), "{searched}");
    }
    assert_eq!(find_end(b"GET / HTTP/1.1\r\n", 0), None);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&bytes);
        let _ = find_end(&bytes, bytes.len() / 2);
    }

    #[test]
    fn no_head_of_text_panics(text in "(GET|PUT) [ -~]{0,40} HTTP/1.[01]\r\n([A-Za-z-]{1,12}: [ -~]{0,20}\r\n){0,5}\r\n") {
        let _ = parse(text.as_bytes());
    }
}
