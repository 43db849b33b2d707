//! Answers: built here, their heads printed by `tiny_http`.

use std::borrow::Cow;
use std::fs::File;
use std::io;

use tiny_http::{HTTPVersion, Header, StatusCode};

use super::request::Head;
use crate::net::transport::{Transport, no_patience};

/// What follows the head of an answer.
#[derive(Debug)]
pub enum Body {
    /// Bytes in memory.
    Bytes(Cow<'static, [u8]>),
    /// Part of an open file.
    File {
        /// Read at absolute offsets.
        file: File,
        /// First byte.
        offset: u64,
        /// Number of bytes.
        length: u64,
    },
}

impl Body {
    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
        }
    }
}

/// One answer.
#[derive(Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// A phrase of ours after the status; viewers show it.
    pub reason: Option<String>,
    headers: Vec<(Cow<'static, str>, String)>,
    body: Body,
    last: bool,
    has_length: bool,
}

/// What an answer has to know of its request.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The request was HEAD: no body follows.
    pub head_only: bool,
    /// The connection stays open.
    pub keep_alive: bool,
    /// HTTP/1.x of the request.
    pub minor_version: u8,
    /// Put on every answer; they take the place of ours of the same name.
    pub extra: &'a [(String, String)],
}

impl<'a> Context<'a> {
    /// For an answer to `head`.
    pub fn of(head: &Head, keep_alive: bool, extra: &'a [(String, String)]) -> Self {
        Self { head_only: head.method == "HEAD", keep_alive, minor_version: head.minor_version, extra }
    }

    /// For a request that could not be read.
    pub fn unread(extra: &'a [(String, String)]) -> Self {
        Self { head_only: false, keep_alive: false, minor_version: 1, extra }
    }
}

impl Response {
    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self::bytes(status, Cow::Borrowed(b""))
    }

    /// Plain text for people, with a line end for terminals.
    pub fn text(status: u16, text: &str) -> Self {
        Self::bytes(status, Cow::Owned(format!("{text}\n").into_bytes()))
            .header("Content-Type", "text/plain; charset=utf-8")
    }

    /// A page.
    pub fn html(status: u16, page: String) -> Self {
        Self::bytes(status, Cow::Owned(page.into_bytes())).header("Content-Type", "text/html; charset=utf-8")
    }

    /// Metrics, in the form that scrapers ask for.
    pub fn openmetrics(text: String) -> Self {
        Self::bytes(200, Cow::Owned(text.into_bytes()))
            .header("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
    }

    /// A JSON value, with a line end for terminals.
    pub fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::bytes(status, Cow::Owned(format!("{value}\n").into_bytes())).header("Content-Type", "application/json")
    }

    /// A refusal: JSON `{"error": sentence}`; the sentence is the reason phrase too, since viewers show that.
    pub fn error(status: u16, sentence: &str) -> Self {
        let mut response = Self::json(status, &serde_json::json!({ "error": sentence }));
        response.reason = Some(sentence.to_owned());
        response
    }

    /// Any bytes.
    pub fn bytes(status: u16, bytes: Cow<'static, [u8]>) -> Self {
        Self::of(status, Body::Bytes(bytes))
    }

    /// Part of a file.
    pub fn file(status: u16, file: File, offset: u64, length: u64) -> Self {
        Self::of(status, Body::File { file, offset, length })
    }

    fn of(status: u16, body: Body) -> Self {
        Self { status, reason: None, headers: Vec::new(), body, last: false, has_length: true }
    }

    /// Says nothing of a length: the body is what follows until the connection ends.
    #[must_use]
    pub fn without_length(mut self) -> Self {
        self.has_length = false;
        self.closing()
    }

    /// Adds a header. A value that could end its line is dropped whole: nothing from outside may become a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
            self.headers.push((Cow::Borrowed(name), value));
        }
        self
    }

    /// Makes this the last answer on its connection.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.last = true;
        self
    }

    /// Whether the connection ends after this answer.
    pub fn is_last(&self) -> bool {
        self.last
    }

    /// Bytes of the body as Content-Length says it.
    pub fn length(&self) -> u64 {
        self.body.length()
    }

    /// The value of the first header with this name.
    #[cfg(test)]
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as it would be sent.
    #[cfg(test)]
    pub(crate) fn body(&self) -> Vec<u8> {
        use std::os::unix::fs::FileExt;
        match &self.body {
            Body::Bytes(bytes) => bytes.to_vec(),
            Body::File { file, offset, length } => {
                let mut bytes = vec![0; usize::try_from(*length).expect("a small file")];
                file.read_exact_at(&mut bytes, *offset).expect("the file is as long as the answer says");
                bytes
            }
        }
    }

    /// Sends head and body.
    ///
    /// # Errors
    /// The client is gone or does not read; a file became shorter. The connection is of no use then.
    pub fn send(self, transport: &Transport, context: Context<'_>) -> io::Result<()> {
        let head = self.print_head(context)?;
        if context.head_only {
            return transport.write_all([&head, &[]], false, &mut no_patience);
        }
        match &self.body {
            Body::Bytes(bytes) => transport.write_all([&head, bytes], false, &mut no_patience),
            Body::File { file, offset, length } => {
                transport.write_all([&head, &[]], false, &mut no_patience)?;
                transport.send_file(file, *offset, *length, &mut no_patience)
            }
        }
    }

    /// Prints the status line and headers. `Connection` and a reason of ours are put in afterwards: `tiny_http` keeps
    /// these to itself.
    #[inline(never)] // what it needs on the stack is gone when the client is waited for
    fn print_head(&self, context: Context<'_>) -> io::Result<Vec<u8>> {
        let own = self.headers.iter().filter(|(name, _)| !is_replaced(name, context.extra));
        let mut headers: Vec<Header> = own.filter_map(|(name, value)| make_header(name, value)).collect();
        headers.extend(context.extra.iter().filter_map(|(name, value)| make_header(name, value)));
        if !is_replaced("Server", context.extra) {
            headers.extend(make_header("Server", "berth"));
        }
        let upgrade = (self.status == 101).then_some("websocket");
        let length = usize::try_from(self.length()).unwrap_or(usize::MAX);
        let mut head = Vec::with_capacity(512);
        tiny_http::Response::new(StatusCode(self.status), headers, io::empty(), Some(length), None)
            .with_chunked_threshold(usize::MAX)
            .raw_print(&mut head, HTTPVersion(1, 1), &[], true, upgrade)?;
        if matches!(self.status, 204 | 304) || !self.has_length {
            // RFC 9110 section 8.6: no length where there can be no content.
            remove(&mut head, b"Content-Length: 0\r\n");
        }
        if let Some(reason) = &self.reason {
            replace_reason(&mut head, self.status, reason);
        }
        if self.status == 426 {
            // RFC 9110 sections 15.5.22 and 7.8 want both, and `tiny_http` lets neither through.
            insert_line(&mut head, b"Upgrade: websocket\r\nConnection: Upgrade\r\n");
        }
        let connection: Option<&[u8]> = match (upgrade, context.keep_alive, context.minor_version) {
            (Some(_), _, _) | (None, true, 1) => None,
            (None, true, _) => Some(b"Connection: keep-alive\r\n"),
            (None, false, _) => Some(b"Connection: close\r\n"),
        };
        if let Some(line) = connection {
            insert_line(&mut head, line);
        }
        Ok(head)
    }
}

