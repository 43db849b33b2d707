//! Raw HTTP/1.1: a test decides every byte of a request, and sees every header of the answer.

use super::stream::Conn;

/// An answer of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Reason phrase.
    pub reason: String,
    /// Names and values in their order, as they were sent.
    pub headers: Vec<(String, String)>,
    /// The body that Content-Length announces, or everything to the end of the connection without it.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header, whatever its case; `None` when it is absent.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {}", self.text()))
    }
}

/// Sends exactly `request` on a new plain connection, and reads one answer.
///
/// # Panics
/// When there is no well-formed answer by the deadline.
#[track_caller]
pub fn raw(port: u16, request: impl AsRef<[u8]>) -> Response {
    exchange(&mut Conn::plain(port), request).expect("an answer")
}

/// `GET target` with a Host header and `headers`, on a new plain connection that closes afterwards.
///
/// # Panics
/// When there is no well-formed answer by the deadline.
#[track_caller]
pub fn get(port: u16, target: &str, headers: &[(&str, &str)]) -> Response {
    request(&mut Conn::plain(port), "GET", target, &with_close(headers)).expect("an answer")
}

/// `GET target` over TLS.
///
/// # Panics
/// When there is no well-formed answer by the deadline.
#[track_caller]
pub fn get_tls(port: u16, target: &str, headers: &[(&str, &str)]) -> Response {
    request(&mut Conn::tls(port), "GET", target, &with_close(headers)).expect("an answer")
}

/// Sends a request without a body on a connection that may be used again, and reads its answer; `None` when
/// the server closes instead of answering. A Host header is added unless `headers` has one.
///
/// # Panics
/// When the answer is malformed, or not there by the deadline.
#[track_caller]
pub fn request(conn: &mut Conn, method: &str, target: &str, headers: &[(&str, &str)]) -> Option<Response> {
    conn.send(head(conn, method, target, headers).as_bytes());
    read(conn, method)
}

/// Sends a request with a body on a connection that may be used again, and reads its answer; `None` when the server
/// closes instead of answering.
///
/// # Panics
/// When the answer is malformed, or not there by the deadline.
#[track_caller]
pub fn request_with(
    conn: &mut Conn,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Response> {
    let length = body.len().to_string();
    let headers: Vec<_> = headers.iter().copied().chain([("Content-Length", length.as_str())]).collect();
    let mut request = head(conn, method, target, &headers).into_bytes();
    request.extend_from_slice(body);
    exchange(conn, request)
}

/// Sends exactly `request` on a connection that may be used again, and reads one answer.
///
/// # Panics
/// When the answer is malformed, or not there by the deadline.
#[track_caller]
pub fn exchange(conn: &mut Conn, request: impl AsRef<[u8]>) -> Option<Response> {
    let request = request.as_ref();
    // A server may refuse before it has read everything; what counts is its answer.
    drop(conn.try_send(request));
    let method = String::from_utf8_lossy(request.split(|byte| *byte == b' ').next().unwrap_or_default()).into_owned();
    read(conn, &method)
}

/// Reads one answer to a request of `method`; `None` when the connection ends before it.
///
/// # Panics
/// When the answer is malformed, cut, or not there by the deadline.
#[track_caller]
pub fn read(conn: &mut Conn, method: &str) -> Option<Response> {
    let mut response = read_head(conn)?;
    response.body = match response.header("content-length").map(str::parse) {
        _ if method == "HEAD" || response.status < 200 || matches!(response.status, 204 | 304) => Vec::new(),
        Some(length) => conn.take(length.expect("Content-Length is a number")).expect("the whole body"),
        None => {
            assert_eq!(response.header("transfer-encoding"), None, "the server sends no transfer encodings");
            conn.take_rest()
        }
    };
    Some(response)
}

/// Reads the head of an answer, and leaves its body.
///
/// # Panics
/// When it is malformed, or not there by the deadline.
#[track_caller]
pub fn read_head(conn: &mut Conn) -> Option<Response> {
    let head = String::from_utf8(conn.take_through(b"\r\n\r\n")?).expect("a head in UTF-8");
    let mut lines = head.trim_end_matches("\r\n").split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let mut words = status_line.splitn(3, ' ');
    assert_eq!(words.next(), Some("HTTP/1.1"), "the start of {head:?}");
    let status = words.next().and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status in {head:?}"));
    let reason = words.next().unwrap_or_default().to_owned();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no header: {line:?} in {head:?}"));
        (name.to_owned(), value.trim().to_owned())
    });
    Some(Response { status, reason, headers: headers.collect(), body: Vec::new() })
}

/// The bytes of a request head, for tests that send it in pieces.
///
/// # Panics
/// When the connection has no peer any more.
pub fn head(conn: &Conn, method: &str, target: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        let port = conn.socket().peer_addr().expect("a connected socket").port();
        head.extend(["Host: localhost:", &port.to_string(), "\r\n"]);
    }
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    head
}

fn with_close<'a>(headers: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    headers.iter().copied().chain([("Connection", "close")]).collect()
}
