//! A file's bytes into a plain socket.

use std::fs::File;
use std::io;
use std::net::TcpStream;

#[cfg(target_os = "linux")]
use super::Progress;
use super::Watch;
#[cfg(not(target_os = "linux"))]
use super::send_all;

/// Lets the kernel copy the bytes.
#[cfg(target_os = "linux")]
pub(super) fn send_plain(
    socket: &TcpStream,
    file: &File,
    offset: u64,
    length: u64,
    watch: Watch<'_>,
) -> io::Result<()> {
    /// The kernel's own limit for one call is 2 GiB; smaller steps let `watch` see progress.
    const STEP: u64 = 1 << 20;
    let mut at = offset;
    let end = offset + length;
    while at < end {
        let step = usize::try_from((end - at).min(STEP)).unwrap_or(usize::MAX);
        match rustix::fs::sendfile(socket, file, Some(&mut at), step) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => watch(Progress::Wrote(count))?,
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => watch(Progress::Stalled)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Copies them through a buffer.
#[cfg(not(target_os = "linux"))]
pub(super) fn send_plain(
    socket: &TcpStream,
    file: &File,
    offset: u64,
    length: u64,
    watch: Watch<'_>,
) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let mut buffer = vec![0; 64 * 1024];
    let mut at = offset;
    let end = offset + length;
    while at < end {
        let step = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
        let part = buffer.get_mut(..step).unwrap_or_default();
        let count = file.read_at(part, at)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        send_all(socket, [part.get(..count).unwrap_or_default(), &[]], watch)?;
        at += count as u64;
    }
    Ok(())
}
