//! Messages behind headers of 12 bytes: member, type and length.

use super::partial::Partial;
use super::separators::Separators;
use super::voice::Voice;
use super::{Broken, LONGEST_MESSAGE, Out, Recipient};
use crate::scalesocket::config::ByteOrder;

/// Bytes of a header.
pub(super) const HEADER: usize = 12;

/// The type of a text message.
pub(super) const TEXT: u32 = 1;
/// The type of a binary message.
pub(super) const BINARY: u32 = 2;

/// A higher type is taken for the middle of something else, where one can begin anew: its length would have us skip
/// what may be megabytes of good frames.
const LIKELY_TYPE: u32 = 255;

const UNKNOWN_TYPE: &str = "the command said a frame whose type is neither 1 nor 2, and it was left out \
                            (this is told once)";
const NO_FRAME: &str = "the command said something that is not a frame; what stands before the next separator was left \
                        out (this is told once)";

/// A header, as the bytes on the wire.
pub(super) fn header(order: ByteOrder, id: u32, kind: u32, length: u32) -> [u8; HEADER] {
    let bytes = |number: u32| match order {
        ByteOrder::Little => number.to_le_bytes(),
        ByteOrder::Big => number.to_be_bytes(),
    };
    let mut header = [0; HEADER];
    for (place, byte) in header.iter_mut().zip([id, kind, length].into_iter().flat_map(bytes)) {
        *place = byte;
    }
    header
}

fn numbers(order: ByteOrder, header: [u8; HEADER]) -> [u32; 3] {
    let mut numbers = [0; 3];
    for (number, bytes) in numbers.iter_mut().zip(header.as_chunks().0) {
        *number = match order {
            ByteOrder::Little => u32::from_le_bytes(*bytes),
            ByteOrder::Big => u32::from_be_bytes(*bytes),
        };
    }
    numbers
}

/// Reads frames by their lengths, whatever the splits.
#[derive(Debug)]
pub(super) struct Frames {
    order: ByteOrder,
    /// What may stand behind a payload, for commands that speak in lines; and where to begin anew after junk.
    separators: Option<Separators>,
    state: State,
    partial: Partial,
    complained_of_type: bool,
    complained_of_junk: bool,
}

#[derive(Debug)]
enum State {
    /// A separator may be skipped; then comes a header.
    Between,
    Header {
        bytes: [u8; HEADER],
        have: usize,
    },
    Payload {
        to: Recipient,
        left: usize,
    },
    /// A payload that nobody gets.
    Skipped {
        left: usize,
    },
    /// Nothing counts before the next separator.
    Lost,
}

const START: State = State::Header { bytes: [0; HEADER], have: 0 };

impl Frames {
    pub(super) fn new(order: ByteOrder, separators: Option<Separators>) -> Self {
        Self {
            order,
            separators,
            state: START,
            partial: Partial::default(),
            complained_of_type: false,
            complained_of_junk: false,
        }
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8], voice: &mut Voice, out: &mut Out<'_>) -> Result<(), Broken> {
        while !bytes.is_empty() {
            bytes = self.step(bytes, voice, out)?;
        }
        Ok(())
    }

    /// What is incomplete can only be left out.
    pub(super) fn finish(&mut self, out: &mut Out<'_>) {
        let complete = matches!(self.state, State::Between | State::Lost | State::Header { have: 0, .. });
        if !complete {
            out.complain("the command ended inside a frame, which was left out");
        }
        self.partial.clear();
    }

    /// Uses at least one byte, or leaves [`State::Between`]; answers what is left.
    fn step<'a>(&mut self, bytes: &'a [u8], voice: &mut Voice, out: &mut Out<'_>) -> Result<&'a [u8], Broken> {
        match &mut self.state {
            State::Between => {
                self.state = START;
                Ok(self.without_separator(bytes))
            }
            State::Header { bytes: header, have } => {
                let rest = take_header(header, have, bytes);
                if *have == HEADER {
                    let header = *header;
                    self.enter(header, voice, out)?;
                }
                Ok(rest)
            }
            State::Payload { to, left } => {
                let to = *to;
                let (now, rest) = bytes.split_at_checked(*left).unwrap_or((bytes, &[]));
                *left -= now.len();
                let complete = *left == 0;
                if complete && self.partial.is_empty() {
                    voice.say_to(to, now, out);
                } else {
                    self.partial.extend(now);
                    if complete {
                        voice.say_partial_to(to, &mut self.partial, out);
                    }
                }
                if complete {
                    self.state = State::Between;
                }
                Ok(rest)
            }
            State::Skipped { left } => {
                let (now, rest) = bytes.split_at_checked(*left).unwrap_or((bytes, &[]));
                *left -= now.len();
                if *left == 0 {
                    self.state = State::Between;
                }
                Ok(rest)
            }
            State::Lost => match self.separators.as_ref().and_then(|separators| separators.first(bytes)) {
                Some(at) => {
                    self.state = START;
                    Ok(bytes.get(at + 1..).unwrap_or_default())
                }
                None => Ok(&[]),
            },
        }
    }

    /// A header is complete.
    fn enter(&mut self, header: [u8; HEADER], voice: &mut Voice, out: &mut Out<'_>) -> Result<(), Broken> {
        let [id, kind, length] = numbers(self.order, header);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let junk = self.separators.is_some() && kind > LIKELY_TYPE;
        if junk || length > LONGEST_MESSAGE {
            return self.lose_way(header, length, out);
        }
        let known = [TEXT, BINARY].contains(&kind);
        if !known && !std::mem::replace(&mut self.complained_of_type, true) {
            out.complain(UNKNOWN_TYPE);
        }
        let to = if id == 0 { Recipient::All } else { Recipient::One(id) };
        self.state = match (known, length) {
            (true, 0) => {
                voice.say_to(to, &[], out);
                State::Between
            }
            (false, 0) => State::Between,
            (true, left) => State::Payload { to, left },
            (false, left) => State::Skipped { left },
        };
        Ok(())
    }

    /// What should be a header is none: the next may come behind the next separator, which can be in these bytes.
    fn lose_way(&mut self, header: [u8; HEADER], length: usize, out: &mut Out<'_>) -> Result<(), Broken> {
        let Some(separators) = &self.separators else {
            return Err(Broken(format!(
                "the command said a frame of {length} bytes, which is more than {LONGEST_MESSAGE}"
            )));
        };
        if !std::mem::replace(&mut self.complained_of_junk, true) {
            out.complain(NO_FRAME);
        }
        self.state = State::Lost;
        if let Some(rest) = separators.first(&header).and_then(|at| header.get(at + 1..)) {
            let mut bytes = [0; HEADER];
            let mut have = 0;
            take_header(&mut bytes, &mut have, rest);
            self.state = State::Header { bytes, have };
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.partial.held()
    }

    fn without_separator<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let separators = self.separators.as_ref();
        match bytes.split_first() {
            Some((first, rest)) if separators.is_some_and(|set| set.first(&[*first]).is_some()) => rest,
            _ => bytes,
        }
    }
}

/// Puts bytes into a header until it is complete; answers the rest.
fn take_header<'a>(header: &mut [u8; HEADER], have: &mut usize, bytes: &'a [u8]) -> &'a [u8] {
    let free = header.get_mut(*have..).unwrap_or_default();
    let (now, rest) = bytes.split_at_checked(free.len()).unwrap_or((bytes, &[]));
    for (place, byte) in free.iter_mut().zip(now) {
        *place = *byte;
    }
    *have += now.len();
    rest
}
