//! A raw RFC 6455 client: every bit of a frame is the test's to set, also the wrong ones.

use std::time::Instant;

use super::http::{self, Response};
use super::random::Digest;
use super::stream::Conn;
use super::wait::DEADLINE;

/// Opcode of a frame that goes on with a message.
pub const CONTINUATION: u8 = 0;
/// Opcode of a text message.
pub const TEXT: u8 = 1;
/// Opcode of a binary message.
pub const BINARY: u8 = 2;
/// Opcode of a close frame.
pub const CLOSE: u8 = 8;
/// Opcode of a ping.
pub const PING: u8 = 9;
/// Opcode of a pong.
pub const PONG: u8 = 10;

/// The key that every handshake here sends; RFC 6455 gives it and the [`ACCEPT`] that belongs to it.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What the server must answer to [`KEY`].
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// One frame, as it is sent or was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Last frame of its message.
    pub fin: bool,
    /// The three reserved bits, as a number from 0 to 7.
    pub rsv: u8,
    /// Opcode, 0 to 15.
    pub opcode: u8,
    /// Masking key; a client must have one, a server none.
    pub mask: Option<[u8; 4]>,
    /// How the length is written.
    pub length: Length,
    /// Payload, unmasked.
    pub payload: Vec<u8>,
}

/// How a frame's length is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// In the shortest form, as the RFC demands.
    Shortest,
    /// In 16 bits, needed or not.
    In16Bits,
    /// In 64 bits, needed or not.
    In64Bits,
    /// A claim in 64 bits that need not be true.
    Claim(u64),
}

impl Frame {
    /// A final, masked frame with the shortest length.
    pub fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        let mask = Some([0x37, 0xFA, 0x21, 0x3D]); // the mask of the RFC's examples
        Self { fin: true, rsv: 0, opcode, mask, length: Length::Shortest, payload: payload.into() }
    }

    /// A whole binary message.
    pub fn binary(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(BINARY, payload)
    }

    /// A close frame with a code and a reason.
    pub fn close(code: u16, reason: &str) -> Self {
        Self::new(CLOSE, [&code.to_be_bytes(), reason.as_bytes()].concat())
    }

    /// The same frame with more of its message to come.
    pub fn unfinished(self) -> Self {
        Self { fin: false, ..self }
    }

    /// The same frame without a mask, which a client must not send.
    pub fn unmasked(self) -> Self {
        Self { mask: None, ..self }
    }

    /// A binary message cut into frames of `size` bytes.
    pub fn fragments(payload: &[u8], size: usize) -> Vec<Self> {
        let count = payload.len().div_ceil(size).max(1);
        let piece = |i: usize| payload[i * size..((i + 1) * size).min(payload.len())].to_vec();
        let opcode = |i| if i == 0 { BINARY } else { CONTINUATION };
        (0..count).map(|i| Self { fin: i + 1 == count, ..Self::new(opcode(i), piece(i)) }).collect()
    }

    /// The frame's bytes on the wire.
    ///
    /// # Panics
    /// When the payload does not fit into the chosen form of length.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.fin) << 7 | (self.rsv & 7) << 4 | (self.opcode & 15)];
        let masked = u8::from(self.mask.is_some()) << 7;
        let length = self.payload.len();
        match (self.length, u8::try_from(length), u16::try_from(length)) {
            (Length::Shortest, Ok(short @ 0..126), _) => bytes.push(masked | short),
            (Length::Shortest | Length::In16Bits, _, Ok(medium)) => {
                bytes.push(masked | 0x7E);
                bytes.extend_from_slice(&medium.to_be_bytes());
            }
            (Length::In16Bits, _, Err(_)) => panic!("{length} does not fit into 16 bits"),
            (form, ..) => {
                bytes.push(masked | 0x7F);
                let claim = if let Length::Claim(claim) = form { claim } else { length as u64 };
                bytes.extend_from_slice(&claim.to_be_bytes());
            }
        }
        bytes.extend_from_slice(self.mask.as_ref().map_or(&[], |mask| mask.as_slice()));
        let start = bytes.len();
        bytes.extend_from_slice(&self.payload);
        if let Some(mask) = self.mask {
            bytes[start..].iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        }
        bytes
    }

    /// Code and reason of a close frame; 1005 when it has none.
    ///
    /// # Panics
    /// When it is another frame, or malformed.
    #[track_caller]
    pub fn close_reason(&self) -> (u16, String) {
        assert_eq!(self.opcode, CLOSE, "a close frame was expected, not {self:?}");
        match self.payload.split_first_chunk() {
            Some((code, reason)) => (u16::from_be_bytes(*code), String::from_utf8(reason.to_vec()).expect("UTF-8")),
            None => (1005, String::new()),
        }
    }
}

/// A websocket that is open.
#[derive(Debug)]
pub struct Ws {
    /// The connection below, for raw bytes.
    pub conn: Conn,
    /// The server's answer to the handshake.
    pub response: Response,
}

impl Ws {
    /// A plain websocket with the path `/` and the subprotocol `binary`.
    ///
    /// # Panics
    /// When the server refuses it.
    #[track_caller]
    pub fn connect(port: u16) -> Self {
        Self::open(Conn::plain(port), "/").expect("101 Switching Protocols")
    }

    /// The same over TLS.
    ///
    /// # Panics
    /// When the server refuses it.
    #[track_caller]
    pub fn connect_tls(port: u16) -> Self {
        Self::open(Conn::tls(port), "/").expect("101 Switching Protocols")
    }

