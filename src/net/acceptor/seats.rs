//! Who accepts on a port: a few, never nobody.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Threads that may accept at the same time. Each blocked in accept holds the number of a descriptor (Linux): those of two
/// ports must fit into what `sys::limits` reserves.
pub(super) const SEATS: usize = 4;

/// The places of those who accept.
#[derive(Default)]
pub(super) struct Seats {
    state: Mutex<State>,
    empty: Condvar,
}

#[derive(Default)]
struct State {
    taken: usize,
    closed: bool,
}

/// One of those who accept; given back when dropped.
pub(super) struct Seat {
    seats: Arc<Seats>,
    left: bool,
}

impl Seats {
    /// A seat, or `None` when all are taken or no more is to be accepted.
    pub(super) fn take(self: &Arc<Self>) -> Option<Seat> {
        let mut state = self.lock();
        if state.closed || state.taken >= SEATS {
            return None;
        }
        state.taken += 1;
        Some(Seat { seats: Arc::clone(self), left: false })
    }

    /// Gives no more seats, and waits until all are left.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        while state.taken > 0 {
            state = self.empty.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn leave(&self, state: &mut State) {
        state.taken -= 1;
        // Waking costs a call also when nobody waits.
        if state.closed {
            self.empty.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Leaves, unless nobody would be left who accepts: then the answer is the seat, for a successor.
    pub(super) fn leave(mut self) -> Option<Self> {
        let seats = Arc::clone(&self.seats);
        let mut state = seats.lock();
        if state.taken == 1 && !state.closed {
            return Some(self);
        }
        self.left = true;
        seats.leave(&mut state);
        None
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.left {
            self.seats.leave(&mut self.seats.lock());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_leaves_only_for_a_successor() {
        let seats = Arc::new(Seats::default());
        let first = seats.take().unwrap();
        let second = seats.take().unwrap();
        assert!(second.leave().is_none());
        let successor = first.leave().expect("the last one keeps its seat");
        // As when no thread can be made for it.
        drop(successor);
        assert_eq!(seats.lock().taken, 0);
        assert!(seats.take().is_some());
    }

    #[test]
    fn there_are_few_seats_and_none_after_the_end() {
        let seats = Arc::new(Seats::default());
        let mut all: Vec<_> = (0..SEATS).map(|_| seats.take().unwrap()).collect();
        assert!(seats.take().is_none());
        all.pop();
        all.push(seats.take().unwrap());
        std::thread::scope(|scope| {
            scope.spawn(|| seats.close());
            for seat in all {
                drop(seat.leave());
            }
        });
        assert!(seats.take().is_none());
    }
}
