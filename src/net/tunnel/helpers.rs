//! How many tunnels may have a second thread at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The second threads that may be had. Clones share them.
#[derive(Debug, Clone)]
pub struct Helpers {
    free: Arc<AtomicUsize>,
}

/// The right to one second thread; given back when dropped.
pub(super) struct Permit {
    free: Arc<AtomicUsize>,
}

impl Helpers {
    /// At most `most` at once.
    pub fn new(most: usize) -> Self {
        Self { free: Arc::new(AtomicUsize::new(most)) }
    }

    /// A permit, or `None` when all are taken.
    pub(super) fn enter(&self) -> Option<Permit> {
        let taken = self.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| free.checked_sub(1));
        taken.ok().map(|_| Permit { free: Arc::clone(&self.free) })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.free.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_are_limited_and_given_back() {
        let helpers = Helpers::new(1);
        let first = helpers.clone().enter();
        assert!(first.is_some());
        assert!(helpers.enter().is_none());
        drop(first);
        assert!(helpers.enter().is_some());
    }
}
