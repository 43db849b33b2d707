//! Request heads: read under a deadline and a limit, parsed, and refused when their framing is in any doubt.

use std::io;
use std::time::{Duration, Instant};

use crate::net::transport::{Transport, timed_out};

/// Bytes of a head (request line and headers).
pub const MAX_HEAD: usize = 16 * 1024;
/// Bytes of a request target (RFC 9112 section 3 asks for at least 8,000).
pub const MAX_TARGET: usize = 8 * 1024;
/// Bytes that are read at a time: most heads are shorter.
const PIECE: usize = 2 * 1024;
/// Header lines.
pub const MAX_HEADERS: usize = 64;

/// How long the body of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// Bytes, by Content-Length; 0 without a body.
    Known(u64),
    /// By chunks (RFC 9112 section 7.1).
    Chunked,
}

/// A request without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// As sent; methods are case-sensitive.
    pub method: String,
    /// Path as sent, percent-encoded, starting with `/`; or `*`.
    pub path: String,
    /// What follows the `?`, as sent.
    pub query: Option<String>,
    /// HTTP/1.x.
    pub minor_version: u8,
    /// How long the body is.
    pub body: BodyLength,
    headers: Vec<(String, String)>,
}

/// Why there is no head.
#[derive(Debug)]
pub enum HeadError {
    /// The client closed, was lost, or sent nothing in time: there is nobody to answer.
    Gone(io::Error),
    /// To be answered with this status and sentence; the connection is of no use then.
    Refused(u16, &'static str),
}

/// Longer than [`MAX_HEAD`], whether its end has come or not.
const TOO_LONG: HeadError = HeadError::Refused(431, "the request head is longer than 16 KiB");

impl From<io::Error> for HeadError {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

impl Head {
    /// The value of the first header with this name, in whatever case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The values of all headers with this name.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether one of the comma-separated elements of all headers `name` is `token`, in whatever case.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.headers(name).flat_map(|value| value.split(',')).any(|element| element.trim().eq_ignore_ascii_case(token))
    }

    /// Whether the client wants to go on after the answer (RFC 9112 section 9.3).
    pub fn wants_keep_alive(&self) -> bool {
        if self.minor_version == 0 {
            self.has_token("connection", "keep-alive")
        } else {
            !self.has_token("connection", "close")
        }
    }

    /// Whether there is a body.
    pub fn has_body(&self) -> bool {
        self.body != BodyLength::Known(0)
    }

    /// Whether the client asks for a websocket.
    pub fn wants_websocket(&self) -> bool {
        self.has_token("upgrade", "websocket")
    }

    /// The host the client means, without a port; the brackets of an IPv6 address stay.
    pub fn host(&self) -> Option<&str> {
        self.header("host").map(without_port)
    }
}

/// `host:port` or `[v6]:port` without its port.
pub fn without_port(authority: &str) -> &str {
    let after_brackets = authority.rfind(']').map_or(0, |end| end + 1);
    match authority.get(after_brackets..).and_then(|rest| rest.find(':')) {
        Some(colon) => authority.get(..after_brackets + colon).unwrap_or(authority),
        None => authority,
    }
}

/// Reads heads from one connection; keeps the bytes that follow a head.
#[derive(Default)]
pub struct HeadReader {
    bytes: Vec<u8>,
}

impl HeadReader {
    /// Bytes that came behind the last head.
    pub fn into_rest(self) -> Vec<u8> {
        self.bytes
    }

