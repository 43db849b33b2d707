//! The near side: a client that costs as little as possible, so that the way is measured and not its end.
//! Frames are built before the clock runs; of what arrives only the frame headers are looked at.
use std::io::{self, Cursor, Read, Write};
use std::net::{Shutdown, TcpStream};

use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::tls::TlsStream;

/// A response head longer than this is none.
const LONGEST_HEAD: usize = 8192;
/// Any key would do that is not zero: the server cannot know that it is always the same.
const MASK: [u8; 4] = [0x5a, 0xc3, 0x17, 0xe8];
/// A frame header is at most so long.
const LONGEST_HEADER: usize = 14;

/// The bytes below the frames.
pub(crate) enum Wire {
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS, boxed because it is so much larger.
    Tls(Box<TlsStream>),
}

impl Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes),
            Self::Tls(stream) => stream.write_all(bytes),
        }
    }
}

/// A connection, with websocket frames or without.
pub(crate) struct Client {
    wire: Wire,
    frames: Option<Unframer>,
    /// What came together with the head of the handshake.
    early: Vec<u8>,
}

impl Client {
    /// A connection that carries bytes as they are.
    pub(crate) fn raw(stream: TcpStream) -> Self {
        Self { wire: Wire::Plain(stream), frames: None, early: Vec::new() }
    }

    /// A websocket, after its handshake.
    pub(crate) fn websocket(mut wire: Wire, port: u16) -> io::Result<Self> {
        let key = "YmVydGggYmVuY2htYXJrIQ==";
        let request = format!(
            "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: binary\r\n\r\n"
        );
        wire.write_all(request.as_bytes())?;
        let mut head = Vec::new();
        let length = loop {
            let mut piece = [0; 1024];
            let count = wire.read(&mut piece)?;
            head.extend_from_slice(&piece[..count]);
            if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if count == 0 || head.len() > LONGEST_HEAD {
                return Err(refused(&head));
            }
        };
        let early = head.split_off(length);
        let accept = derive_accept_key(key.as_bytes());
        if !head.starts_with(b"HTTP/1.1 101 ") || !String::from_utf8_lossy(&head).contains(&accept) {
            return Err(refused(&head));
        }
        Ok(Self { wire, frames: Some(Unframer::default()), early })
    }

    /// What to write so that `payload` arrives, in frames of so many bytes. Built once, written often.
    pub(crate) fn wrapped(&self, payload: &[u8], frame: usize) -> io::Result<Vec<u8>> {
        if self.frames.is_none() {
            return Ok(payload.to_vec());
        }
        let mut bytes = Vec::with_capacity(payload.len() + payload.len().div_ceil(frame) * LONGEST_HEADER);
        for piece in payload.chunks(frame) {
            push_frame(&mut bytes, OpCode::Data(Data::Binary), piece)?;
        }
        Ok(bytes)
    }

    /// Writes bytes made by [`Self::wrapped`].
    pub(crate) fn send(&mut self, wrapped: &[u8]) -> io::Result<()> {
        self.wire.write_all(wrapped)
    }

    /// Reads once and shows the payload in it, of which there may be none. `None` at the end of the connection.
    pub(crate) fn receive(&mut self, buffer: &mut [u8], mut sink: impl FnMut(&[u8])) -> io::Result<Option<usize>> {
        let early = std::mem::take(&mut self.early);
        if !early.is_empty() {
            return self.payload(&early, sink).map(Some);
        }
        match self.wire.read(buffer)? {
            0 => Ok(None),
            count => self.payload(&buffer[..count], &mut sink).map(Some),
        }
    }

    /// Reads until so much payload is there; more, or an early end, is an error.
    pub(crate) fn receive_all(
        &mut self,
        total: usize,
        buffer: &mut [u8],
        mut sink: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        let mut count = 0;
        while count < total {
            let Some(got) = self.receive(buffer, &mut sink)? else {
                return Err(io::Error::other(format!("the client got {count} of {total} bytes")));
            };
            count += got;
        }
        if count > total {
            return Err(io::Error::other(format!("the client got {count} bytes instead of {total}")));
        }
        Ok(())
    }

