//! The heartbeat: when to ping, and when the client counts as gone. Time is an argument.

use std::time::{Duration, Instant};

/// Silence for this many heartbeats means that the client is gone.
const MISSED: u32 = 2;

/// Watches one client.
#[derive(Debug)]
pub struct Pulse {
    interval: Option<Duration>,
    last_ping: Instant,
    seen: u64,
    alive: Instant,
}

impl Pulse {
    /// Starts at `now`; without an interval there are no pings, and silence is no reason.
    pub fn new(interval: Option<Duration>, now: Instant) -> Self {
        Self { interval, last_ping: now, seen: 0, alive: now }
    }

    /// Whether a ping is due; if so it counts as sent.
    pub fn ping_is_due(&mut self, now: Instant) -> bool {
        // Ticks come a little early or late: a ping that is nearly due goes out.
        let due = self.interval.is_some_and(|interval| now.duration_since(self.last_ping) >= interval * 9 / 10);
        if due {
            self.last_ping = now;
        }
        due
    }

    /// The client could not be heard (its bytes wait for the backend), or it was heard: counting starts anew.
    pub fn renew(&mut self, now: Instant) {
        self.alive = now;
    }

    /// Called when nothing came for a while; `activity` counts signs of life. The time of silence, when it is too long.
    pub fn silence(&mut self, activity: u64, now: Instant) -> Option<Duration> {
        if activity != self.seen {
            self.seen = activity;
            self.alive = now;
        }
        let silent = now.duration_since(self.alive);
        self.interval.filter(|interval| silent >= *interval * MISSED).map(|_| silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_silent_client_is_pinged_each_interval_and_gone_after_two() {
        let start = Instant::now();
        let mut pulse = Pulse::new(Some(30 * S), start);
        assert!(!pulse.ping_is_due(start + 15 * S));
        assert!(pulse.ping_is_due(start + 30 * S));
        assert!(!pulse.ping_is_due(start + 45 * S));
        assert!(pulse.ping_is_due(start + 60 * S));
        assert_eq!(pulse.silence(0, start + 45 * S), None);
        assert_eq!(pulse.silence(0, start + 60 * S), Some(60 * S));
    }

    #[test]
    fn any_sign_of_life_counts() {
        let start = Instant::now();
        let mut pulse = Pulse::new(Some(30 * S), start);
        assert_eq!(pulse.silence(1, start + 60 * S), None);
        assert_eq!(pulse.silence(1, start + 119 * S), None);
        assert_eq!(pulse.silence(1, start + 120 * S), Some(60 * S));
        pulse.renew(start + 120 * S);
        assert_eq!(pulse.silence(1, start + 179 * S), None);
    }

    #[test]
    fn without_a_heartbeat_nothing_happens() {
        let start = Instant::now();
        let mut pulse = Pulse::new(None, start);
        assert!(!pulse.ping_is_due(start + 9_999 * S));
        assert_eq!(pulse.silence(0, start + 9_999 * S), None);
    }
}
