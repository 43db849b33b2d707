//! A bounded queue in front of something that may not take everything at once.
//!
//! What can go at once goes at once, on the thread that brings it. The rest waits, and is seen to by a thread that
//! exists only while there is something to wait for: whoever keeps up costs no thread and no switch to one.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::sys::thread;

/// Bytes that are offered at once; more are copied by nobody and go by the thread that may wait.
const AT_ONCE: usize = 64 * 1024;
/// Bytes of small parcels that are put together for one write.
const TOGETHER: usize = 64 * 1024;
/// How long the thread waits for more before it ends: longer than a pause between two bursts.
const LINGER: Duration = Duration::from_millis(500);

/// Bytes on their way. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Parcel {
    bytes: Arc<Vec<u8>>,
    from: usize,
    /// A part of it is out already, so the rest has to follow.
    begun: bool,
}

impl Parcel {
    /// `bytes` without the first `from`.
    pub(super) fn new(bytes: Vec<u8>, from: usize) -> Self {
        Self { bytes: Arc::new(bytes), from, begun: false }
    }

    /// Nothing, but what the outlet keeps has to follow.
    fn kept() -> Self {
        Self { begun: true, ..Self::new(Vec::new(), 0) }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(self.from..).unwrap_or_default()
    }

    /// How many bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes().len()
    }

    fn without(mut self, count: usize) -> Self {
        self.from += count;
        self.begun |= count > 0;
        self
    }
}

/// How much was taken without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// Everything.
    All,
    /// Everything, but some of it is kept inside: a [`Outlet::write`] of nothing waits until that is out.
    Kept,
    /// So many bytes; 0 is a refusal.
    Part(usize),
}

/// Where the bytes go.
pub(super) trait Outlet: Send + Sync + 'static {
    /// Takes what goes without waiting.
    fn offer(&self, bytes: &[u8]) -> io::Result<Offer>;
    /// Takes everything, waiting.
    fn write(&self, bytes: &[u8]) -> io::Result<()>;
    /// Called once, after the last byte or when nothing more can be taken. Must not wait.
    fn finish(&self);
    /// Told how many bytes wait, whenever that has become less.
    fn drained(&self, waiting: usize);
}

/// What became of a parcel.
#[derive(Debug)]
pub(super) enum Pushed {
    /// It is out, or waits for its turn.
    Taken,
    /// Too much waits already; here it is again.
    Full(Parcel),
    /// Nothing is taken any more.
    Ended,
}

/// The queue and its outlet.
pub(super) struct Backlog<O> {
    name: String,
    limit: usize,
    state: Mutex<State<O>>,
    /// For the writing thread: there is something to do.
    filled: Condvar,
    /// For those who bring: there is room, or an end.
    freed: Condvar,
}

struct State<O> {
    /// `None` until [`Backlog::open`]: everything waits.
    outlet: Option<Arc<O>>,
    queue: VecDeque<Parcel>,
    /// Bytes in the queue. What is being written has left it, so that one parcel of any size can pass.
    waiting: usize,
    writer: Writer,
    phase: Phase,
}

/// The thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// There is none.
    Absent,
    /// It waits for something to do.
    Idle,
    /// It has taken something out of the queue.
    Writing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Open,
    /// Nothing more is taken; the outlet is finished behind the queue.
    Ending,
    /// It was.
    Over,
}

impl<O: Outlet> Backlog<O> {
    /// A queue that takes parcels while fewer than `limit` bytes wait. `name` is its thread's.
    pub(super) fn new(name: String, limit: usize, outlet: Option<O>) -> Arc<Self> {
        let state = State {
            outlet: outlet.map(Arc::new),
            queue: VecDeque::new(),
            waiting: 0,
            writer: Writer::Absent,
            phase: Phase::Open,
        };
        Arc::new(Self { name, limit, state: Mutex::new(state), filled: Condvar::new(), freed: Condvar::new() })
    }

