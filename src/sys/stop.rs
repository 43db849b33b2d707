//! A latch that is closed once, and by which every thread learns that the server stops.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

/// Asks the server to stop; any clone may. The first reason counts.
#[derive(Clone)]
pub struct Stop {
    inner: Arc<Inner>,
}

struct Inner {
    /// Nothing is ever sent: dropping the sender wakes every receiver at once.
    open: Mutex<Option<Sender<()>>>,
    reason: Mutex<Option<String>>,
    closed: Receiver<()>,
}

impl Default for Stop {
    fn default() -> Self {
        let (open, closed) = bounded(0);
        Self { inner: Arc::new(Inner { open: Mutex::new(Some(open)), reason: Mutex::new(None), closed }) }
    }
}

impl Stop {
    /// Stops the server for `reason`, which the log shows.
    pub fn request(&self, reason: &str) {
        let mut open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.is_some() {
            *self.inner.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
            *open = None;
        }
    }

    /// Whether a stop was asked for.
    pub fn is_requested(&self) -> bool {
        self.inner.open.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Waits until a stop is asked for, and tells why.
    pub fn wait(&self) -> String {
        let _ = self.inner.closed.recv();
        self.inner.reason.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
    }

    /// Waits at most `time`; true when a stop was asked for.
    pub fn wait_timeout(&self, time: Duration) -> bool {
        // The channel is only ever disconnected, so anything but a timeout is the stop.
        !matches!(self.inner.closed.recv_timeout(time), Err(crossbeam_channel::RecvTimeoutError::Timeout))
    }

    /// A receiver that becomes ready (disconnected) at the stop, for `select!`.
    pub fn receiver(&self) -> &Receiver<()> {
        &self.inner.closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_counts_and_wakes_all() {
        let stop = Stop::default();
        assert!(!stop.is_requested());
        assert!(!stop.wait_timeout(Duration::ZERO));
        stop.request("first");
        stop.request("second");
        assert!(stop.is_requested());
        assert!(stop.wait_timeout(Duration::ZERO));
        assert_eq!(stop.clone().wait(), "first");
    }
}
