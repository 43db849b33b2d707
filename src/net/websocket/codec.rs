//! Frames, decoded in place and without a copy of a message: a payload of any size streams through a fixed buffer.

use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// Longest header of a frame from a server: no mask (RFC 6455 section 5.2).
pub const SERVER_HEADER: usize = 10;
/// Longest header of a frame from a client.
const CLIENT_HEADER: usize = 14;
/// Longest payload of a control frame (RFC 6455 section 5.5).
pub const CONTROL_PAYLOAD: usize = 125;

/// Something in the stream beside data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// To be answered with the same payload.
    Ping(Vec<u8>),
    /// An answer, asked for or not.
    Pong,
    /// The client says goodbye: its code and reason, if it gave any.
    Close(Option<(u16, String)>),
}

/// The client broke the protocol: the close code and a sentence for the close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Violation {
    /// 1002 or 1007.
    pub code: u16,
    /// What was wrong.
    pub reason: &'static str,
}

const fn violation(reason: &'static str) -> Violation {
    Violation { code: 1002, reason }
}

/// What [`Decoder::decode`] stopped at.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// All bytes were used.
    Drained,
    /// There is payload in as many places as can be kept; decode the bytes after `used`.
    Full,
    /// A control frame is complete; decode the bytes after `used`.
    Signal(Signal),
    /// A message is complete with the payload so far (only [`Decoder::of_messages`]); decode the bytes after `used`.
    Message {
        /// Whether it is text, which has yet to be checked for UTF-8.
        text: bool,
    },
    /// The stream is of no use from here on.
    Violation(Violation),
}

/// How far one call came.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Where in the buffer payload is, unmasked.
    pub payload: Pieces,
    /// Bytes of the buffer that were used.
    pub used: usize,
    /// Why decoding stopped.
    pub stop: Stop,
}

/// Payload shorter than this is moved to what stands before it: cheaper than a place of its own in a vectored write.
const WORTH_MOVING: usize = 2 * 1024;
/// Places of payload that one call can tell of.
pub const MAX_PIECES: usize = 16;

/// Where payload is: ranges of a buffer, in the order of the stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    ranges: [(usize, usize); MAX_PIECES],
    count: usize,
}

impl Pieces {
    /// The payload in `buffer`, in order.
    pub fn of<'a>(&self, buffer: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.ranges.iter().take(self.count).filter_map(|&(start, end)| buffer.get(start..end))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes `start..end` of `buffer` in; small pieces are moved to the end of the last. False when there is no room.
    fn add(&mut self, buffer: &mut [u8], start: usize, end: usize) -> bool {
        let last = self.count.checked_sub(1).and_then(|last| self.ranges.get_mut(last));
        match last {
            Some((_, last_end)) if *last_end == start => *last_end = end,
            Some((_, last_end)) if end - start < WORTH_MOVING => {
                buffer.copy_within(start..end, *last_end);
                *last_end += end - start;
            }
            _ => match self.ranges.get_mut(self.count) {
                Some(free) => {
                    *free = (start, end);
                    self.count += 1;
                }
                None => return false,
            },
        }
        true
    }
}

/// Turns the bytes of a client into payload, whatever the splits.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    /// Inside a fragmented message.
    fragmented: bool,
    /// Whether the message at hand is text.
    text: bool,
    /// Whether to stop at the end of each message.
    of_messages: bool,
}

#[derive(Debug)]
enum State {
    /// Collecting a header.
    Header { bytes: [u8; CLIENT_HEADER], have: usize },
    /// Passing payload on: bytes still to come, and the mask turned so that its first byte is the next one's.
    Payload { left: u64, mask: [u8; 4] },
    /// Collecting a control frame's payload.
    Control { control: Control, mask: [u8; 4], want: usize, have: Vec<u8> },
}

impl Default for State {
    fn default() -> Self {
        Self::Header { bytes: [0; CLIENT_HEADER], have: 0 }
    }
}

struct Header {
    opcode: OpCode,
    fin: bool,
    length: u64,
    mask: [u8; 4],
}

impl Decoder {
    /// A decoder that stops at the end of each message.
    pub fn of_messages() -> Self {
        Self { of_messages: true, ..Self::default() }
    }

