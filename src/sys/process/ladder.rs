//! The way down: ask, then SIGTERM, then SIGKILL, each with its time.

use std::time::{Duration, Instant};

use rustix::process::Signal;

/// First pause between two looks at what is left of a tree; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// How often the leader itself is looked at where no handle tells of its end.
const LEADER_PAUSE: Duration = Duration::from_millis(25);
/// How often it is said that something survives SIGKILL (it hangs in the kernel, or belongs to another user).
const COMPLAIN_EVERY: Duration = Duration::from_secs(30);

/// What is done on a rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// The caller has asked the leader to end in its own way (a word, the end of its input): wait for the leader.
    Ask,
    /// SIGTERM to the tree: wait until nothing of it is left.
    Terminate,
    /// SIGKILL to the tree, again and again until nothing of it is left.
    Kill,
}

/// One rung: what is done, and how long that may take to help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rung {
    /// What is done.
    pub act: Act,
    /// When the next rung's turn is; without meaning on the last.
    pub patience: Duration,
}

/// The rungs from top to bottom; the last should kill.
pub type Ladder = Vec<Rung>;

/// `patience` after SIGTERM, then SIGKILL.
pub fn terminate(patience: Duration) -> Ladder {
    vec![Rung { act: Act::Terminate, patience }, Rung { act: Act::Kill, patience: Duration::ZERO }]
}

/// `asked` for the leader to end in its own way, then as [`terminate`].
pub fn ask(asked: Duration, patience: Duration) -> Ladder {
    let mut ladder = vec![Rung { act: Act::Ask, patience: asked }];
    ladder.extend(terminate(patience));
    ladder
}

/// A tree on its way down. Nothing here waits: who owns it calls [`super::Child::descend`] when time has passed.
#[derive(Debug)]
pub struct Descent {
    rungs: std::vec::IntoIter<Rung>,
    on: Option<(Rung, Instant)>,
    pause: Duration,
    complained: Option<Instant>,
}

/// What is to be done next about a tree on its way down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Look again after this time, or when the leader ends.
    LookAfter(Duration),
    /// Nothing of the tree is left, and all of it is reaped.
    Gone,
}

/// What goes down.
pub(super) trait Body {
    fn leader_is_gone(&mut self) -> bool;
    /// How many processes of the tree run.
    fn count(&mut self, now: Instant) -> usize;
    fn signal(&mut self, signal: Signal, now: Instant);
    fn name(&self) -> String;
}

impl Descent {
    /// At the top of `ladder`.
    pub fn new(ladder: Ladder) -> Self {
        Self { rungs: ladder.into_iter(), on: None, pause: FIRST_PAUSE, complained: None }
    }

    /// Does what is due at `now`.
    pub(super) fn advance(&mut self, now: Instant, body: &mut impl Body) -> Next {
        let leader_is_gone = body.leader_is_gone();
        if leader_is_gone && body.count(now) == 0 {
            return Next::Gone;
        }
        let rung = self.rung(now, leader_is_gone, body);
        let rest = match rung {
            Some((Rung { act: Act::Kill, .. }, since)) => {
                self.complain(now, since, body);
                LONGEST_PAUSE
            }
            Some((rung, since)) => rung.patience.saturating_sub(now.duration_since(since)),
            None => LONGEST_PAUSE,
        };
        let pause = if leader_is_gone || rung.is_none_or(|(rung, _)| rung.act == Act::Kill) {
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            self.pause / 2
        } else {
            LEADER_PAUSE
        };
        Next::LookAfter(rest.min(pause).max(Duration::from_millis(1)))
    }

    /// The rung to be on at `now`, after having done what reaching it asks for.
    fn rung(&mut self, now: Instant, leader_is_gone: bool, body: &mut impl Body) -> Option<(Rung, Instant)> {
        loop {
            if let Some((rung, since)) = self.on {
                let done = rung.act == Act::Ask && leader_is_gone;
                if rung.act == Act::Kill {
                    // What was forked while it was being killed.
                    body.signal(Signal::KILL, now);
                    return self.on;
                }
                if !done && now.duration_since(since) < rung.patience {
                    return self.on;
                }
            }
            let next = self.rungs.next()?;
            self.on = Some((next, now));
            self.pause = FIRST_PAUSE;
            match next.act {
                Act::Ask => {}
                Act::Terminate => body.signal(Signal::TERM, now),
                Act::Kill => {
                    body.signal(Signal::KILL, now);
                    return self.on;
                }
            }
        }
    }

