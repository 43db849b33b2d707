//! Once per way, before anything is timed: every byte arrives, in order, in both directions, whatever the pieces.
use std::io::{self, Write};
use std::net::Shutdown;
use std::thread;

use super::backend;
use super::client::Client;
use super::joined;
use super::lab::{Lab, Variant};
use super::settings::MIB;

/// Enough to run around every buffer several times.
const TOTAL: usize = 4 * MIB;
/// Sizes of frames and writes: both sides of each change in the header, and more than any buffer.
const SIZES: [usize; 10] = [1, 64, 125, 126, 127, 4096, 65_535, 65_536, 65_537, 300_000];

/// Sends random bytes up, then down, and compares checksums; then the backend ends the connection.
pub(crate) fn both_ways(lab: &Lab, variant: &Variant) -> io::Result<()> {
    let mut client = bytes(lab, variant)?;
    // The backend has ended the connection, so the proxy may be gone before it hears that the client agrees.
    let _ = client.finish();
    client.expect_end()
}

/// The part of it that everybody agrees about: bytes. How a connection ends differs from proxy to proxy.
pub(crate) fn bytes(lab: &Lab, variant: &Variant) -> io::Result<Client> {
    let bytes = random_bytes();
    let expected = checksum(&bytes);
    let (mut client, stream) = lab.pair(variant)?;

    let mut arrived = Checksum::default();
    thread::scope(|scope| {
        let receiver = thread::Builder::new().spawn_scoped(scope, || {
            backend::receive(&stream, TOTAL, &mut vec![0; 64 << 10], |piece| {
                arrived.write(piece);
            })
        })?;
        for piece in pieces(&bytes) {
            let frame = client.wrapped(piece, piece.len())?;
            client.send(&frame)?;
        }
        joined(receiver)
    })?;
    compare("up", expected, arrived.0)?;

    let mut arrived = Checksum::default();
    thread::scope(|scope| {
        let sender = thread::Builder::new().spawn_scoped(scope, || {
            pieces(&bytes).try_for_each(|piece| (&stream).write_all(piece))?;
            stream.shutdown(Shutdown::Write)
        })?;
        client.receive_all(TOTAL, &mut vec![0; 64 << 10], |piece| arrived.write(piece))?;
        joined(sender)
    })?;
    compare("down", expected, arrived.0)?;
    Ok(client)
}

fn compare(direction: &str, expected: u64, arrived: u64) -> io::Result<()> {
    if expected == arrived {
        return Ok(());
    }
    Err(io::Error::other(format!("{direction}: checksum {arrived:x} instead of {expected:x}")))
}

/// The bytes, cut into all sizes in turn.
fn pieces(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut sizes = SIZES.iter().cycle();
    std::iter::from_fn(move || {
        let size = (*sizes.next()?).min(bytes.len());
        let (piece, rest) = bytes.split_at(size);
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// A sequence without a period (xorshift), so that no lost, doubled or swapped piece looks right.
fn random_bytes() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(TOTAL);
    while bytes.len() < TOTAL {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut checksum = Checksum::default();
    checksum.write(bytes);
    checksum.0
}

/// FNV-1a: depends on the order of bytes, and not on the pieces they come in.
struct Checksum(u64);

impl Default for Checksum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Checksum {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