    /// Decodes `buffer`: unmasks payload in place, up to the end or to the first signal.
    pub fn decode(&mut self, buffer: &mut [u8]) -> Decoded {
        let mut payload = Pieces::default();
        let mut used = 0;
        let stop = loop {
            match self.step(buffer, &mut payload, &mut used) {
                Ok(None) if used == buffer.len() => break Stop::Drained,
                Ok(None) => {}
                Ok(Some(stop)) => break stop,
                Err(violation) => break Stop::Violation(violation),
            }
        };
        Decoded { payload, used, stop }
    }

    /// Uses at least one byte, or completes a frame without payload.
    fn step(&mut self, buffer: &mut [u8], payload: &mut Pieces, used: &mut usize) -> Result<Option<Stop>, Violation> {
        match &mut self.state {
            State::Header { bytes, have } => {
                let header = collect_header(bytes, have, buffer.get(*used..).unwrap_or_default(), used)?;
                header.map_or(Ok(None), |header| self.enter(&header))
            }
            State::Payload { left, mask } => {
                let available = buffer.len().saturating_sub(*used);
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(available);
                let end = *used + count;
                unmask(buffer.get_mut(*used..end).unwrap_or_default(), *mask);
                if !payload.add(buffer, *used, end) {
                    // Masking twice is not masking: these bytes are decoded by the next call.
                    unmask(buffer.get_mut(*used..end).unwrap_or_default(), *mask);
                    return Ok(Some(Stop::Full));
                }
                *used = end;
                *left -= count as u64;
                mask.rotate_left(count % 4);
                if *left > 0 {
                    return Ok(None);
                }
                self.state = State::default();
                Ok(self.end_of_frame())
            }
            State::Control { want, have, .. } => {
                let rest = buffer.get(*used..).unwrap_or_default();
                let count = (*want - have.len()).min(rest.len());
                have.extend(rest.iter().take(count));
                *used += count;
                if have.len() == *want { self.complete() } else { Ok(None) }
            }
        }
    }

    /// A header is complete.
    fn enter(&mut self, header: &Header) -> Result<Option<Stop>, Violation> {
        match header.opcode {
            OpCode::Control(control) => {
                let want = usize::try_from(header.length).unwrap_or(usize::MAX);
                if !header.fin {
                    return Err(violation("a control frame was fragmented"));
                }
                if want > CONTROL_PAYLOAD {
                    return Err(violation("a control frame was longer than 125 bytes"));
                }
                self.state = State::Control { control, mask: header.mask, want, have: Vec::with_capacity(want) };
                if want == 0 { self.complete() } else { Ok(None) }
            }
            OpCode::Data(data) => {
                match (data, self.fragmented) {
                    (Data::Continue, false) => return Err(violation("a continuation frame continues nothing")),
                    (Data::Text | Data::Binary, true) => {
                        return Err(violation("a message began inside a fragmented one"));
                    }
                    _ => {}
                }
                if data != Data::Continue {
                    self.text = data == Data::Text;
                }
                self.fragmented = !header.fin;
                if header.length > 0 {
                    self.state = State::Payload { left: header.length, mask: header.mask };
                    return Ok(None);
                }
                self.state = State::default();
                Ok(self.end_of_frame())
            }
        }
    }

    /// Where a message ends too, if that is asked for.
    fn end_of_frame(&self) -> Option<Stop> {
        (self.of_messages && !self.fragmented).then_some(Stop::Message { text: self.text })
    }

    /// A control frame's payload is complete.
    fn complete(&mut self) -> Result<Option<Stop>, Violation> {
        let State::Control { control, mask, have: mut payload, .. } = std::mem::take(&mut self.state) else {
            return Ok(None);
        };
        unmask(&mut payload, mask);
        Ok(Some(Stop::Signal(match control {
            Control::Ping => Signal::Ping(payload),
            Control::Pong => Signal::Pong,
            _ => Signal::Close(close_payload(&payload)?),
        })))
    }
}

/// Takes bytes of `input` until the header is complete.
fn collect_header(
    bytes: &mut [u8; CLIENT_HEADER],
    have: &mut usize,
    input: &[u8],
    used: &mut usize,
) -> Result<Option<Header>, Violation> {
    for &byte in input {
        if let Some(slot) = bytes.get_mut(*have) {
            *slot = byte;
        }
        *have += 1;
        *used += 1;
        if *have >= 2 && *have == header_length(*bytes) {
            return parse_header(*bytes).map(Some);
        }
        if *have == 2 {
            // Refuse at once what can only be wrong, before its length and mask arrive.
            check_start(*bytes)?;
        }
    }
    Ok(None)
}

fn header_length([_, second, ..]: [u8; CLIENT_HEADER]) -> usize {
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + length + mask
}

