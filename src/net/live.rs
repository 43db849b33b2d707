//! The connections that are alive: how many there may be, and how they are told to end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Something that can be ended from another thread. Neither call may block.
pub trait Endable: Send + Sync {
    /// Ends in an orderly way: completes what is being sent, says goodbye.
    fn end(&self);
    /// Cuts the connection now.
    fn abort(&self);
}

/// The set of live connections. Clones share it.
#[derive(Clone)]
pub struct Live {
    inner: Arc<Inner>,
}

struct Inner {
    max: usize,
    next_id: AtomicU64,
    state: Mutex<State>,
    left: Condvar,
}

#[derive(Default)]
struct State {
    ending: bool,
    count: usize,
    /// Threads that wait until none is left: waking costs a call also when nobody waits.
    waiting: usize,
    endables: HashMap<u64, Arc<dyn Endable>>,
}

/// The right to be a connection; given back when dropped.
pub struct Permit {
    inner: Arc<Inner>,
    id: u64,
}

impl Live {
    /// A set of at most `max` connections.
    pub fn new(max: usize) -> Self {
        Self {
            inner: Arc::new(Inner { max, next_id: AtomicU64::new(1), state: Mutex::default(), left: Condvar::new() }),
        }
    }

    /// A permit, or `None` when all are taken or the server is ending.
    pub fn enter(&self) -> Option<Permit> {
        let mut state = self.inner.lock();
        if state.ending || state.count >= self.inner.max {
            return None;
        }
        state.count += 1;
        Some(Permit { inner: Arc::clone(&self.inner), id: self.inner.next_id.fetch_add(1, Ordering::Relaxed) })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.inner.lock().count
    }

    /// Ends all connections, and from now on each new one.
    pub fn end_all(&self) {
        self.each(|endable| endable.end());
    }

    /// Cuts those that are left.
    pub fn abort_all(&self) {
        self.each(|endable| endable.abort());
    }

    fn each(&self, act: impl Fn(&dyn Endable)) {
        let endables: Vec<_> = {
            let mut state = self.inner.lock();
            state.ending = true;
            state.endables.values().cloned().collect()
        };
        for endable in &endables {
            act(&**endable);
        }
    }

    /// Waits until no connection is left, at most `time`; true when none is.
    pub fn wait_empty(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        let mut state = self.inner.lock();
        state.waiting += 1;
        while state.count > 0 {
            let Some(rest) = deadline.checked_duration_since(Instant::now()) else {
                break;
            };
            let waited = self.inner.left.wait_timeout(state, rest);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.waiting -= 1;
        state.count == 0
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// A number of its own for the log, counted from 1 over the life of the process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Names what has to be told when the server ends; takes the place of what was named before.
    ///
    /// When the server is ending already it is told at once.
    pub fn watch(&self, endable: &Arc<impl Endable + 'static>) {
        let ending = {
            let mut state = self.inner.lock();
            state.endables.insert(self.id, Arc::clone(endable) as Arc<dyn Endable>);
            state.ending
        };
        if ending {
            endable.end();
        }
    }

    /// Whether the server is ending, so that no further request should be read.
    pub fn is_ending(&self) -> bool {
        self.inner.lock().ending
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // It may hold the last of the socket, whose closing is not to be waited for by all the others.
        let endable = self.inner.lock().endables.remove(&self.id);
        drop(endable);
        let mut state = self.inner.lock();
        state.count -= 1;
        if state.count == 0 && state.waiting > 0 {
            self.inner.left.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Told {
        end: AtomicUsize,
        abort: AtomicUsize,
    }

    impl Endable for Told {
        fn end(&self) {
            self.end.fetch_add(1, Ordering::SeqCst);
        }
        fn abort(&self) {
            self.abort.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn permits_are_limited_and_given_back() {
        let live = Live::new(2);
        let first = live.enter().unwrap();
        let _second = live.enter().unwrap();
        assert!(live.enter().is_none());
        drop(first);
        assert!(live.enter().is_some());
    }

    #[test]
    fn the_end_reaches_those_here_and_those_who_come_later() {
        let live = Live::new(9);
        let here = live.enter().unwrap();
        let late = live.enter().unwrap();
        let told = Arc::new(Told::default());
        here.watch(&told);
        live.end_all();
        late.watch(&told);
        assert_eq!(told.end.load(Ordering::SeqCst), 2);
        live.abort_all();
        assert_eq!(told.abort.load(Ordering::SeqCst), 2);
        assert!(live.enter().is_none());
        assert!(late.is_ending());
        assert!(!live.wait_empty(Duration::ZERO));
        drop((here, late));
        assert!(live.wait_empty(Duration::ZERO));
    }

    #[test]
    fn who_waits_is_woken_by_the_last() {
        let live = Live::new(2);
        let (first, second) = (live.enter().unwrap(), live.enter().unwrap());
        std::thread::scope(|scope| {
            let waited = scope.spawn(|| live.wait_empty(Duration::from_secs(60)));
            while live.inner.lock().waiting == 0 {
                std::thread::yield_now();
            }
            drop(first);
            assert!(!waited.is_finished());
            let began = Instant::now();
            drop(second);
            assert!(waited.join().unwrap() && began.elapsed() < Duration::from_secs(30));
        });
    }
}
