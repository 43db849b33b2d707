//! Random events, and after each of them what must hold.

use std::collections::HashSet;

use proptest::prelude::*;

use std::time::Duration;

use super::*;

const SLOTS: usize = 4;

/// What a test does with one launch, token or claim, chosen by a number.
#[derive(Debug, Clone)]
enum Event {
    Reserve,
    Release(usize),
    Claim(usize),
    Connected(usize),
    Unclaim(usize),
    Started(usize),
    Exited(usize, bool),
    Gone(usize),
    Wait(u64),
    ShutDown,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Reserve),
        1 => (0usize..9).prop_map(Event::Release),
        5 => (0usize..9).prop_map(Event::Claim),
        3 => (0usize..9).prop_map(Event::Connected),
        4 => (0usize..9).prop_map(Event::Unclaim),
        4 => (0usize..9).prop_map(Event::Started),
        1 => ((0usize..9), any::<bool>()).prop_map(|(at, failed)| Event::Exited(at, failed)),
        4 => (0usize..9).prop_map(Event::Gone),
        2 => (0u64..200).prop_map(Event::Wait),
        1 => Just(Event::ShutDown),
    ]
}

/// What the world outside the machine knows.
struct World {
    state: State<u8>,
    now: Instant,
    tokens: Vec<String>,
    claims: Vec<ClaimId>,
    next_claim: ClaimId,
    running: Vec<LaunchId>,
    launched: HashSet<LaunchId>,
    stopped: HashSet<LaunchId>,
}

impl World {
    fn new(grace: u64) -> Self {
        let rules = Rules {
            timeout: Duration::from_secs(100),
            reconnect_grace: Duration::from_secs(grace),
            launch_timeout: Duration::from_secs(60),
        };
        Self {
            state: State::new(rules, &[3, 1]),
            now: Instant::now(),
            tokens: Vec::new(),
            claims: Vec::new(),
            next_claim: 0,
            running: Vec::new(),
            launched: HashSet::new(),
            stopped: HashSet::new(),
        }
    }

    fn pick<T: Clone>(list: &[T], at: usize) -> Option<T> {
        (!list.is_empty()).then(|| list[at % list.len()].clone())
    }

    fn act(&mut self, event: &Event) {
        match *event {
            Event::Reserve => {
                let token = format!("t{}", self.tokens.len());
                let service = self.tokens.len() % 2;
                if self.state.reserve(self.now, service, token.clone(), Options::new(), 1.0).is_ok() {
                    self.tokens.push(token);
                }
            }
            Event::Release(at) => {
                if let Some(token) = Self::pick(&self.tokens, at) {
                    let known = self.state.find(&token).is_ok();
                    assert_eq!(self.state.release(&token).is_ok(), known);
                    assert!(self.state.find(&token).is_err());
                }
            }
            Event::Claim(at) => {
                if let Some(token) = Self::pick(&self.tokens, at) {
                    self.next_claim += 1;
                    if self.state.claim(self.now, self.next_claim, &token).is_ok() {
                        self.claims.push(self.next_claim);
                    }
                }
            }
            Event::Connected(at) => {
                if let Some(claim) = Self::pick(&self.claims, at) {
                    self.state.connected(claim);
                }
            }
            Event::Unclaim(at) => {
                if let Some(claim) = Self::pick(&self.claims, at) {
                    self.claims.retain(|other| *other != claim);
                    self.state.unclaim(self.now, claim);
                }
            }
            Event::Started(at) => {
                if let Some(launch) = Self::pick(&self.running, at) {
                    self.state.started(launch, &7);
                }
            }
            Event::Exited(at, failed) => {
                if let Some(launch) = Self::pick(&self.running, at) {
                    self.state.exited(launch, "died", failed);
                }
            }
            Event::Gone(at) => {
                if let Some(launch) = Self::pick(&self.running, at) {
                    self.running.retain(|other| *other != launch);
                    self.state.gone(launch);
                }
            }
            Event::Wait(seconds) => {
                self.now += Duration::from_secs(seconds);
                self.state.expire(self.now);
            }
            Event::ShutDown => self.state.shut_down(),
        }
    }

    fn check(&mut self) {
        for effect in self.state.take_effects() {
            match effect {
                Effect::Launch { launch, .. } => {
                    assert!(self.launched.insert(launch), "launch {launch} was asked for twice");
                    self.running.push(launch);
                }
                Effect::Stop { launch } => assert!(self.stopped.insert(launch), "launch {launch} was stopped twice"),
                _ => {}
            }
        }
        let state = &self.state;
        let free: usize = state.free.iter().map(BTreeSet::len).sum();
        let busy = state.slots.iter().filter(|slot| slot.phase != Phase::Free).count();
        assert_eq!(free + busy, SLOTS, "a slot was lost or made");
        for slot in &state.slots {
            let held = state.tokens.contains_key(&slot.token);
            let has_token = !matches!(slot.phase, Phase::Free | Phase::Stopping);
            assert_eq!(held, has_token, "{:?} with token {:?}", slot.phase, slot.token);
            let runs = slot.launch.is_some_and(|launch| self.running.contains(&launch));
            assert_eq!(runs, !matches!(slot.phase, Phase::Free | Phase::Reserved), "{:?}", slot.phase);
            let timed = matches!(slot.phase, Phase::Reserved | Phase::Launching | Phase::Grace);
            assert_eq!(slot.deadline.is_some(), timed, "{:?}", slot.phase);
            assert!(slot.phase != Phase::Active || !slot.claims.is_empty(), "active without a claim");
        }
        let held = state.slots.iter().filter(|slot| !slot.token.is_empty()).count();
        assert_eq!(state.tokens.len(), held, "a token leads to no slot");
        assert_eq!(state.deadlines.len(), state.slots.iter().filter(|slot| slot.deadline.is_some()).count());
        assert!(state.next_deadline().is_none_or(|deadline| deadline > self.now), "a deadline was passed over");
    }

    /// Ends everything that runs; each launch must have been stopped exactly once by then.
    fn finish(&mut self) {
        self.state.shut_down();
        self.check();
        for launch in std::mem::take(&mut self.running) {
            self.state.gone(launch);
        }
        self.check();
        assert_eq!(self.launched, self.stopped);
        assert!(self.state.is_idle());
        assert!(self.state.slots.iter().all(|slot| slot.phase == Phase::Free));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn what_must_hold_holds_after_any_events(
        events in proptest::collection::vec(event(), 0..120),
        grace in prop_oneof![Just(0u64), Just(20)],
    ) {
        let mut world = World::new(grace);
        for event in &events {
            // Time is looked at after every event, as the registry's thread does.
            world.act(event);
            world.state.expire(world.now);
            world.check();
        }
        world.finish();
    }
}