/// Puts a header line before the empty line that ends the head.
fn insert_line(head: &mut Vec<u8>, line: &[u8]) {
    head.truncate(head.len().saturating_sub(2));
    head.extend_from_slice(line);
    head.extend_from_slice(b"\r\n");
}

fn remove(head: &mut Vec<u8>, line: &[u8]) {
    if let Some(at) = head.windows(line.len()).position(|window| window == line) {
        head.drain(at..at + line.len());
    }
}

fn is_replaced(name: &str, extra: &[(String, String)]) -> bool {
    extra.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
}

/// `None` for what `tiny_http` takes for no header (bytes beyond ASCII).
fn make_header(name: &str, value: &str) -> Option<Header> {
    Header::from_bytes(name.as_bytes(), value.as_bytes()).ok()
}

/// A reason phrase is one line of printable characters (RFC 9112 section 4).
fn replace_reason(head: &mut Vec<u8>, status: u16, reason: &str) {
    let phrase: String = reason
        .chars()
        .map(|letter| if letter.is_ascii_graphic() || letter == ' ' { letter } else { '?' })
        .take(200)
        .collect();
    let end = head.windows(2).position(|pair| pair == b"\r\n").unwrap_or_default();
    head.splice(..end, format!("HTTP/1.1 {status} {phrase}").into_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(response: &Response, keep_alive: bool, minor_version: u8, extra: &[(String, String)]) -> String {
        let context = Context { head_only: false, keep_alive, minor_version, extra };
        String::from_utf8(response.print_head(context).unwrap()).unwrap()
    }

    #[test]
    fn heads_have_length_type_and_connection() {
        let text = Response::text(404, "nothing here");
        let head = printed(&text, true, 1, &[]);
        assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{head}");
        assert!(
            head.contains("Content-Length: 13\r\n") && head.contains("Date: ") && head.ends_with("\r\n\r\n"),
            "{head}"
        );
        assert!(head.contains("Server: berth\r\n") && !head.contains("Connection"), "{head}");
        assert!(printed(&text, true, 0, &[]).ends_with("\r\nConnection: keep-alive\r\n\r\n"));
        assert!(printed(&text, false, 1, &[]).ends_with("\r\nConnection: close\r\n\r\n"));
    }

    #[test]
    fn an_error_is_its_own_reason_and_stays_on_one_line() {
        let head = printed(&Response::error(403, "no such\r\nX-Evil: token é"), true, 1, &[]);
        assert!(head.starts_with("HTTP/1.1 403 no such??X-Evil: token ?\r\n"), "{head}");
    }

    #[test]
    fn no_value_becomes_a_header_of_its_own() {
        let head = printed(&Response::empty(301).header("Location", "/a\r\nX-Evil: 1"), true, 1, &[]);
        assert!(!head.contains("Evil"), "{head}");
    }

    #[test]
    fn extra_headers_take_the_place_of_ours() {
        let extra = [("server".to_owned(), "mine".to_owned()), ("instance_name".to_owned(), "pim-1".to_owned())];
        let head = printed(&Response::empty(200), true, 1, &extra);
        assert!(head.contains("instance_name: pim-1\r\n") && head.contains("server: mine\r\n"), "{head}");
        assert!(!head.contains("berth"), "{head}");
    }

    #[test]
    fn an_upgrade_has_no_length() {
        let head = printed(&Response::empty(101), false, 1, &[]);
        assert!(
            head.contains("Upgrade: websocket\r\n") && head.to_lowercase().contains("connection: upgrade\r\n"),
            "{head}"
        );
        assert!(!head.contains("Content-Length") && !head.contains("close"), "{head}");
        let none = printed(&Response::empty(204), true, 1, &[]);
        assert!(!none.contains("Content-Length: "), "{none}");
    }
}
