//! Request bodies: read under deadlines and a limit, by Content-Length or by chunks.

use std::io;
use std::time::{Duration, Instant};

use super::request::{BodyLength, Head};
use crate::net::transport::{Transport, no_patience, timed_out};

/// How long a body may make no progress.
const IDLE: Duration = Duration::from_secs(10);
/// How long a whole body may take. It is the client's line that is slow then, and it holds a thread.
const PATIENCE: Duration = Duration::from_secs(300);
/// Bytes read at a time.
const PIECE: usize = 64 * 1024;
/// Bytes of a chunk's first line, extensions included.
const MAX_CHUNK_LINE: usize = 1_024;
/// Bytes of all trailers.
const MAX_TRAILERS: usize = 8 * 1024;

const TOO_LONG: Refused = (413, "the request body is longer than is taken here");
const CUT: Refused = (400, "the request ended in the middle of its body");
const TOO_LATE: Refused = (408, "the request body took too long");

type Refused = (u16, &'static str);

/// Why there is no body.
#[derive(Debug)]
pub enum BodyError {
    /// The client was lost: there is nobody to answer.
    Gone(io::Error),
    /// To be answered with this status and sentence; the connection is of no use then.
    Refused(u16, &'static str),
}

impl From<Refused> for BodyError {
    fn from((status, sentence): Refused) -> Self {
        Self::Refused(status, sentence)
    }
}

impl From<io::Error> for BodyError {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

/// The body of one request, which is read when somebody asks for it.
pub struct Incoming<'a> {
    length: BodyLength,
    /// The client waits for our word before it sends.
    asks_first: bool,
    done: bool,
    transport: &'a Transport,
    /// Bytes that came behind the head; what follows the body stays in it.
    rest: &'a mut Vec<u8>,
}

impl<'a> Incoming<'a> {
    /// The body that follows `head`; `rest` is what came behind the head already.
    pub(super) fn new(head: &Head, transport: &'a Transport, rest: &'a mut Vec<u8>) -> Self {
        let asks_first = head.minor_version > 0 && head.has_token("expect", "100-continue");
        Self { length: head.body, asks_first, done: !head.has_body(), transport, rest }
    }

    /// Whether nothing of it is left in the connection: there was none, or all was read.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Reads it to its end. It can be read once: after that there is nothing left.
    ///
    /// # Errors
    /// See [`BodyError`]. The connection ends after the answer then.
    pub fn read(&mut self, limit: usize) -> Result<Vec<u8>, BodyError> {
        let mut body = Vec::new();
        if self.done {
            return Ok(body);
        }
        let mut decoder = Decoder::new(self.length, limit)?;
        let deadline = Instant::now() + PATIENCE;
        if self.asks_first && self.rest.is_empty() {
            self.transport.write_all([b"HTTP/1.1 100 Continue\r\n\r\n", &[]], false, &mut no_patience)?;
        }
        let mut piece = Vec::new();
        loop {
            if decoder.feed(self.rest, &mut body)? {
                self.done = true;
                return Ok(body);
            }
            let wait = IDLE.min(deadline.saturating_duration_since(Instant::now()));
            if wait.is_zero() {
                return Err(TOO_LATE.into());
            }
            self.transport.set_read_timeout(Some(wait))?;
            piece.resize(PIECE, 0);
            match self.transport.read(&mut piece) {
                Ok(0) => return Err(CUT.into()),
                Ok(count) => self.rest.extend_from_slice(piece.get(..count).unwrap_or_default()),
                Err(error) if timed_out(&error) => return Err(TOO_LATE.into()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expects {
    /// This many bytes, the last ones.
    Bytes(u64),
    /// The line with a chunk's size.
    Size,
    /// This many bytes of a chunk.
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    /// Trailer lines, of which there were so many bytes, up to an empty one.
    Trailers(usize),
    /// Nothing: what follows is the next request's.
    Nothing,
}

/// Takes a body out of bytes that come in any pieces (RFC 9112 section 7.1, without its leniencies).
struct Decoder {
    expects: Expects,
    limit: usize,
}

impl Decoder {
    fn new(length: BodyLength, limit: usize) -> Result<Self, Refused> {
        let expects = match length {
            BodyLength::Known(length) if length > limit as u64 => return Err(TOO_LONG),
            BodyLength::Known(length) => Expects::Bytes(length),
            BodyLength::Chunked => Expects::Size,
        };
        Ok(Self { expects, limit })
    }

    /// Moves what is the body's from `input` to `body`; true when it is complete. What is behind it stays.
    fn feed(&mut self, input: &mut Vec<u8>, body: &mut Vec<u8>) -> Result<bool, Refused> {
        let mut at = 0;
        while self.expects != Expects::Nothing {
            match self.step(input.get(at..).unwrap_or_default(), body)? {
                Some(taken) => at += taken,
                None => break,
            }
        }
        input.drain(..at);
        Ok(self.expects == Expects::Nothing)
    }

    /// Takes the next part from the front of `input`: how many bytes it had, or `None` when it is not all there.
    fn step(&mut self, input: &[u8], body: &mut Vec<u8>) -> Result<Option<usize>, Refused> {
        let (taken, next) = match self.expects {
            Expects::Nothing | Expects::Bytes(0) => (0, Expects::Nothing),
            Expects::Chunk(0) => (0, Expects::ChunkEnd),
            Expects::Bytes(_) | Expects::Chunk(_) if input.is_empty() => return Ok(None),
            Expects::Bytes(left) => {
                let (taken, left) = take(left, input, body);
                (taken, Expects::Bytes(left))
            }
            Expects::Chunk(left) => {
                let (taken, left) = take(left, input, body);
                (taken, Expects::Chunk(left))
            }
            Expects::ChunkEnd => match input {
                [b'\r', b'\n', ..] => (2, Expects::Size),
                [] | [b'\r'] => return Ok(None),
                _ => return Err((400, "a chunk is longer than it said")),
            },
            Expects::Size => {
                let Some(line) = line(input, MAX_CHUNK_LINE)? else {
                    return Ok(None);
                };
                let size = chunk_size(line)?;
                if size > (self.limit.saturating_sub(body.len())) as u64 {
                    return Err(TOO_LONG);
                }
                (line.len() + 2, if size == 0 { Expects::Trailers(0) } else { Expects::Chunk(size) })
            }
            Expects::Trailers(seen) => match line(input, MAX_TRAILERS.saturating_sub(seen))? {
                None => return Ok(None),
                Some([]) => (2, Expects::Nothing),
                // Nobody here wants trailers: they are checked and dropped.
                Some(line) if line.contains(&b':') => (line.len() + 2, Expects::Trailers(seen + line.len() + 2)),
                Some(_) => return Err((400, "a trailer line is malformed")),
            },
        };
        self.expects = next;
        Ok(Some(taken))
    }
}

/// Moves up to `left` bytes: how many, and how many are left.
fn take(left: u64, input: &[u8], body: &mut Vec<u8>) -> (usize, u64) {
    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
    body.extend_from_slice(input.get(..taken).unwrap_or_default());
    (taken, left - taken as u64)
}

/// The first line without its end; `None` while that has not come. A line has `most` bytes with its end.
fn line(input: &[u8], most: usize) -> Result<Option<&[u8]>, Refused> {
    let malformed = (400, "a line of the chunked body is malformed");
    let Some(end) = input.iter().take(most).position(|&byte| byte == b'\n') else {
        return if input.len() < most { Ok(None) } else { Err((400, "a line of the chunked body is too long")) };
    };
    let line = input.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(malformed)?;
    // A carriage return or a zero that stands alone is where readers differ.
    let good = line.iter().all(|&byte| byte == b'\t' || (byte >= 0x20 && byte != 0x7f));
    if good { Ok(Some(line)) } else { Err(malformed) }
}

/// Hexadecimal digits, perhaps with extensions behind a semicolon, which nobody knows.
fn chunk_size(line: &[u8]) -> Result<u64, Refused> {
    let end = line.iter().position(|&byte| byte == b';').unwrap_or(line.len());
    let digits = line.get(..end).unwrap_or_default();
    let good = (1..=16).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| good);
    text.and_then(|text| u64::from_str_radix(text, 16).ok()).ok_or((400, "the size of a chunk is no number"))
}

#[cfg(test)]
mod tests;