    fn complain(&mut self, now: Instant, since: Instant, body: &impl Body) {
        if now.duration_since(self.complained.unwrap_or(since)) >= COMPLAIN_EVERY {
            self.complained = Some(now);
            log::warn!("{}: processes are still there {} s after SIGKILL", body.name(), (now - since).as_secs());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree that ends at a certain word.
    struct Fake {
        leader: bool,
        others: usize,
        leader_heeds: Signal,
        others_heed: Signal,
        heard: Vec<(u64, Signal)>,
        began: Instant,
    }

    impl Fake {
        fn new(others: usize, leader_heeds: Signal, others_heed: Signal) -> Self {
            Self { leader: true, others, leader_heeds, others_heed, heard: Vec::new(), began: Instant::now() }
        }
    }

    impl Body for Fake {
        fn leader_is_gone(&mut self) -> bool {
            !self.leader
        }
        fn count(&mut self, _now: Instant) -> usize {
            self.others
        }
        fn signal(&mut self, signal: Signal, now: Instant) {
            self.heard.push(((now - self.began).as_secs(), signal));
            self.leader &= signal != self.leader_heeds && signal != Signal::KILL;
            if signal == self.others_heed || signal == Signal::KILL {
                self.others = 0;
            }
        }
        fn name(&self) -> String {
            "fake".to_owned()
        }
    }

    /// Walks down with a clock of its own; the answer is the second in which the tree was gone.
    fn descend(body: &mut Fake, ladder: Ladder, leader_ends_at: Option<Duration>) -> u64 {
        let (mut descent, mut now) = (Descent::new(ladder), body.began);
        loop {
            if leader_ends_at.is_some_and(|at| now - body.began >= at) {
                body.leader = false;
            }
            match descent.advance(now, body) {
                Next::Gone => return (now - body.began).as_secs(),
                Next::LookAfter(pause) => {
                    assert!(pause > Duration::ZERO && pause <= LONGEST_PAUSE);
                    now += pause;
                }
            }
            assert!(now - body.began < Duration::from_secs(60), "{:?}", body.heard);
        }
    }

    const FIVE: Duration = Duration::from_secs(5);

    #[test]
    fn a_tree_that_heeds_sigterm_gets_nothing_else() {
        let mut body = Fake::new(2, Signal::TERM, Signal::TERM);
        assert_eq!(descend(&mut body, terminate(FIVE), None), 0);
        assert_eq!(body.heard, [(0, Signal::TERM)]);
    }

    #[test]
    fn a_tree_that_ignores_sigterm_is_killed_after_the_grace() {
        for (leader, others) in [(Signal::KILL, Signal::TERM), (Signal::TERM, Signal::KILL)] {
            let mut body = Fake::new(1, leader, others);
            assert_eq!(descend(&mut body, terminate(FIVE), None), 5);
            assert_eq!(body.heard, [(0, Signal::TERM), (5, Signal::KILL)]);
        }
    }

    #[test]
    fn who_ends_when_asked_hears_no_signal_but_leftovers_do() {
        let mut body = Fake::new(0, Signal::TERM, Signal::TERM);
        assert_eq!(descend(&mut body, ask(FIVE, FIVE), Some(Duration::from_secs(2))), 2);
        assert_eq!(body.heard, []);
        let mut body = Fake::new(1, Signal::TERM, Signal::TERM);
        assert_eq!(descend(&mut body, ask(FIVE, FIVE), Some(Duration::from_secs(2))), 2);
        assert_eq!(body.heard, [(2, Signal::TERM)]);
    }

    #[test]
    fn who_hangs_when_asked_goes_all_the_way_down() {
        let mut body = Fake::new(1, Signal::KILL, Signal::KILL);
        assert_eq!(descend(&mut body, ask(FIVE, Duration::from_secs(2)), None), 7);
        assert_eq!(body.heard, [(5, Signal::TERM), (7, Signal::KILL)]);
    }
}