    /// The socket below, with which another thread can end a call that blocks.
    pub(crate) fn socket(&self) -> &TcpStream {
        match &self.wire {
            Wire::Plain(stream) => stream,
            Wire::Tls(stream) => stream.socket(),
        }
    }

    /// Says that nothing follows: a close frame, or the end of the TCP stream.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        match &self.wire {
            Wire::Plain(stream) if self.frames.is_none() => stream.shutdown(Shutdown::Write),
            _ => {
                let mut close = Vec::new();
                push_frame(&mut close, OpCode::Control(Control::Close), &1000_u16.to_be_bytes())?;
                self.wire.write_all(&close)
            }
        }
    }

    /// Waits for the end, before which no payload may come. How politely a proxy ends a connection is for tests to
    /// judge, so a reset is an end, too; but one that never ends is an error.
    pub(crate) fn expect_end(&mut self) -> io::Result<()> {
        let mut buffer = [0; 1024];
        loop {
            match self.receive(&mut buffer, |_| ()) {
                Ok(Some(0)) => {}
                Ok(Some(more)) => {
                    return Err(io::Error::other(format!("the client got at least {more} bytes too many")));
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::InvalidData) => {
                    return Err(error);
                }
                Ok(None) | Err(_) => return Ok(()),
            }
        }
    }

    fn payload(&mut self, bytes: &[u8], mut sink: impl FnMut(&[u8])) -> io::Result<usize> {
        if let Some(frames) = &mut self.frames {
            return frames.feed(bytes, sink);
        }
        sink(bytes);
        Ok(bytes.len())
    }
}

/// Finds the payload between frame headers, whatever pieces the stream arrives in.
#[derive(Default)]
struct Unframer {
    /// The beginning of a header whose rest has not come yet.
    partial: Vec<u8>,
    /// Bytes of the current frame that are still to come.
    left: usize,
    /// Whether they are payload; those of a ping or a close frame are not.
    data: bool,
}

impl Unframer {
    /// Shows the payload in these bytes and returns how much it is.
    fn feed(&mut self, mut bytes: &[u8], mut sink: impl FnMut(&[u8])) -> io::Result<usize> {
        let mut count = 0;
        while !bytes.is_empty() {
            if self.left == 0 {
                bytes = self.header(bytes)?;
                continue;
            }
            let (piece, rest) = bytes.split_at(self.left.min(bytes.len()));
            if self.data {
                sink(piece);
                count += piece.len();
            }
            self.left -= piece.len();
            bytes = rest;
        }
        Ok(count)
    }

    /// Takes a header, or as much of it as there is, and returns what follows.
    fn header<'a>(&mut self, bytes: &'a [u8]) -> io::Result<&'a [u8]> {
        let known = self.partial.len();
        let mut window = [0; LONGEST_HEADER];
        window[..known].copy_from_slice(&self.partial);
        let fresh = bytes.len().min(LONGEST_HEADER - known);
        window[known..known + fresh].copy_from_slice(&bytes[..fresh]);

        let mut cursor = Cursor::new(&window[..known + fresh]);
        let Some((header, length)) = FrameHeader::parse(&mut cursor).map_err(broken)? else {
            self.partial.extend_from_slice(&bytes[..fresh]);
            return Ok(&bytes[fresh..]);
        };
        if header.mask.is_some() || header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(broken("a masked frame or a reserved bit from the server"));
        }
        let end = usize::try_from(cursor.position()).map_err(broken)?;
        self.partial.clear();
        self.left = usize::try_from(length).map_err(broken)?;
        self.data = matches!(header.opcode, OpCode::Data(_));
        Ok(&bytes[end - known..])
    }
}

/// Appends one masked frame.
fn push_frame(bytes: &mut Vec<u8>, opcode: OpCode, payload: &[u8]) -> io::Result<()> {
    let header = FrameHeader { opcode, mask: Some(MASK), ..FrameHeader::default() };
    header.format(payload.len() as u64, bytes).map_err(io::Error::other)?;
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    Ok(())
}

/// Frames that no server may send.
fn broken(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// A handshake that did not end in a websocket, with the line that says why.
fn refused(head: &[u8]) -> io::Error {
    let text = String::from_utf8_lossy(head);
    io::Error::other(format!("no websocket: '{}'", text.lines().next().unwrap_or_default()))
}
