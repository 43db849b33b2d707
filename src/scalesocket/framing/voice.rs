//! Messages on their way into batches: made text where they have to be, addressed, written as frames.

use std::borrow::Cow;

use tungstenite::protocol::frame::coding::{Data, OpCode};

use super::json::{self, Header};
use super::partial::Partial;
use super::{Batch, Out, Recipient, Said};
use crate::net::websocket::codec::{SERVER_HEADER, header_before};
use crate::scalesocket::config::{CacheConfig, JsonKeys};

/// Most bytes of a batch of several messages: what is read at once fits, and a member that is slow holds no more than
/// it is still owed.
const FULL: usize = 128 * 1024;

const NOT_TEXT: &str = "the command said something that is not UTF-8, and it was repaired; --binary passes bytes \
                        (this is told once)";

/// Says messages: the command's, in the way that the command line asks for.
#[derive(Debug)]
pub(super) struct Voice {
    text: bool,
    /// With JSON framing: the keys that say whom a message is for.
    keys: Option<JsonKeys>,
    cache: Option<CacheConfig>,
    /// Something that is not UTF-8 has been complained of.
    repaired: bool,
    /// Bytes of messages that are likely to follow for the same recipient.
    expected: usize,
}

/// What becomes of a message.
enum Fate {
    Sent { to: Recipient, keep: bool },
    Metadata(serde_json::Value),
}

impl Voice {
    pub(super) fn new(text: bool, keys: Option<JsonKeys>, cache: Option<CacheConfig>) -> Self {
        Self { text, keys, cache, repaired: false, expected: 0 }
    }

    /// So many bytes of messages are about to be said: one piece of memory will do, if they go to the same recipient.
    pub(super) fn expect(&mut self, bytes: usize) {
        let together = self.keys.is_none() && self.cache.is_none();
        self.expected = if together { bytes } else { 0 };
    }

    /// Says a message that is text.
    pub(super) fn say_text(&mut self, text: &str, out: &mut Out<'_>) {
        let fate = self.fate(Some(text));
        self.send(text.as_bytes(), fate, out);
    }

    /// Says a message.
    pub(super) fn say(&mut self, message: &[u8], out: &mut Out<'_>) {
        if self.text {
            let text = self.repair(message, out);
            self.say_text(&text, out);
        } else {
            let fate = self.fate_of_bytes(message);
            self.send(message, fate, out);
        }
    }

    /// Says what has been collected, which is then forgotten.
    pub(super) fn say_partial(&mut self, partial: &mut Partial, out: &mut Out<'_>) {
        // A long message is not copied; unless it has to be repaired.
        if partial.is_small() || self.needs_repair(partial) {
            self.say(partial.payload(), out);
            partial.clear();
        } else {
            let fate = self.fate_of_bytes(partial.payload());
            self.send_partial(partial, fate, out);
        }
    }

    /// Says a message to somebody, whatever stands in it.
    pub(super) fn say_to(&mut self, to: Recipient, message: &[u8], out: &mut Out<'_>) {
        let fate = self.sent(to, false);
        if self.text {
            let text = self.repair(message, out);
            self.send(text.as_bytes(), fate, out);
        } else {
            self.send(message, fate, out);
        }
    }

    /// Says what has been collected to somebody.
    pub(super) fn say_partial_to(&mut self, to: Recipient, partial: &mut Partial, out: &mut Out<'_>) {
        if partial.is_small() || self.needs_repair(partial) {
            self.say_to(to, partial.payload(), out);
            partial.clear();
        } else {
            self.send_partial(partial, self.sent(to, false), out);
        }
    }

    fn needs_repair(&self, partial: &Partial) -> bool {
        self.text && std::str::from_utf8(partial.payload()).is_err()
    }

    fn repair<'a>(&mut self, message: &'a [u8], out: &mut Out<'_>) -> Cow<'a, str> {
        let text = String::from_utf8_lossy(message);
        if matches!(text, Cow::Owned(_)) && !std::mem::replace(&mut self.repaired, true) {
            out.complain(NOT_TEXT);
        }
        text
    }

    fn fate_of_bytes(&self, message: &[u8]) -> Fate {
        self.fate(self.keys.and_then(|_| std::str::from_utf8(message).ok()))
    }

    /// What a message says about itself; one that is not text says nothing.
    fn fate(&self, text: Option<&str>) -> Fate {
        let header = self.keys.zip(text).map(|(keys, text)| json::header(text, keys)).unwrap_or_default();
        match header {
            Header { metadata: Some(metadata), .. } => Fate::Metadata(metadata),
            Header { to: Some(id), .. } => self.sent(Recipient::One(id), false),
            Header { to: None, cache, .. } => self.sent(Recipient::All, cache),
        }
    }

    fn sent(&self, to: Recipient, tagged: bool) -> Fate {
        let keep = to == Recipient::All && self.cache.is_some_and(|cache| tagged || !cache.tagged);
        Fate::Sent { to, keep }
    }

    fn opcode(&self) -> OpCode {
        OpCode::Data(if self.text { Data::Text } else { Data::Binary })
    }

    fn send(&mut self, message: &[u8], fate: Fate, out: &mut Out<'_>) {
        let (to, keep) = match fate {
            Fate::Sent { to, keep } => (to, keep),
            Fate::Metadata(metadata) => return out.said.push(Said::Metadata(metadata)),
        };
        let mut space = [0; SERVER_HEADER];
        let size = header_before(&mut space, self.opcode(), message.len());
        let header = space.get(SERVER_HEADER - size..).unwrap_or_default();
        let whole = header.len() + message.len();
        match out.said.last_mut() {
            Some(Said::Batch(batch))
                if self.cache.is_none() && batch.to == to && batch.frames.len() + whole <= FULL =>
            {
                batch.frames.extend_from_slice(header);
                batch.frames.extend_from_slice(message);
                batch.messages += 1;
            }
            _ => {
                // An eighth more for the headers of lines of usual length.
                let mut frames = Vec::with_capacity(whole.max(FULL.min(self.expected + self.expected / 8)));
                frames.extend_from_slice(header);
                frames.extend_from_slice(message);
                out.said.push(Said::Batch(Batch { to, frames, start: 0, messages: 1, keep }));
            }
        }
    }

    fn send_partial(&self, partial: &mut Partial, fate: Fate, out: &mut Out<'_>) {
        out.said.push(match fate {
            Fate::Sent { to, keep } => {
                let (frames, start) = partial.take_frame(self.opcode());
                Said::Batch(Batch { to, frames, start, messages: 1, keep })
            }
            Fate::Metadata(metadata) => {
                partial.clear();
                Said::Metadata(metadata)
            }
        });
    }
}
