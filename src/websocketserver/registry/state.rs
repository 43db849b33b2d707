//! Who has which slot, until when: a state machine without clock, threads or I/O.
//!
//! ```text
//! free ─reserve─► reserved ─claim─► launching ─connected─► active ─last claim ends─► grace ─► stopping ─gone─► free
//!                    └─ expired, released ─► free                 └───────────────────────────► stopping
//! ```
//!
//! A slot leaves `stopping` only when its launch is gone, so an index is never in use twice.

mod words;

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

pub(crate) use words::{ClaimId, Effect, LaunchId, Note, Phase, Rules, SlotView};
pub use words::{Options, Refused};

struct Slot<S> {
    service: usize,
    index: u32,
    phase: Phase,
    token: String,
    timestamp: f64,
    options: Options,
    deadline: Option<Instant>,
    launch: Option<LaunchId>,
    started: Option<S>,
    claims: BTreeSet<ClaimId>,
    error: Option<String>,
}

/// All slots of all services.
pub(crate) struct State<S> {
    rules: Rules,
    slots: Vec<Slot<S>>,
    /// Free slots of each service, lowest index first.
    free: Vec<BTreeSet<usize>>,
    /// All slots of each service, by index.
    services: Vec<Vec<usize>>,
    tokens: HashMap<String, usize>,
    launches: HashMap<LaunchId, usize>,
    claims: HashMap<ClaimId, usize>,
    deadlines: BTreeSet<(Instant, usize)>,
    next_launch: LaunchId,
    stopping: bool,
    effects: Vec<Effect<S>>,
}

impl<S: Clone> State<S> {
    /// `counts`: the number of slots of each service.
    pub(crate) fn new(rules: Rules, counts: &[u32]) -> Self {
        let mut state = Self {
            rules,
            slots: Vec::new(),
            free: Vec::new(),
            services: Vec::new(),
            tokens: HashMap::new(),
            launches: HashMap::new(),
            claims: HashMap::new(),
            deadlines: BTreeSet::new(),
            next_launch: 0,
            stopping: false,
            effects: Vec::new(),
        };
        for (service, &count) in counts.iter().enumerate() {
            let ids: Vec<usize> = (0..count).map(|index| state.add_slot(service, index)).collect();
            state.free.push(ids.iter().copied().collect());
            state.services.push(ids);
        }
        state
    }

    fn add_slot(&mut self, service: usize, index: u32) -> usize {
        self.slots.push(Slot {
            service,
            index,
            phase: Phase::Free,
            token: String::new(),
            timestamp: 0.0,
            options: Options::new(),
            deadline: None,
            launch: None,
            started: None,
            claims: BTreeSet::new(),
            error: None,
        });
        self.slots.len() - 1
    }