    /// Gives a queue that began without one its outlet.
    pub(super) fn open(self: &Arc<Self>, outlet: O) {
        let mut state = self.lock();
        let outlet = Arc::new(outlet);
        if state.phase == Phase::Over {
            outlet.finish();
            return;
        }
        state.outlet = Some(Arc::clone(&outlet));
        // What goes at once needs no thread here either.
        while let Some(first) = state.queue.pop_front() {
            state.waiting -= first.len();
            let offer = if first.len() <= AT_ONCE { outlet.offer(first.bytes()) } else { Ok(Offer::Part(0)) };
            let rest = match offer {
                Ok(Offer::All) => continue,
                Ok(Offer::Part(count)) => first.without(count),
                Ok(Offer::Kept) => Parcel::kept(),
                Err(_) => return self.break_off(state),
            };
            state.waiting += rest.len();
            state.queue.push_front(rest);
            break;
        }
        self.freed.notify_all();
        self.go_on(state);
    }

    /// Takes a parcel, unless too much waits.
    pub(super) fn push(self: &Arc<Self>, parcel: Parcel) -> Pushed {
        self.push_below(self.limit, parcel)
    }

    /// Takes a parcel while fewer than `limit` bytes wait.
    pub(super) fn push_below(self: &Arc<Self>, limit: usize, parcel: Parcel) -> Pushed {
        let mut state = self.lock();
        if state.phase > Phase::Open {
            return Pushed::Ended;
        }
        let mut rest = parcel;
        if state.queue.is_empty()
            && state.writer != Writer::Writing
            && rest.len() <= AT_ONCE
            && let Some(outlet) = &state.outlet
        {
            match outlet.offer(rest.bytes()) {
                Ok(Offer::All) => return Pushed::Taken,
                Ok(Offer::Part(count)) => rest = rest.without(count),
                Ok(Offer::Kept) => rest = Parcel::kept(),
                Err(_) => {
                    self.break_off(state);
                    return Pushed::Ended;
                }
            }
        } else if state.waiting >= limit {
            return Pushed::Full(rest);
        }
        state.waiting += rest.len();
        state.queue.push_back(rest);
        self.go_on(state);
        Pushed::Taken
    }

