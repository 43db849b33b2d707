//! Reproducible bytes, and a digest to compare what was sent with what arrived without keeping either.

use std::io::{self, Read};

/// An endless stream of bytes that a seed decides (xorshift64*). The bytes do not depend on how it is read:
/// reading 3 and then 5 gives the same as reading 8.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
    left_over: [u8; 8],
    left: usize,
}

impl Random {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        // A state of zero would stay zero.
        Self { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1, left_over: [0; 8], left: 0 }
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `limit`, which must not be zero.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next_u64() % limit as u64).expect("below a usize")
    }

    /// The next bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while at < bytes.len() {
            if self.left == 0 {
                self.left_over = self.next_u64().to_le_bytes();
                self.left = 8;
            }
            let count = self.left.min(bytes.len() - at);
            let from = 8 - self.left;
            bytes[at..at + count].copy_from_slice(&self.left_over[from..from + count]);
            self.left -= count;
            at += count;
        }
    }

    /// The next `count` bytes as a vector.
    pub fn vec(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.fill(&mut bytes);
        bytes
    }
}

impl Read for Random {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.fill(buffer);
        Ok(buffer.len())
    }
}

/// Length and FNV-1a hash of a stream of bytes, however it was cut into pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    /// How many bytes.
    pub count: u64,
    hash: u64,
}

impl Default for Digest {
    fn default() -> Self {
        Self { count: 0, hash: 0xCBF2_9CE4_8422_2325 }
    }
}

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut digest = Self::default();
        digest.add(bytes);
        digest
    }

    /// The digest of the first `count` bytes of `Random::new(seed)`.
    pub fn of_random(seed: u64, count: u64) -> Self {
        let mut digest = Self::default();
        let mut random = Random::new(seed).take(count);
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(got @ 1..) = random.read(&mut buffer) {
            digest.add(&buffer[..got]);
        }
        digest
    }

    /// Goes on with more bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.count += bytes.len() as u64;
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
}