    /// Takes what has been asked for since the last call, in order.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect<S>> {
        std::mem::take(&mut self.effects)
    }

    /// When `expire` has to be called, if nothing happens before.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// Takes the free slot with the lowest index, under `token`; `timestamp` is for the status.
    pub(crate) fn reserve(
        &mut self,
        now: Instant,
        service: usize,
        token: String,
        options: Options,
        timestamp: f64,
    ) -> Result<u32, Refused> {
        if self.stopping {
            return Err(Refused::Stopping);
        }
        let id = self.free.get_mut(service).and_then(BTreeSet::pop_first).ok_or(Refused::Full)?;
        self.tokens.insert(token.clone(), id);
        let deadline = now + self.rules.timeout;
        self.set_phase(id, Phase::Reserved, Some(deadline));
        let slot = self.slot(id);
        (slot.token, slot.options, slot.timestamp) = (token, options, timestamp);
        Ok(slot.index)
    }

    /// Frees a reservation, whatever has become of it.
    pub(crate) fn release(&mut self, token: &str) -> Result<(), Refused> {
        let id = self.find(token)?;
        if self.slot(id).launch.is_none() {
            self.set_free(id);
        } else {
            self.close_claims(id, 1000, "the reservation was released");
            self.begin_stop(id);
        }
        Ok(())
    }

    /// Whether a token is held by a slot.
    pub(crate) fn find(&self, token: &str) -> Result<usize, Refused> {
        self.tokens.get(token).copied().ok_or(Refused::UnknownToken)
    }

    /// What runs for a token, once it does.
    #[cfg(feature = "ensight")]
    pub(crate) fn started_for(&self, token: &str) -> Result<Option<&S>, Refused> {
        let id = self.find(token)?;
        Ok(self.slots.get(id).and_then(|slot| slot.started.as_ref()))
    }

    /// A websocket came with `token`: for which service and index. `Ready` follows, or `Close`.
    pub(crate) fn claim(&mut self, now: Instant, claim: ClaimId, token: &str) -> Result<(usize, u32), Refused> {
        let id = self.find(token)?;
        self.claims.insert(claim, id);
        self.slot(id).claims.insert(claim);
        match self.slot(id).phase {
            Phase::Reserved => self.begin_launch(now, id),
            Phase::Grace => self.set_phase(id, Phase::Active, None),
            _ => {}
        }
        if let Some(started) = self.slot(id).started.clone() {
            self.effects.push(Effect::Ready { claim, started });
        }
        let slot = self.slot(id);
        Ok((slot.service, slot.index))
    }

    /// The claim's tunnel has begun.
    pub(crate) fn connected(&mut self, claim: ClaimId) {
        if let Some(&id) = self.claims.get(&claim)
            && self.slot(id).phase == Phase::Launching
        {
            self.set_phase(id, Phase::Active, None);
            self.note(id, Note::Connected);
        }
    }

    /// The claim has ended. The last one ends its instance.
    pub(crate) fn unclaim(&mut self, now: Instant, claim: ClaimId) {
        let Some(id) = self.claims.remove(&claim) else {
            return;
        };
        let grace = self.rules.reconnect_grace;
        let slot = self.slot(id);
        slot.claims.remove(&claim);
        if !slot.claims.is_empty() {
            return;
        }
        match slot.phase {
            Phase::Active if !grace.is_zero() => self.set_phase(id, Phase::Grace, Some(now + grace)),
            Phase::Launching | Phase::Active => self.begin_stop(id),
            _ => {}
        }
    }

    /// The launcher has started the instance.
    pub(crate) fn started(&mut self, launch: LaunchId, started: &S) {
        let Some(&id) = self.launches.get(&launch) else {
            return;
        };
        let slot = self.slot(id);
        if slot.phase != Phase::Launching {
            return;
        }
        slot.started = Some(started.clone());
        for claim in slot.claims.clone() {
            self.effects.push(Effect::Ready { claim, started: started.clone() });
        }
    }

    /// The instance ended by itself, or could not be started; `failed` when that is a fault.
    pub(crate) fn exited(&mut self, launch: LaunchId, reason: &str, failed: bool) {
        let Some(&id) = self.launches.get(&launch) else {
            return;
        };
        match self.slot(id).phase {
            Phase::Launching => self.fail(id, reason),
            Phase::Active | Phase::Grace => {
                if failed {
                    self.note_failure(id, reason);
                }
                let code = if failed { 1011 } else { 1000 };
                // The tunnels hear the instance's last words first: its sockets close with it.
                for claim in self.slot(id).claims.clone() {
                    self.effects.push(Effect::Epitaph { claim, code, reason: reason.to_owned() });
                }
                self.begin_stop(id);
            }
            _ => {}
        }
    }

    /// Claims of the instance that a launch has made.
    pub(crate) fn claims_of(&self, launch: LaunchId) -> Vec<ClaimId> {
        let slot = self.launches.get(&launch).and_then(|&id| self.slots.get(id));
        slot.map(|slot| slot.claims.iter().copied().collect()).unwrap_or_default()
    }

    /// Nothing of the launch is left.
    pub(crate) fn gone(&mut self, launch: LaunchId) {
        let Some(&id) = self.launches.get(&launch) else {
            return;
        };
        if self.slot(id).phase != Phase::Stopping {
            self.exited(launch, "it ended without a word", true);
        }
        self.launches.remove(&launch);
        self.set_free(id);
    }

    /// Does what is due at `now`.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some(&(deadline, id)) = self.deadlines.first() {
            if deadline > now {
                return;
            }
            match self.slot(id).phase {
                Phase::Reserved => {
                    self.note(id, Note::Expired);
                    self.set_free(id);
                }
                Phase::Launching => {
                    let seconds = self.rules.launch_timeout.as_secs_f64();
                    self.fail(id, &format!("it did not accept a connection within {seconds} s"));
                }
                Phase::Grace => self.begin_stop(id),
                phase => unreachable!("a slot that is {phase:?} has no deadline"),
            }
        }
    }

    /// Ends everything; no reservation is made any more.
    pub(crate) fn shut_down(&mut self) {
        self.stopping = true;
        for id in 0..self.slots.len() {
            match self.slot(id).phase {
                Phase::Reserved => self.set_free(id),
                Phase::Launching | Phase::Active | Phase::Grace => {
                    self.close_claims(id, 1001, "the server is stopping");
                    self.begin_stop(id);
                }
                Phase::Free | Phase::Stopping => {}
            }
        }
    }

    /// Whether nothing runs any more.
    pub(crate) fn is_idle(&self) -> bool {
        self.launches.is_empty()
    }

    /// The slots of a service, by index.
    pub(crate) fn view(&self, service: usize) -> impl Iterator<Item = SlotView<'_>> {
        let ids = self.services.get(service).map(Vec::as_slice).unwrap_or_default();
        ids.iter().filter_map(|&id| self.slots.get(id)).map(|slot| SlotView {
            phase: slot.phase,
            token: &slot.token,
            timestamp: slot.timestamp,
            options: (slot.phase != Phase::Free).then_some(&slot.options),
            deadline: slot.deadline,
            claims: &slot.claims,
            error: slot.error.as_deref(),
        })
    }

    fn begin_launch(&mut self, now: Instant, id: usize) {
        let launch = self.next_launch;
        self.next_launch += 1;
        self.launches.insert(launch, id);
        self.set_phase(id, Phase::Launching, Some(now + self.rules.launch_timeout));
        let slot = self.slot(id);
        slot.launch = Some(launch);
        slot.error = None;
        let (service, index) = (slot.service, slot.index);
        let (token, options) = (slot.token.clone(), slot.options.clone());
        self.effects.push(Effect::Launch { launch, service, index, token, options });
    }

    /// The token is good no more; the slot is free when the launch is gone.
    fn begin_stop(&mut self, id: usize) {
        self.set_phase(id, Phase::Stopping, None);
        let slot = self.slot(id);
        slot.started = None;
        let (token, launch) = (std::mem::take(&mut slot.token), slot.launch);
        self.tokens.remove(&token);
        if let Some(launch) = launch {
            self.effects.push(Effect::Stop { launch });
        }
    }

    fn fail(&mut self, id: usize, reason: &str) {
        self.note_failure(id, reason);
        self.close_claims(id, 1011, reason);
        self.begin_stop(id);
    }

    fn note_failure(&mut self, id: usize, reason: &str) {
        self.slot(id).error = Some(reason.to_owned());
        self.note(id, Note::Failed(reason.to_owned()));
    }

    fn note(&mut self, id: usize, note: Note) {
        let slot = self.slot(id);
        let (service, index) = (slot.service, slot.index);
        self.effects.push(Effect::Note { service, index, note });
    }

    fn close_claims(&mut self, id: usize, code: u16, reason: &str) {
        for claim in self.slot(id).claims.clone() {
            self.effects.push(Effect::Close { claim, code, reason: reason.to_owned() });
        }
    }

    fn set_free(&mut self, id: usize) {
        self.set_phase(id, Phase::Free, None);
        let slot = self.slot(id);
        let token = std::mem::take(&mut slot.token);
        slot.options.clear();
        slot.timestamp = 0.0;
        slot.launch = None;
        slot.started = None;
        // Claims of the last instance may still be saying goodbye; they belong to nobody now.
        let claims = std::mem::take(&mut slot.claims);
        let service = slot.service;
        self.tokens.remove(&token);
        for claim in claims {
            self.claims.remove(&claim);
        }
        if let Some(free) = self.free.get_mut(service) {
            free.insert(id);
        }
        self.note(id, Note::Free);
    }

    fn set_phase(&mut self, id: usize, phase: Phase, deadline: Option<Instant>) {
        let slot = self.slot(id);
        slot.phase = phase;
        let before = std::mem::replace(&mut slot.deadline, deadline);
        if let Some(before) = before {
            self.deadlines.remove(&(before, id));
        }
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, id));
        }
    }

    /// Ids come from this machine's own tables only.
    #[allow(clippy::indexing_slicing, reason = "slots are never removed, and ids are positions in them")]
    fn slot(&mut self, id: usize) -> &mut Slot<S> {
        &mut self.slots[id]
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
