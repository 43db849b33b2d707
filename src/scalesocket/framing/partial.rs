//! A message that has come in part.

use crate::net::websocket::codec::{SERVER_HEADER, header_before};
use tungstenite::protocol::frame::coding::OpCode;

/// Most bytes of a message that are cheaper to copy into a batch than to give a batch of their own. The memory for so
/// many is kept from message to message.
const SMALL: usize = 4 * 1024;

/// Bytes of a message, collected behind room for a frame's header, so that they can become the frame where they are.
#[derive(Debug, Default)]
pub(super) struct Partial {
    /// Empty, or the room for the header and something behind it.
    bytes: Vec<u8>,
}

impl Partial {
    /// What has come.
    pub(super) fn payload(&self) -> &[u8] {
        self.bytes.get(SERVER_HEADER..).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.payload().is_empty()
    }

    pub(super) fn is_small(&self) -> bool {
        self.payload().len() <= SMALL
    }

    /// Takes more in.
    pub(super) fn extend(&mut self, more: &[u8]) {
        if more.is_empty() {
            return;
        }
        if self.bytes.is_empty() {
            self.bytes.reserve(SERVER_HEADER + more.len());
            self.bytes.resize(SERVER_HEADER, 0);
        }
        self.bytes.extend_from_slice(more);
    }

    /// Drops the last byte if it is `byte`.
    pub(super) fn strip(&mut self, byte: u8) {
        if self.payload().last() == Some(&byte) {
            self.bytes.pop();
        }
    }

    /// Forgets what has come.
    pub(super) fn clear(&mut self) {
        if self.is_small() {
            self.bytes.clear();
        } else {
            // The memory of a long message is not kept for short ones.
            self.bytes = Vec::new();
        }
    }

    /// What has come, as a frame: its bytes and where it begins in them.
    pub(super) fn take_frame(&mut self, opcode: OpCode) -> (Vec<u8>, usize) {
        let mut frame = std::mem::take(&mut self.bytes);
        if frame.len() < SERVER_HEADER {
            frame.resize(SERVER_HEADER, 0);
        }
        let length = frame.len() - SERVER_HEADER;
        let header = frame.first_chunk_mut().map_or(0, |space| header_before(space, opcode, length));
        frame.shrink_to_fit();
        (frame, SERVER_HEADER - header)
    }

    /// Memory that is held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.bytes.capacity()
    }
}
