//! A long stream that repeats one random block: made once, and compared at the speed of memory.

use std::io::{self, Write};
use std::sync::Arc;

/// A place in the endless repetition of a block. Two that start at the same place agree for ever.
#[derive(Debug, Clone)]
pub struct Cycle {
    block: Arc<[u8]>,
    at: usize,
    passed: u64,
}

impl Cycle {
    /// Starts at the first byte of `block`, which must not be empty.
    pub fn new(block: Arc<[u8]>) -> Self {
        Self { block, at: 0, passed: 0 }
    }

    /// Starts elsewhere in the block.
    pub fn starting_at(self, at: usize) -> Self {
        Self { at: at % self.block.len(), ..self }
    }

    /// How many bytes have been compared or written.
    pub fn passed(&self) -> u64 {
        self.passed
    }

    /// Compares the next bytes.
    ///
    /// # Panics
    /// When one of them differs; the message says where.
    #[track_caller]
    pub fn expect(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let wanted = self.piece(bytes.len());
            let count = wanted.len();
            if bytes[..count] != *wanted {
                let wrong = bytes.iter().zip(wanted).take_while(|(got, want)| got == want).count() as u64;
                panic!("byte {} of the stream is wrong", self.passed + wrong);
            }
            self.pass(count);
            bytes = &bytes[count..];
        }
    }

    /// Writes the next `count` bytes.
    ///
    /// # Errors
    /// What the receiver says.
    pub fn write(&mut self, to: &mut impl Write, count: u64) -> io::Result<()> {
        let end = self.passed + count;
        while self.passed < end {
            let most = usize::try_from(end - self.passed).unwrap_or(usize::MAX).min(256 * 1024);
            let wrote = to.write(self.piece(most))?;
            self.pass(wrote);
        }
        Ok(())
    }

    fn piece(&self, most: usize) -> &[u8] {
        &self.block[self.at..self.block.len().min(self.at + most)]
    }

    fn pass(&mut self, count: usize) {
        self.at = (self.at + count) % self.block.len();
        self.passed += count as u64;
    }
}
