//! From the command's bytes to the members' frames, and from a member's message to the command's bytes.
//!
//! Pure: no sockets, no clocks. Whatever bytes come in, in whatever splits, there is never a panic and never a stall.

//!
//! A message is copied once, from what was read into the [`Batch`] that every member's socket is then written from; a
//! long one is collected where its batch will be, and not copied at all.

use serde_json::Value;

use super::config::{CacheConfig, DataConfig, FrameMode, Split};
use binary::Frames;
use items::Items;
use separators::Separators;
use voice::Voice;

mod binary;
mod items;
mod json;
mod partial;
mod separators;
mod tagger;
#[cfg(test)]
mod tests;
mod voice;

pub use tagger::Tagger;

/// Longest message of a command: a bound on memory, far above what a page can make use of.
const LONGEST_MESSAGE: usize = 256 * 1024 * 1024;

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

/// What was left out or repaired, for the log. About the command's output each kind is told once in a stream, so that
/// junk does not fill the log.
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
pub struct Unframer {
    source: Source,
    voice: Voice,
}

/// Where a message ends.
#[derive(Debug)]
enum Source {
    /// At a separator.
    Items(Items),
    /// With what was read.
    Chunks,
    /// Where its header says.
    Frames(Frames),
}

/// Where messages and complaints go.
struct Out<'a> {
    said: &'a mut Vec<Said>,
    complaints: &'a mut Vec<Complaint>,
}

impl Out<'_> {
    fn complain(&mut self, complaint: impl Into<String>) {
        self.complaints.push(Complaint(complaint.into()));
    }
}

impl Unframer {
    /// At the beginning of a stream.
    pub fn new(data: &DataConfig, cache: Option<CacheConfig>) -> Self {
        let separators = Separators::new(&data.split);
        let json = data.server_frame == Some(FrameMode::Json);
        Self {
            source: match (data.server_frame, separators) {
                (Some(FrameMode::Binary), separators) => Source::Frames(Frames::new(data.byte_order, separators)),
                (_, Some(separators)) => Source::Items(Items::new(separators, data.split == Split::Lines)),
                (_, None) => Source::Chunks,
            },
            voice: Voice::new(data.split != Split::Binary, json.then_some(data.json_keys), cache),
        }
    }

    /// Takes what was read; complete messages go to `said`, what was left out or repaired to `complaints`.
    ///
    /// Messages are added to the last batch in `said` when they are for the same recipient.
    ///
    /// # Errors
    /// The stream cannot be understood from here on. What was said before stands.
    pub fn feed(&mut self, bytes: &[u8], said: &mut Vec<Said>, complaints: &mut Vec<Complaint>) -> Result<(), Broken> {
        let mut out = Out { said, complaints };
        match &mut self.source {
            Source::Items(items) => items.feed(bytes, &mut self.voice, &mut out)?,
            Source::Chunks if bytes.is_empty() => {}
            Source::Chunks => self.voice.say(bytes, &mut out),
            Source::Frames(frames) => frames.feed(bytes, &mut self.voice, &mut out)?,
        }
        Ok(())
    }

    /// The stream has ended: what is complete without a separator is said too.
    pub fn finish(&mut self, said: &mut Vec<Said>, complaints: &mut Vec<Complaint>) {
        let mut out = Out { said, complaints };
        match &mut self.source {
            Source::Items(items) => items.finish(&mut self.voice, &mut out),
            Source::Chunks => {}
            Source::Frames(frames) => frames.finish(&mut out),
        }
    }
}