    /// The same bytes, for the reader of a body to take its own.
    pub(super) fn rest(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Whether bytes of a next request are here already.
    pub fn has_more(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Waits for `idle` at most for the first byte, then for `patience` at most for the rest of the head.
    ///
    /// # Errors
    /// See [`HeadError`].
    pub fn read(&mut self, transport: &Transport, idle: Duration, patience: Duration) -> Result<Box<Head>, HeadError> {
        // The first wait is in whole numbers, so that the timeout in force is the right one already for most requests.
        let mut wait = if self.bytes.is_empty() { idle } else { patience };
        let mut deadline = Instant::now() + wait;
        let mut searched = 0;
        loop {
            self.skip_empty_lines();
            if let Some(end) = find_end(&self.bytes, searched) {
                if end > MAX_HEAD {
                    return Err(TOO_LONG);
                }
                let head = parse(self.bytes.get(..end).unwrap_or_default());
                self.bytes.drain(..end);
                return head.map_err(|(status, reason)| HeadError::Refused(status, reason));
            }
            self.check_limits()?;
            searched = self.bytes.len().saturating_sub(3);
            let was_empty = self.bytes.is_empty();
            self.read_some(transport, wait)?;
            let now = Instant::now();
            if was_empty {
                deadline = deadline.min(now + patience);
            }
            wait = deadline.saturating_duration_since(now);
        }
    }

    /// RFC 9112 section 2.2: an empty line before the request line is to be ignored.
    fn skip_empty_lines(&mut self) {
        while self.bytes.starts_with(b"\r\n") {
            self.bytes.drain(..2);
        }
    }

    fn check_limits(&self) -> Result<(), HeadError> {
        let first_line = self.bytes.iter().position(|&byte| byte == b'\n');
        if first_line.is_none() && self.bytes.len() > MAX_TARGET + 32 {
            return Err(HeadError::Refused(414, "the request target is longer than 8 KiB"));
        }
        if self.bytes.len() >= MAX_HEAD {
            return Err(TOO_LONG);
        }
        Ok(())
    }

    fn read_some(&mut self, transport: &Transport, wait: Duration) -> Result<(), HeadError> {
        if wait.is_zero() {
            return Err(self.too_late());
        }
        transport.set_read_timeout(Some(wait))?;
        // Not on the stack: its pages would stay with the thread for as long as the connection lives.
        let at = self.bytes.len();
        self.bytes.resize(at + PIECE, 0);
        let read = transport.read(self.bytes.get_mut(at..).unwrap_or_default());
        self.bytes.truncate(at + read.as_ref().map_or(0, |count| *count));
        match read {
            Ok(0) if self.bytes.is_empty() => Err(HeadError::Gone(io::ErrorKind::UnexpectedEof.into())),
            Ok(0) => Err(HeadError::Refused(400, "the request ended in the middle of its head")),
            Ok(_) => Ok(()),
            Err(error) if timed_out(&error) => Err(self.too_late()),
            Err(error) => Err(error.into()),
        }
    }

    fn too_late(&self) -> HeadError {
        if self.bytes.is_empty() {
            HeadError::Gone(io::ErrorKind::TimedOut.into())
        } else {
            HeadError::Refused(408, "the request head took too long")
        }
    }
}

/// Where the head ends, its empty line included; the first `searched` bytes are known to hold no end.
fn find_end(bytes: &[u8], searched: usize) -> Option<usize> {
    let rest = bytes.get(searched..)?;
    // A bare LF is never part of a good head, but it must end a bad one, which is then refused by name.
    let crlf = rest.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
    let bare = rest.windows(2).position(|window| window == b"\n\n").map(|at| at + 2);
    let mixed = rest.windows(3).position(|window| window == b"\n\r\n").map(|at| at + 3);
    let end = [crlf, bare, mixed].into_iter().flatten().min()?;
    Some(searched + end)
}

type Refused = (u16, &'static str);

/// Boxed: it would be on the stack three times, and pages of that stay.
#[inline(never)]
fn parse(bytes: &[u8]) -> Result<Box<Head>, Refused> {
    check_bytes(bytes)?;
    // Not on the stack, as above.
    let mut space = vec![httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut space);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err((400, "the request head is malformed")),
        Err(error) => return Err(refusal(error)),
    }
    let target = request.path.unwrap_or_default();
    if target.len() > MAX_TARGET {
        return Err((414, "the request target is longer than 8 KiB"));
    }
    let headers: Vec<(String, String)> = request
        .headers
        .iter()
        .map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned()))
        .collect();
    let (path, query) = split_target(target)?;
    let mut head = Box::new(Head {
        method: request.method.unwrap_or_default().to_owned(),
        path,
        query,
        minor_version: request.version.unwrap_or_default(),
        body: BodyLength::Known(0),
        headers,
    });
    check_host(&head)?;
    head.body = body_length(&head)?;
    Ok(head)
}

/// What a lenient reader and a strict one would split differently is refused (RFC 9112 sections 2.2 and 5.2, 11.2).
fn check_bytes(bytes: &[u8]) -> Result<(), Refused> {
    let mut last = 0;
    for &byte in bytes {
        match (last, byte) {
            (before, b'\n') if before != b'\r' => return Err((400, "a line ended in a bare line feed")),
            (b'\r', after) if after != b'\n' => return Err((400, "a carriage return stood alone")),
            (b'\n', b' ' | b'\t') => return Err((400, "a header line was folded")),
            (_, 0) => return Err((400, "a zero byte stood in the request head")),
            _ => {}
        }
        last = byte;
    }
    Ok(())
}

fn refusal(error: httparse::Error) -> Refused {
    match error {
        httparse::Error::TooManyHeaders => (431, "the request has more than 64 header lines"),
        httparse::Error::Version => (505, "only HTTP/1.0 and HTTP/1.1 are spoken here"),
        httparse::Error::HeaderName => (400, "a header name is malformed"),
        httparse::Error::HeaderValue => (400, "a header value is malformed"),
        _ => (400, "the request line is malformed"),
    }
}

/// Origin form, absolute form or `*` (RFC 9112 section 3.2). A fragment has no business here.
fn split_target(target: &str) -> Result<(String, Option<String>), Refused> {
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err((400, "the request target holds a byte that must be percent-encoded"));
    }
    let local = match target.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") => {
            let start = rest.find(['/', '?']).unwrap_or(rest.len());
            rest.get(start..).unwrap_or_default()
        }
        _ => target,
    };
    let (path, query) = match local.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (local, None),
    };
    match path {
        "" if local.len() < target.len() => Ok(("/".to_owned(), query)),
        "*" => Ok(("*".to_owned(), query)),
        _ if path.starts_with('/') => Ok((path.to_owned(), query)),
        _ => Err((400, "the request target does not begin with a slash")),
    }
}