    /// Takes nothing more, and finishes the outlet when everything is out. At once if nothing waits.
    pub(super) fn end(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Ending;
            self.freed.notify_all();
            self.go_on(state);
        }
    }

    /// Forgets what waits, but for what is being written, and ends.
    pub(super) fn end_early(self: &Arc<Self>) {
        {
            let mut state = self.lock();
            let begun = state.queue.front().filter(|parcel| parcel.begun).cloned();
            state.queue.clear();
            state.waiting = begun.as_ref().map_or(0, Parcel::len);
            state.queue.extend(begun);
        }
        self.end();
    }

    /// Forgets everything; the outlet is finished.
    pub(super) fn abort(&self) {
        self.break_off(self.lock());
    }

    /// Whether the outlet was finished.
    pub(super) fn is_over(&self) -> bool {
        self.lock().phase == Phase::Over
    }

    /// Bytes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting
    }

    /// Waits until the outlet was finished, at most `time`; true when it was.
    pub(super) fn wait_until_over(&self, time: Duration) -> bool {
        let state = self.freed.wait_timeout_while(self.lock(), time, |state| state.phase < Phase::Over);
        state.unwrap_or_else(PoisonError::into_inner).0.phase == Phase::Over
    }

    /// Waits until something of what waits was taken, or nothing will be any more; at most `time`. False when that has
    /// passed.
    pub(super) fn wait_for_room(self: &Arc<Self>, time: Duration) -> bool {
        let state = self.lock();
        if state.waiting < self.limit || state.phase > Phase::Open {
            return true;
        }
        let (state, wait) = self.freed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner);
        self.go_on(state);
        !wait.timed_out()
    }

    /// Sees that somebody sees to what waits. A thread that could not be made is tried again here.
    pub(super) fn attend(self: &Arc<Self>) {
        self.go_on(self.lock());
    }

    fn go_on(self: &Arc<Self>, mut state: MutexGuard<'_, State<O>>) {
        let nothing_left = state.queue.is_empty() && state.writer == Writer::Absent;
        let outlet = state.outlet.clone().filter(|_| state.phase < Phase::Over);
        match outlet {
            None if state.phase == Phase::Ending => self.break_off(state),
            None => {}
            Some(_) if state.writer != Writer::Absent => self.filled.notify_one(),
            Some(_) if nothing_left && state.phase == Phase::Ending => self.break_off(state),
            Some(_) if nothing_left => {}
            Some(outlet) => {
                state.writer = Writer::Idle;
                drop(state);
                let this = Arc::clone(self);
                if let Err(error) = thread::spawn(&self.name, move || this.run(&outlet)) {
                    log::warn!("{}: no thread can be made: {error}", self.name);
                    self.lock().writer = Writer::Absent;
                }
            }
        }
    }

    /// The thread: writes until nothing has waited for a while.
    fn run(&self, outlet: &O) {
        let _guard = OnPanic(self);
        while let Some(parcel) = self.next() {
            let result = outlet.write(parcel.bytes());
            drop(parcel);
            let mut state = self.lock();
            state.writer = Writer::Idle;
            if result.is_err() {
                state.writer = Writer::Absent;
                self.break_off(state);
                return;
            }
            let waiting = state.waiting;
            drop(state);
            self.freed.notify_all();
            outlet.drained(waiting);
        }
    }

    /// What is to be written next; `None` when the thread is not needed any more.
    fn next(&self) -> Option<Parcel> {
        let mut state = self.lock();
        loop {
            if state.phase == Phase::Over {
                state.writer = Writer::Absent;
                return None;
            }
            if let Some(parcel) = take_together(&mut state) {
                state.writer = Writer::Writing;
                return Some(parcel);
            }
            if state.phase == Phase::Ending {
                state.writer = Writer::Absent;
                self.break_off(state);
                return None;
            }
            let (woken, wait) = self.filled.wait_timeout(state, LINGER).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if wait.timed_out() && state.queue.is_empty() && state.phase == Phase::Open {
                state.writer = Writer::Absent;
                return None;
            }
        }
    }

    /// The end: what still waits is forgotten, and the outlet is finished.
    fn break_off(&self, mut state: MutexGuard<'_, State<O>>) {
        state.queue.clear();
        state.waiting = 0;
        let was = mem::replace(&mut state.phase, Phase::Over);
        let finish = state.outlet.clone().filter(|_| was < Phase::Over);
        drop(state);
        if let Some(outlet) = finish {
            outlet.finish();
            outlet.drained(0);
        }
        self.filled.notify_all();
        self.freed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<O>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first parcel, with those behind it as long as they are small.
fn take_together<O>(state: &mut State<O>) -> Option<Parcel> {
    let first = state.queue.pop_front()?;
    let mut total = first.len();
    let fits = |total: usize, next: Option<&Parcel>| next.is_some_and(|next| total + next.len() <= TOGETHER);
    let taken = if fits(total, state.queue.front()) {
        let mut all = first.bytes().to_vec();
        while fits(total, state.queue.front())
            && let Some(next) = state.queue.pop_front()
        {
            total += next.len();
            all.extend_from_slice(next.bytes());
        }
        Parcel::new(all, 0)
    } else {
        first
    };
    state.waiting -= total;
    Some(taken)
}

/// A thread that failed must not leave others waiting for it.
struct OnPanic<'a, O: Outlet>(&'a Backlog<O>);

impl<O: Outlet> Drop for OnPanic<'_, O> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.break_off(self.0.lock());
        }
    }
}

#[cfg(test)]
mod tests;
