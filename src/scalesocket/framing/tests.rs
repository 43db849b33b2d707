use std::io::Cursor;

use serde_json::json;
use tungstenite::protocol::{Message, Role};
use tungstenite::{Error, WebSocket};

use super::*;
use crate::scalesocket::config::{ByteOrder, JsonKeys};

mod any_bytes;
mod frames;
mod items;
mod routing;
mod tagging;

/// What members are sent, one message at a time.
#[derive(Debug, Clone, PartialEq)]
enum Heard {
    Message(Recipient, Message, bool),
    Metadata(Value),
}

/// A text for everybody, not kept.
fn text(text: &str) -> Heard {
    Heard::Message(Recipient::All, Message::text(text), false)
}

fn text_to(id: u32, text: &str) -> Heard {
    Heard::Message(Recipient::One(id), Message::text(text), false)
}

fn bytes(bytes: &[u8]) -> Heard {
    Heard::Message(Recipient::All, Message::binary(bytes.to_vec()), false)
}

fn lines() -> DataConfig {
    DataConfig {
        split: Split::Lines,
        client_frame: None,
        server_frame: None,
        byte_order: ByteOrder::Little,
        json_keys: JsonKeys::Id,
    }
}

fn split(split: Split) -> DataConfig {
    DataConfig { split, ..lines() }
}

fn framed(split: Split, mode: FrameMode) -> DataConfig {
    DataConfig { split, server_frame: Some(mode), client_frame: Some(mode), ..lines() }
}

fn all(size: usize) -> CacheConfig {
    CacheConfig { size, tagged: false, persist: false }
}

/// What came of a stream.
#[derive(Debug, Default)]
struct Heap {
    heard: Vec<Heard>,
    complaints: Vec<String>,
    broken: Option<String>,
    batches: usize,
}

/// The messages of a batch, as a websocket client that nobody here wrote reads them.
fn read(batch: &Batch) -> Vec<Heard> {
    let wire = batch.frames.get(batch.start..).unwrap().to_vec();
    let mut socket = WebSocket::from_raw_socket(Reader(Cursor::new(wire)), Role::Client, None);
    let mut messages = Vec::new();
    loop {
        match socket.read() {
            Ok(message) => messages.push(Heard::Message(batch.to, message, batch.keep)),
            Err(Error::Io(_) | Error::Protocol(_)) => break,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(messages.len(), batch.messages);
    assert_eq!(socket.get_ref().0.position(), socket.get_ref().0.get_ref().len() as u64);
    messages
}

/// Reads, and forgets what is written.
struct Reader(Cursor<Vec<u8>>);

impl std::io::Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(into)
    }
}

impl std::io::Write for Reader {
    fn write(&mut self, from: &[u8]) -> std::io::Result<usize> {
        Ok(from.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Feeds some pieces, and the end.
fn hear<P: AsRef<[u8]>>(data: &DataConfig, cache: Option<CacheConfig>, pieces: &[P]) -> Heap {
    let mut unframer = Unframer::new(data, cache);
    let (mut said, mut complaints) = (Vec::new(), Vec::new());
    let mut heap = Heap::default();
    for piece in pieces {
        if let Err(Broken(why)) = unframer.feed(piece.as_ref(), &mut said, &mut complaints) {
            heap.broken = Some(why);
            break;
        }
    }
    if heap.broken.is_none() {
        unframer.finish(&mut said, &mut complaints);
    }
    heap.batches = said.len();
    for said in said {
        match said {
            Said::Batch(batch) => heap.heard.extend(read(&batch)),
            Said::Metadata(value) => heap.heard.push(Heard::Metadata(value)),
        }
    }
    heap.complaints = complaints.into_iter().map(|Complaint(text)| text).collect();
    heap
}

/// Bytes in one piece are heard as these messages, without a complaint.
#[track_caller]
fn check(data: &DataConfig, spoken: impl AsRef<[u8]>, expected: &[Heard]) {
    let heap = hear(data, None, &[spoken.as_ref()]);
    assert_eq!(heap.heard, expected);
    assert_eq!((heap.complaints, heap.broken), (Vec::new(), None));
}