/// RFC 6455 section 5.1 (masking) and 5.2 (reserved bits and opcodes).
fn check_start([first, second, ..]: [u8; CLIENT_HEADER]) -> Result<OpCode, Violation> {
    if first & 0x70 != 0 {
        return Err(violation("a reserved bit was set, but no extension was agreed"));
    }
    if second & 0x80 == 0 {
        return Err(violation("a frame was not masked"));
    }
    match OpCode::from(first & 0x0f) {
        OpCode::Data(Data::Reserved(_)) | OpCode::Control(Control::Reserved(_)) => {
            Err(violation("a frame had an unknown opcode"))
        }
        known => Ok(known),
    }
}

#[allow(clippy::many_single_char_names, reason = "the bytes of one header")]
fn parse_header(bytes: [u8; CLIENT_HEADER]) -> Result<Header, Violation> {
    let opcode = check_start(bytes)?;
    let [first, second, a, b, c, d, e, f, g, h, i, j, k, l] = bytes;
    let (length, mask, shortest) = match second & 0x7f {
        126 => (u64::from(u16::from_be_bytes([a, b])), [c, d, e, f], 126),
        127 => (u64::from_be_bytes([a, b, c, d, e, f, g, h]), [i, j, k, l], 0x1_0000),
        short => (u64::from(short), [a, b, c, d], 0),
    };
    if length > i64::MAX as u64 {
        return Err(violation("a frame's length had its highest bit set"));
    }
    if length < shortest {
        return Err(violation("a frame's length was not in its shortest form"));
    }
    Ok(Header { opcode, fin: first & 0x80 != 0, length, mask })
}

/// RFC 6455 section 5.5.1 and 7.4: nothing, or a code that may stand in a frame and a UTF-8 reason.
fn close_payload(payload: &[u8]) -> Result<Option<(u16, String)>, Violation> {
    match payload {
        [] => Ok(None),
        [_] => Err(violation("a close frame had half a code")),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            // Those of the RFC, 1012 to 1014 of the IANA registry, and those of libraries and applications.
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(violation("a close frame had a code that may not be sent"));
            }
            let reason = std::str::from_utf8(reason)
                .map_err(|_| Violation { code: 1007, reason: "a close frame's reason was not UTF-8" })?;
            Ok(Some((code, reason.to_owned())))
        }
    }
}

/// XORs `bytes` with the repeated `mask` (RFC 6455 section 5.3), eight bytes at a time.
pub fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

/// Writes the header of an unmasked, final frame to the end of `space`, and answers how long it is.
///
/// `space` is what stands in front of the payload, so header and payload leave in one piece.
#[allow(clippy::many_single_char_names, reason = "the bytes of one number")]
pub fn header_before(space: &mut [u8; SERVER_HEADER], opcode: OpCode, length: usize) -> usize {
    let first = 0x80 | u8::from(opcode);
    let wide = (length as u64).to_be_bytes();
    let [a, b, c, d, e, f, g, h] = wide;
    let (header, size) = match length {
        0..=125 => ([0, 0, 0, 0, 0, 0, 0, 0, first, h], 2),
        126..=0xffff => ([0, 0, 0, 0, 0, 0, first, 126, g, h], 4),
        _ => ([first, 127, a, b, c, d, e, f, g, h], 10),
    };
    *space = header;
    size
}

/// A whole control frame as the server sends it. A payload over 125 bytes is cut.
pub fn control_frame(control: Control, payload: &[u8]) -> Vec<u8> {
    let payload = payload.get(..CONTROL_PAYLOAD).unwrap_or(payload);
    let mut frame = Vec::with_capacity(2 + payload.len());
    frame.push(0x80 | u8::from(OpCode::Control(control)));
    frame.push(u8::try_from(payload.len()).unwrap_or_default());
    frame.extend_from_slice(payload);
    frame
}

/// A close frame; `None` has no code. The reason is cut to what fits, between characters.
pub fn close_frame(close: Option<(u16, &str)>) -> Vec<u8> {
    let mut payload = Vec::new();
    if let Some((code, reason)) = close {
        let fits = reason.floor_char_boundary(CONTROL_PAYLOAD - 2);
        payload.extend_from_slice(&code.to_be_bytes());
        payload.extend_from_slice(reason.get(..fits).unwrap_or_default().as_bytes());
    }
    control_frame(Control::Close, &payload)
}

#[cfg(test)]
mod tests;
