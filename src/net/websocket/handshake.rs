//! The opening handshake (RFC 6455 section 4.2).

use tungstenite::handshake::derive_accept_key;

use crate::net::http::request::Head;
use crate::net::http::response::Response;

/// The only subprotocol known here: noVNC and other viewers offer it, and browsers fail without an answer.
pub const BINARY: &str = "binary";

/// Which subprotocol is agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocols {
    /// [`BINARY`] where it is offered.
    Binary,
    /// The first that is offered: what is said is the command's business, and a browser wants an answer.
    First,
}

/// A handshake that is in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    key: String,
    protocol: Option<String>,
}

/// Checks a request for a websocket.
///
/// # Errors
/// The answer that says what is wrong: 426 for another version, else 400 or 405.
#[inline(never)] // off the stack when a target is chosen
pub fn check(head: &Head, protocols: Protocols) -> Result<Handshake, Box<Response>> {
    let refuse = |status, sentence| Err(Box::new(Response::error(status, sentence)));
    if head.method != "GET" {
        return Err(Box::new(Response::error(405, "a websocket begins with GET").header("Allow", "GET")));
    }
    if head.minor_version == 0 {
        return refuse(400, "a websocket needs HTTP/1.1");
    }
    if !head.has_token("connection", "upgrade") {
        return refuse(400, "the Connection header does not name Upgrade");
    }
    if head.header("sec-websocket-version").map(str::trim) != Some("13") {
        let response = Response::error(426, "only websocket version 13 is spoken here");
        return Err(Box::new(response.header("Sec-WebSocket-Version", "13")));
    }
    let mut keys = head.headers("sec-websocket-key");
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return refuse(400, "there must be one Sec-WebSocket-Key header");
    };
    if !is_key(key) {
        return refuse(400, "the Sec-WebSocket-Key is not 16 bytes in base64");
    }
    if head.has_body() {
        return refuse(400, "a websocket request has no body");
    }
    Ok(Handshake { key: key.to_owned(), protocol: choose_protocol(head, protocols)? })
}

/// `binary` is taken when offered. `base64` alone asks for an encoding that is not spoken here; anything else is not
/// echoed, which leaves the decision to the client (section 4.2.2).
fn choose_protocol(head: &Head, protocols: Protocols) -> Result<Option<String>, Box<Response>> {
    let offered: Vec<&str> = head
        .headers("sec-websocket-protocol")
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    if protocols == Protocols::First {
        Ok(offered.first().map(|name| (*name).to_owned()))
    } else if offered.contains(&BINARY) {
        Ok(Some(BINARY.to_owned()))
    } else if offered == ["base64"] {
        Err(Box::new(Response::error(400, "the subprotocol base64 is not spoken here; offer binary")))
    } else {
        Ok(None)
    }
}

/// 16 bytes in base64: 22 digits and two equals signs.
fn is_key(key: &str) -> bool {
    let digits = key.strip_suffix("==").unwrap_or_default();
    digits.len() == 22 && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

impl Handshake {
    /// The answer that opens the websocket.
    #[inline(never)] // its parts are off the stack when the answer is printed
    pub fn accept(&self) -> Response {
        let response = Response::empty(101).header("Sec-WebSocket-Accept", derive_accept_key(self.key.as_bytes()));
        match &self.protocol {
            Some(protocol) => response.header("Sec-WebSocket-Protocol", protocol.as_str()),
            None => response,
        }
    }
}
