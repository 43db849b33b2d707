//! Ciphertext on its way from the socket to TLS, which decrypts it in place.

use std::ops::Range;

use crate::net::buffer::Buffer;

/// What has come from the socket and is not used up.
#[derive(Default)]
pub(super) struct Incoming {
    /// Lent to the reading thread while that waits; there is none while nothing comes.
    buffer: Option<Buffer>,
    /// Where in it the bytes are.
    rest: Range<usize>,
    /// How many of them TLS has looked at: the beginning of a record, the rest of which is to come.
    seen: usize,
    /// A copy of those, for a writer to show to TLS while the buffer is lent.
    tail: Vec<u8>,
}

impl Incoming {
    /// All that is not used up, as far as it is here.
    pub(super) fn rest(&mut self) -> &mut [u8] {
        let rest = self.rest.clone();
        let Some(buffer) = &mut self.buffer else {
            return &mut self.tail;
        };
        buffer.space().get_mut(rest).unwrap_or_default()
    }

    /// What TLS has looked at before: it finds nothing new in there.
    pub(super) fn seen(&mut self) -> &mut [u8] {
        let seen = self.seen;
        self.rest().get_mut(..seen).unwrap_or_default()
    }

    /// TLS has used up the first `count` bytes.
    pub(super) fn discard(&mut self, count: usize) {
        self.rest.start += count;
        self.seen = self.seen.saturating_sub(count);
    }

    /// TLS needs more than there is. An idle connection holds no buffer.
    pub(super) fn mark_seen(&mut self) {
        self.seen = self.rest.len();
        if self.rest.is_empty() && self.buffer.as_ref().is_some_and(|buffer| !buffer.is_large()) {
            self.rest = 0..0;
            self.buffer = None;
        }
    }

    /// Lends the buffer to whoever reads from the socket, and says how many bytes at its front are to be kept. `None` when
    /// there are bytes that TLS has not looked at.
    pub(super) fn lend(&mut self) -> Option<(Buffer, usize)> {
        if self.seen < self.rest.len() {
            return None;
        }
        self.tail = self.rest().to_vec();
        let mut buffer = self.buffer.take().unwrap_or_else(|| Buffer::new(0));
        buffer.adapt(self.rest.end);
        self.put_back_tail(&mut buffer);
        Some((buffer, self.tail.len()))
    }

    /// Takes back what was lent, with `count` new bytes behind the kept ones.
    pub(super) fn give_back(&mut self, mut buffer: Buffer, count: usize, idle: bool) {
        if idle {
            buffer.shrink();
            self.put_back_tail(&mut buffer);
        }
        self.buffer = Some(buffer);
        self.seen = self.tail.len();
        self.rest = 0..self.seen + count;
        self.tail = Vec::new();
    }

    /// Gives back what a burst has left allocated, unless there is something in it.
    pub(super) fn shrink(&mut self) {
        if self.rest.is_empty()
            && let Some(buffer) = &mut self.buffer
        {
            self.rest = 0..0;
            buffer.shrink();
        }
    }

    fn put_back_tail(&self, buffer: &mut Buffer) {
        buffer.make_room(self.tail.len() + 1);
        if let Some(front) = buffer.space().get_mut(..self.tail.len()) {
            front.copy_from_slice(&self.tail);
        }
    }
}
