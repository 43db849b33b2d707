//! Reading and writing a socket, with all that can get in the way: signals, timeouts, partial writes.

use std::io::{self, IoSlice, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::{Progress, Watch};

/// A timeout of zero means "for ever" to the kernel, which is never what a passed deadline means.
pub(super) fn at_least_one_tick(time: Duration) -> Duration {
    time.max(Duration::from_millis(1))
}

/// Whether a read or write ended because its timeout passed.
pub fn timed_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// What of `wanted` is the case with the socket, once some of it is, or when `time` has passed.
pub(super) fn look(socket: &TcpStream, wanted: PollFlags, time: Option<Duration>) -> io::Result<PollFlags> {
    let mut fds = [PollFd::new(socket, wanted)];
    let time = time.and_then(|time| Timespec::try_from(time).ok());
    retry(|| poll(&mut fds, time.as_ref()).map_err(io::Error::from))?;
    Ok(fds.iter().fold(PollFlags::empty(), |found, fd| found | fd.revents()))
}

/// Receives what there is without waiting; 0 is the end.
///
/// # Errors
/// `WouldBlock` when there is nothing; anything else is the end of the connection.
pub fn receive_now(socket: &TcpStream, space: &mut [u8]) -> io::Result<usize> {
    retry(|| recv(socket, &mut *space, RecvFlags::DONTWAIT).map(|(count, _)| count).map_err(io::Error::from))
}

/// Sends what the kernel takes without waiting, and answers how much that was.
///
/// # Errors
/// The connection is lost.
pub fn send_now(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(sent) => return Ok(sent),
            Err(Errno::AGAIN) => return Ok(0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Repeats a call that a signal interrupted.
pub fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Writes all parts to a blocking socket, in one call where the socket takes it.
///
/// # Errors
/// The connection is lost, or `watch` gave up.
pub fn send_all(mut socket: &TcpStream, parts: &mut [IoSlice<'_>], watch: Watch<'_>) -> io::Result<()> {
    let mut rest = parts;
    // Drops leading empty slices, so that nothing to write means no call.
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        let wrote = match rest {
            [only] => socket.write(only),
            [first, second] if second.is_empty() => socket.write(first),
            _ => socket.write_vectored(rest),
        };
        match wrote {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                watch(Progress::Wrote(count))?;
                IoSlice::advance_slices(&mut rest, count);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if timed_out(&error) => watch(Progress::Stalled)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(target_os = "linux")]
pub(super) fn send_file_plain(
    socket: &TcpStream,
    file: &std::fs::File,
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

#[cfg(not(target_os = "linux"))]
pub(super) fn send_file_plain(
    socket: &TcpStream,
    file: &std::fs::File,
    offset: u64,
    length: u64,
    watch: Watch<'_>,
) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let mut buffer = vec![0; TLS_CHUNK];
    let mut at = offset;
    let end = offset + length;
    while at < end {
        let step = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
        let part = buffer.get_mut(..step).unwrap_or_default();
        let count = file.read_at(part, at)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        send_all(socket, &mut [IoSlice::new(part.get(..count).unwrap_or_default())], watch)?;
        at += count as u64;
    }
    Ok(())
}
