//! Sending a file where the kernel cannot do it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::net::transport::{Transport, Watch};

/// Bytes of a file that pass through memory at a time when the kernel cannot send it (TLS).
const STEP: usize = 128 * 1024;

/// Sends part of a file through a buffer.
///
/// # Errors
/// As for [`Transport::send_file`].
pub fn copy_through(transport: &Transport, file: &File, offset: u64, length: u64, watch: Watch<'_>) -> io::Result<()> {
    let mut buffer = vec![0; usize::try_from(length).unwrap_or(STEP).min(STEP)];
    let (mut at, end) = (offset, offset + length);
    while at < end {
        let want = usize::try_from(end - at).unwrap_or(STEP).min(buffer.len());
        let part = buffer.get_mut(..want).unwrap_or_default();
        let count = file.read_at(part, at)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        transport.write_all([part.get(..count).unwrap_or_default(), &[]], false, watch)?;
        at += count as u64;
    }
    Ok(())
}
