//! A buffer that is small while a connection idles and large while data flows.

/// Bytes while idle: key presses and small updates.
pub const SMALL: usize = 2 * 1024;
/// How many times larger it becomes when a read fills it.
const GROWTH: usize = 8;
/// Bytes while data flows; measured best for throughput and CPU on loopback.
pub const LARGE: usize = 256 * 1024;
/// Reads in a row that would have fitted into a small buffer, after which the large one is given back.
const PATIENCE: u32 = 256;

/// Grows when a read fills it, shrinks when reads stay small.
pub struct Buffer {
    bytes: Vec<u8>,
    reserve: usize,
    small_reads: u32,
}

impl Buffer {
    /// A small buffer with `reserve` bytes in front of what is read.
    pub fn new(reserve: usize) -> Self {
        Self { bytes: vec![0; SMALL + reserve], reserve, small_reads: 0 }
    }

    /// All bytes, the reserve included.
    pub fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Where to read to.
    pub fn space(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.reserve..).unwrap_or_default()
    }

    /// Fits the size to what the last read brought, for the next one.
    pub fn adapt(&mut self, count: usize) {
        let space = self.bytes.len() - self.reserve;
        if count == space && space < LARGE {
            // A new vector: growing would copy bytes that nobody needs.
            self.bytes = vec![0; (space * GROWTH).min(LARGE) + self.reserve];
            self.small_reads = 0;
        } else if count > SMALL {
            self.small_reads = 0;
        } else {
            self.small_reads += 1;
            if self.small_reads >= PATIENCE {
                self.shrink();
            }
        }
    }

    /// Grows until there is space for `count` bytes. What was in it is lost.
    pub fn make_room(&mut self, count: usize) {
        let mut space = self.bytes.len() - self.reserve;
        if space < count {
            while space < count {
                space *= GROWTH;
            }
            self.bytes = vec![0; space + self.reserve];
        }
    }

    /// Whether it has grown.
    pub fn is_large(&self) -> bool {
        self.bytes.len() > SMALL + self.reserve
    }

    /// Gives the large buffer back.
    pub fn shrink(&mut self) {
        self.small_reads = 0;
        if self.is_large() {
            self.bytes = vec![0; SMALL + self.reserve];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_a_full_read_and_shrinks_after_many_small_ones() {
        let mut buffer = Buffer::new(10);
        assert_eq!(buffer.space().len(), SMALL);
        buffer.adapt(SMALL - 1);
        assert_eq!(buffer.space().len(), SMALL);
        for size in [SMALL * GROWTH, SMALL * GROWTH * GROWTH, LARGE, LARGE] {
            let full = buffer.space().len();
            buffer.adapt(full);
            assert_eq!(buffer.space().len(), size);
        }
        assert_eq!(buffer.bytes().len(), LARGE + 10);
        for _ in 0..PATIENCE - 1 {
            buffer.adapt(1);
        }
        assert_eq!(buffer.space().len(), LARGE);
        buffer.adapt(1);
        assert_eq!(buffer.space().len(), SMALL);
    }
}
