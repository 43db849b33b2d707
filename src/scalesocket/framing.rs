//! From the command's bytes to the members' frames, and from a member's message to the command's bytes.
//!
//! Pure: no sockets, no clocks. Whatever bytes come in, in whatever splits, there is never a panic and never a stall.

use serde_json::Value;

use super::config::{CacheConfig, DataConfig};

/// Whom a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipient {
    /// Every member of the room.
    All,
    /// One member; when it is not there, nobody.
    One(u32),
    /// Nobody at all.
    Nobody,
}

/// Some messages of the command, in order, for the same recipient.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch {
    /// Whom they are for.
    pub to: Recipient,
    /// Whole websocket frames from `start` on; what stands before is of no meaning.
    pub frames: Vec<u8>,
    /// Where the frames begin.
    pub start: usize,
    /// How many messages. Where messages are cached it is one.
    pub messages: usize,
    /// To be kept for those who come later.
    pub keep: bool,
}

/// What the command said.
#[derive(Debug, PartialEq)]
pub enum Said {
    /// Messages.
    Batch(Batch),
    /// The room's new metadata (`_meta`).
    Metadata(Value),
}

/// What was left out or repaired, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint(pub String);

/// The stream from the command cannot be understood any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken(pub String);

/// Whether a member's message was text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text message.
    Text,
    /// A binary message.
    Binary,
}

/// Turns the command's bytes into messages, whatever the splits.
#[derive(Debug)]
pub struct Unframer {}

impl Unframer {
    /// At the beginning of a stream.
    pub fn new(_data: &DataConfig, _cache: Option<CacheConfig>) -> Self {
        Self {}
    }

    /// Takes what was read; complete messages go to `said`, what was left out or repaired to `complaints`.
    ///
    /// # Errors
    /// The stream cannot be understood from here on.
    pub fn feed(
        &mut self,
        _bytes: &[u8],
        _said: &mut Vec<Said>,
        _complaints: &mut Vec<Complaint>,
    ) -> Result<(), Broken> {
        Ok(())
    }

    /// The stream has ended: what is complete without a separator is said too.
    pub fn finish(&mut self, _said: &mut Vec<Said>, _complaints: &mut Vec<Complaint>) {}
}

/// Turns members' messages into bytes for the command.
#[derive(Debug)]
pub struct Tagger {}

impl Tagger {
    /// As the command line has it.
    pub fn new(_data: &DataConfig) -> Self {
        Self {}
    }

    /// The bytes for a message of member `id`.
    ///
    /// # Errors
    /// The message is not what the framing asks for, and is left out.
    pub fn tag(&self, _id: u32, _kind: Kind, message: Vec<u8>) -> Result<Vec<u8>, Complaint> {
        Ok(message)
    }

    /// The bytes for a message of our own (`--joinmsg`, `--leavemsg`), which is never framed.
    pub fn plain(&self, text: String) -> Vec<u8> {
        text.into_bytes()
    }
}
