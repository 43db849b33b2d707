//! How a connection to a client ends, from here and from there.

use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::Transport;
use super::wire::look;

impl Transport {
    /// Tells the peer that nothing more comes: TLS `close_notify`, then FIN. Does not wait.
    pub fn finish(&self) {
        if let (Some(session), Ok(mut outbox)) = (&self.tls, self.outbox.try_lock()) {
            session.close(&mut outbox.carry);
            let _ = self.drain_carry(&mut outbox);
        }
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// Tells the peer that nothing more comes, then reads and drops what it still sends, until it closes too or `time`
    /// has passed. Closing with unread bytes would reset the connection and could take our last words with it.
    pub fn farewell(&self, time: Duration) {
        self.finish();
        let deadline = Instant::now() + time;
        // Not on the stack: whole pages of it would be touched, and stay, in a thread that may only idle.
        let mut bytes = vec![0; 8_192];
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() || self.set_read_timeout(Some(rest)).is_err() || !matches!(self.read(&mut bytes), Ok(1..))
            {
                return;
            }
        }
    }

    /// Cuts the connection; wakes both threads.
    pub fn abort(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Whether the peer has closed or reset its side, although there may be bytes left to read.
    pub fn peer_has_hung_up(&self) -> bool {
        has_hung_up(&self.socket)
    }
}

/// Whether the other side of `socket` has ended or is gone, be there unread bytes or not.
pub(in crate::net) fn has_hung_up(socket: &TcpStream) -> bool {
    #[cfg(target_os = "linux")]
    let end = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    #[cfg(not(target_os = "linux"))]
    let end = PollFlags::HUP | PollFlags::ERR;
    look(socket, end, Some(Duration::ZERO)).is_ok_and(|found| found.intersects(end))
}