/// RFC 9112 section 3.2: HTTP/1.1 needs exactly one Host.
fn check_host(head: &Head) -> Result<(), Refused> {
    match (head.headers("host").count(), head.minor_version) {
        (0, 0) | (1, _) => Ok(()),
        (0, _) => Err((400, "the Host header is missing")),
        _ => Err((400, "there is more than one Host header")),
    }
}

/// RFC 9112 section 6.3, without its leniencies.
fn body_length(head: &Head) -> Result<BodyLength, Refused> {
    let mut lengths = head.headers("content-length");
    let mut codings = head.headers("transfer-encoding");
    match (lengths.next(), codings.next()) {
        (None, None) => Ok(BodyLength::Known(0)),
        (Some(_), Some(_)) => Err((400, "there is both a Content-Length and a Transfer-Encoding")),
        (Some(_), None) if lengths.next().is_some() => Err((400, "there is more than one Content-Length")),
        (Some(length), None) => {
            let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
            let length = length.parse().ok().filter(|_| digits);
            length.map(BodyLength::Known).ok_or((400, "the Content-Length is no number"))
        }
        (None, Some(_)) if head.minor_version == 0 => Err((400, "HTTP/1.0 has no Transfer-Encoding")),
        (None, Some(coding)) if coding.eq_ignore_ascii_case("chunked") && codings.next().is_none() => {
            Ok(BodyLength::Chunked)
        }
        (None, Some(_)) => Err((501, "only the transfer encoding chunked is known here")),
    }
}

/// A head as a test writes it.
#[cfg(test)]
pub(crate) fn head_for_test(text: &str) -> Head {
    *parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

#[cfg(test)]
mod tests;
