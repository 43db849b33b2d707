//! How long a room that waits for its members lets one of them do nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::super::config::SlowPolicy;
use super::super::member::Member;
use super::Room;

/// For a member that takes nothing at all while the room waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whoever is waited for: when they were last seen to take something, and how often they had then.
#[derive(Debug, Default)]
pub(super) struct Patience {
    seen: HashMap<u32, (Instant, u64)>,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Nobody is waited for.
    pub(super) fn forget(&mut self) {
        if !self.seen.is_empty() {
            self.seen = HashMap::new();
        }
    }

    /// The members of `room` that have taken nothing for too long. Where the room is told to wait, nobody is.
    pub(super) fn tried_by(&mut self, room: &Room) -> Vec<Arc<Member>> {
        if room.setup.config.slow != SlowPolicy::Close {
            return Vec::new();
        }
        let busy = room.busy_members();
        busy.into_iter()
            .filter(|member| self.is_over(member.id, member.line.activity.load(Ordering::Relaxed), Instant::now()))
            .collect()
    }

    fn is_over(&mut self, member: u32, activity: u64, now: Instant) -> bool {
        let (since, seen) = self.seen.entry(member).or_insert((now, activity));
        if *seen != activity {
            (*since, *seen) = (now, activity);
        }
        now.duration_since(*since) >= PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_takes_nothing_for_long_is_too_slow() {
        let mut patience = Patience::new();
        let start = Instant::now();
        assert!(!patience.is_over(1, 5, start));
        assert!(!patience.is_over(1, 5, start + PATIENCE.mul_f64(0.999)));
        assert!(patience.is_over(1, 5, start + PATIENCE));
        assert!(!patience.is_over(1, 6, start + PATIENCE), "it took something");
        assert!(!patience.is_over(1, 6, start + PATIENCE.mul_f64(1.999)));
        patience.forget();
        assert!(!patience.is_over(1, 6, start + PATIENCE * 9), "the room had not waited");
    }
}