    /// A handshake that may be refused, with a path (`/?token=…`).
    ///
    /// # Errors
    /// The server's answer, when it is not 101.
    ///
    /// # Panics
    /// When there is no answer, or 101 with a wrong accept key.
    #[track_caller]
    pub fn open(conn: Conn, path: &str) -> Result<Self, Box<Response>> {
        Self::open_with(conn, path, &[("Sec-WebSocket-Protocol", "binary")])
    }

    /// A handshake that may be refused, with headers beside the necessary ones. A header given here replaces
    /// the necessary one of its name; an empty value removes it.
    ///
    /// # Errors
    /// The server's answer, when it is not 101.
    ///
    /// # Panics
    /// When there is no answer, or 101 with a wrong accept key.
    #[track_caller]
    pub fn open_with(mut conn: Conn, path: &str, headers: &[(&str, &str)]) -> Result<Self, Box<Response>> {
        let necessary = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", KEY),
        ];
        let replaced = |name: &str| headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        let mut all: Vec<_> = necessary.into_iter().filter(|(name, _)| !replaced(name)).collect();
        all.extend(headers.iter().filter(|(_, value)| !value.is_empty()));
        conn.send(http::head(&conn, "GET", path, &all).as_bytes());
        let mut response = http::read_head(&mut conn).expect("an answer to the handshake");
        if response.status == 101 {
            assert!(
                replaced("Sec-WebSocket-Key") || response.header("Sec-WebSocket-Accept") == Some(ACCEPT),
                "{response:?}"
            );
            return Ok(Self { conn, response });
        }
        let length = response.header("Content-Length").map_or(0, |value| value.parse().expect("a length"));
        response.body = conn.take(length).expect("the body of the refusal");
        Err(Box::new(response))
    }

    /// A second handle on a plain websocket, so that one thread sends while another one reads.
    pub fn try_clone(&self) -> Self {
        Self { conn: self.conn.try_clone(), response: self.response.clone() }
    }

    /// Sends one frame.
    ///
    /// # Panics
    /// When the connection is broken.
    #[track_caller]
    pub fn send(&mut self, frame: &Frame) {
        self.conn.send(&frame.encode());
    }

    /// Sends frames in one write.
    ///
    /// # Panics
    /// When the connection is broken.
    #[track_caller]
    pub fn send_all(&mut self, frames: &[Frame]) {
        self.conn.send(&frames.iter().flat_map(Frame::encode).collect::<Vec<_>>());
    }

    /// The next frame; `None` when the connection ends instead.
    ///
    /// # Panics
    /// When nothing comes by the deadline, or the server breaks the RFC (a mask, reserved bits, a long length).
    #[track_caller]
    pub fn next(&mut self) -> Option<Frame> {
        let head = self.conn.take(2)?;
        let (fin, rsv, opcode) = (head[0] >> 7 == 1, head[0] >> 4 & 7, head[0] & 15);
        assert_eq!((rsv, head[1] >> 7), (0, 0), "no reserved bits, no mask from a server: {head:02x?}");
        let length = match head[1] & 0x7F {
            126 => u64::from(u16::from_be_bytes(self.conn.take(2)?.try_into().ok()?)),
            127 => u64::from_be_bytes(self.conn.take(8)?.try_into().ok()?),
            short => u64::from(short),
        };
        let minimum = [0, 126, 0x1_0000][usize::from((head[1] & 0x7F).saturating_sub(125))];
        assert!(length >= minimum, "the length {length} is not in its shortest form");
        let payload = self.conn.take(usize::try_from(length).ok()?)?;
        Some(Frame { fin, rsv, opcode, mask: None, length: Length::Shortest, payload })
    }

    /// The next frame that is no ping; pings are answered.
    ///
    /// # Panics
    /// As [`Ws::next`]; also when nothing but pings comes by the deadline.
    #[track_caller]
    pub fn next_answering(&mut self) -> Option<Frame> {
        let end = Instant::now() + DEADLINE;
        loop {
            match self.next()? {
                ping if ping.opcode == PING => {
                    assert!(Instant::now() < end, "nothing but pings came");
                    self.send(&Frame::new(PONG, ping.payload));
                }
                frame => return Some(frame),
            }
        }
    }

    /// Exactly `count` bytes of data, from as many frames as that takes; pings are answered.
    ///
    /// # Panics
    /// When other frames or the end come first, or more bytes.
    #[track_caller]
    pub fn take_data(&mut self, count: usize) -> Vec<u8> {
        let mut data = Vec::new();
        while data.len() < count {
            let frame =
                self.next_answering().unwrap_or_else(|| panic!("the end after {} of {count} bytes", data.len()));
            assert!(matches!(frame.opcode, BINARY | CONTINUATION), "data was expected, not {frame:?}");
            data.extend(frame.payload);
        }
        assert_eq!(data.len(), count, "no more than what was sent");
        data
    }

    /// Reads data until a close frame, and returns its digest with the code and reason; pings are answered.
    ///
    /// # Panics
    /// When the connection ends without a close frame.
    #[track_caller]
    pub fn drain(&mut self) -> (Digest, u16, String) {
        let mut digest = Digest::default();
        loop {
            let frame = self.next_answering().expect("a close frame before the end");
            if frame.opcode == CLOSE {
                let (code, reason) = frame.close_reason();
                return (digest, code, reason);
            }
            digest.add(&frame.payload);
        }
    }

    /// Closes as a good client does: sends a close frame, waits for the answer and for the end.
    ///
    /// # Panics
    /// When the server does not answer with a close frame and the end of the connection.
    #[track_caller]
    pub fn close(mut self) -> (u16, String) {
        self.send(&Frame::close(1000, ""));
        let (_, code, reason) = self.drain();
        assert!(self.conn.ends(), "nothing may follow a close frame");
        (code, reason)
    }
}
