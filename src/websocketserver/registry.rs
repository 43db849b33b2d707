//! The registry: one thread that owns every slot, token and deadline, and what others ask of it.
//!
//! It never does I/O and waits for nobody: launches run on threads of their own and report back, and every answer goes
//! into a channel with room for it.

mod claim;
pub(crate) mod state;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::launch::{self, Context, Report, Running, Started};
use super::metrics::Metrics;
use super::services::{ServiceSpec, Services};
use crate::sys::thread;
use claim::Cell;
pub(crate) use claim::{Claim, Order};
use state::{ClaimId, Effect, LaunchId, Note, State};
pub use state::{Options, Refused};
pub(crate) use state::{Phase, Rules};

/// Messages that may wait. Senders wait for room, the registry never waits for them.
const INBOX: usize = 1_024;

/// Messages that are taken between two looks at deadlines and reports.
const BATCH: usize = 256;
/// Deadlines are looked at this often at least, whatever the clock does.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What a reservation is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// What claims and releases it.
    pub token: String,
    /// The slot.
    pub index: u32,
}

/// One slot at one moment.
#[derive(Debug, Clone)]
pub(crate) struct InstanceStatus {
    pub(crate) index: usize,
    pub(crate) phase: Phase,
    pub(crate) token: String,
    /// Seconds since 1970 at the reservation; 0 while free.
    pub(crate) timestamp: f64,
    pub(crate) options: Options,
    /// Until the reservation or launch expires.
    pub(crate) expires_in: Option<Duration>,
    pub(crate) connections: usize,
    /// Payload bytes of its tunnels at work, to the service and from it.
    pub(crate) bytes: (u64, u64),
    pub(crate) error: Option<String>,
}

enum Message {
    Reserve {
        service: usize,
        token: String,
        options: Options,
        reply: Sender<Result<Reservation, Refused>>,
    },
    Release {
        token: String,
        reply: Sender<Result<(), Refused>>,
    },
    Claim {
        token: String,
        cell: Arc<Cell>,
        reply: Sender<Result<(ClaimId, String), Refused>>,
    },
    #[cfg(feature = "ensight")]
    Started {
        token: String,
        reply: Sender<Result<Option<Started>, Refused>>,
    },
    Connected(ClaimId),
    Unclaim(ClaimId),
    Status {
        reply: Sender<Vec<Vec<InstanceStatus>>>,
    },
    ShutDown {
        done: Sender<()>,
    },
    Report(LaunchId, Report),
}

/// Reports for which the inbox had no room. A launch that fails at once reports on the registry's own thread, which must
/// not wait for itself. There are few: a launch makes three at most, and a slot has one launch at a time.
type Overflow = Arc<Mutex<Vec<(LaunchId, Report)>>>;

/// Asks the registry. Clones ask the same one.
#[derive(Clone)]
pub struct Handle {
    inbox: Sender<Message>,
}

/// Starts the registry's thread for `services`.
///
/// # Errors
/// No thread can be made.
pub(super) fn start(
    services: &Services,
    rules: Rules,
    context: Option<Arc<Context>>,
    metrics: Arc<Metrics>,
) -> io::Result<Handle> {
    let services: Arc<Vec<_>> = Arc::new(services.iter().cloned().collect());
    let counts: Vec<u32> = services.iter().map(|service| service.count).collect();
    let (sender, inbox) = bounded(INBOX);
    let actor = Actor {
        state: State::new(rules, &counts),
        services,
        context,
        metrics,
        began: HashMap::new(),
        cells: HashMap::new(),
        running: HashMap::new(),
        reports: sender.clone(),
        overflow: Overflow::default(),
        next_claim: 0,
        ending: None,
    };
    thread::spawn("registry", move || actor.run(&inbox))?;
    Ok(Handle { inbox: sender })
}

impl Handle {
    /// Reserves an instance of a service.
    ///
    /// # Errors
    /// No slot is free, or the server is stopping.
    pub fn reserve(&self, service: usize, options: Options) -> Result<Reservation, Refused> {
        let token = uuid::Uuid::new_v4().to_string();
        self.ask(|reply| Message::Reserve { service, token, options, reply }).unwrap_or(Err(Refused::Stopping))
    }

    /// Frees a reservation, whatever has become of it.
    ///
    /// # Errors
    /// The token is not known, or not any more.
    pub fn release(&self, token: &str) -> Result<(), Refused> {
        self.ask(|reply| Message::Release { token: token.to_owned(), reply }).unwrap_or(Err(Refused::Stopping))
    }

    /// Claims the instance of a reservation for one websocket.
    pub(crate) fn claim(&self, token: &str) -> Result<Claim, Refused> {
        let (cell, orders) = Cell::new();
        let message = |reply| Message::Claim { token: token.to_owned(), cell: Arc::clone(&cell), reply };
        let id = self.ask(message).unwrap_or(Err(Refused::Stopping))?;
        Ok(Claim::new(id, self.inbox.clone(), cell, orders))
    }

    /// The instance of a reservation; `None` while nothing has been started for it.
    ///
    /// # Errors
    /// The token is not known, or not any more.
    #[cfg(feature = "ensight")]
    pub(crate) fn started(&self, token: &str) -> Result<Option<Started>, Refused> {
        self.ask(|reply| Message::Started { token: token.to_owned(), reply }).unwrap_or(Err(Refused::Stopping))
    }

    /// The slots of each service.
    pub(crate) fn status(&self) -> Vec<Vec<InstanceStatus>> {
        self.ask(|reply| Message::Status { reply }).unwrap_or_default()
    }

    /// Begins to end everything; the answer is told, or dropped, when nothing runs any more.
    pub(crate) fn shut_down(&self) -> Receiver<()> {
        let (done, wait) = bounded(1);
        let _ = self.inbox.send(Message::ShutDown { done });
        wait
    }

    /// `None` when the registry has ended.
    fn ask<T>(&self, message: impl FnOnce(Sender<T>) -> Message) -> Option<T> {
        let (reply, answer) = bounded(1);
        self.inbox.send(message(reply)).ok()?;
        answer.recv().ok()
    }
}

struct Actor {
    state: State<Started>,
    services: Arc<Vec<Arc<ServiceSpec>>>,
    /// Missing only where there are no services.
    context: Option<Arc<Context>>,
    metrics: Arc<Metrics>,
    /// When launches under way began.
    began: HashMap<(usize, u32), Instant>,
    cells: HashMap<ClaimId, Arc<Cell>>,
    running: HashMap<LaunchId, Running>,
    reports: Sender<Message>,
    overflow: Overflow,
    next_claim: ClaimId,
    ending: Option<Sender<()>>,
}

impl Actor {
    fn run(mut self, inbox: &Receiver<Message>) {
        loop {
            let wait = self.state.next_deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let message = inbox.recv_timeout(wait.map_or(LONGEST_WAIT, |wait| wait.min(LONGEST_WAIT))).ok();
            // On a busy channel a deadline is never reported, so the clock is looked at after every wait.
            let now = Instant::now();
            self.state.expire(now);
            // Many ask at once when there is much to do: they share the look at clock, deadlines and effects.
            message.into_iter().chain(inbox.try_iter().take(BATCH)).for_each(|message| self.handle(now, message));
            let late = std::mem::take(&mut *self.overflow.lock().unwrap_or_else(PoisonError::into_inner));
            for (launch, report) in late {
                self.report(launch, report);
            }
            self.apply_effects();
            if self.state.is_idle()
                && let Some(done) = self.ending.take()
            {
                let _ = done.send(());
                return;
            }
        }
    }

    fn handle(&mut self, now: Instant, message: Message) {
        match message {
            Message::Reserve { service, token, options, reply } => {
                let result = self.state.reserve(now, service, token.clone(), options, seconds_since_1970());
                let _ = reply.send(result.map(|index| Reservation { token, index }));
            }
            Message::Release { token, reply } => drop(reply.send(self.state.release(&token))),
            Message::Claim { token, cell, reply } => {
                self.next_claim += 1;
                let claim = self.next_claim;
                let result = self.state.claim(now, claim, &token);
                if result.is_ok() {
                    self.cells.insert(claim, cell);
                }
                let _ = reply.send(result.map(|(service, index)| (claim, format!("{} #{index}", self.name(service)))));
            }
            #[cfg(feature = "ensight")]
            Message::Started { token, reply } => {
                let _ = reply.send(self.state.started_for(&token).map(Option::<&Started>::cloned));
            }
            Message::Connected(claim) => self.state.connected(claim),
            Message::Unclaim(claim) => {
                self.cells.remove(&claim);
                self.state.unclaim(now, claim);
            }
            Message::Status { reply } => drop(reply.send(self.status(now))),
            Message::Report(launch, report) => self.report(launch, report),
            Message::ShutDown { done } => {
                self.ending = Some(done);
                self.state.shut_down();
            }
        }
    }

    fn report(&mut self, launch: LaunchId, report: Report) {
        match report {
            Report::Started(started) => self.state.started(launch, &started),
            Report::Exited { reason, failed } => self.state.exited(launch, &reason, failed),
            Report::Gone => {
                self.running.remove(&launch);
                // An epitaph of the same batch has to be known before its tunnels are let go.
                self.apply_effects();
                for cell in self.state.claims_of(launch).iter().filter_map(|claim| self.cells.get(claim)) {
                    cell.abandon();
                }
                self.state.gone(launch);
            }
        }
    }

    fn apply_effects(&mut self) {
        for effect in self.state.take_effects() {
            self.apply(effect);
        }
    }

    fn apply(&mut self, effect: Effect<Started>) {
        match effect {
            Effect::Launch { launch, service, index, token, options } => {
                let (Some(spec), Some(context)) = (self.services.get(service), &self.context) else {
                    return;
                };
                log::info!("{} #{index}: launching", spec.name);
                self.metrics.launch(&spec.name, "started");
                self.began.insert((service, index), Instant::now());
                let order = launch::Order { launch, spec: Arc::clone(spec), index, token, options };
                let (reports, overflow) = (self.reports.clone(), Arc::clone(&self.overflow));
                let report = move |report| tell(&reports, &overflow, launch, report);
                self.running.insert(launch, launch::start(order, context, report));
            }
            Effect::Stop { launch } => {
                if let Some(running) = self.running.get(&launch) {
                    running.stop();
                }
            }
            Effect::Ready { claim, started } => self.order(claim, Order::Ready(started)),
            Effect::Close { claim, code, reason } => self.order(claim, Order::Close { code, reason }),
            Effect::Epitaph { claim, code, reason } => self.order(claim, Order::Epitaph { code, reason }),
            Effect::Note { service, index, note } => self.note(service, index, &note),
        }
    }

    fn order(&self, claim: ClaimId, order: Order) {
        if let Some(cell) = self.cells.get(&claim) {
            cell.order(order);
        }
    }

    fn name(&self, service: usize) -> &str {
        self.services.get(service).map_or("?", |service| service.name.as_str())
    }

    fn note(&mut self, service: usize, index: u32, note: &Note) {
        let name = self.name(service).to_owned();
        match note {
            Note::Expired => {
                self.metrics.reservation(&name, "expired");
                log::info!("{name} #{index}: the reservation was not used in time and is reclaimed");
            }
            Note::Connected => {
                self.metrics.launch(&name, "connected");
                if let Some(began) = self.began.get(&(service, index)) {
                    self.metrics.launch_time(&name, began.elapsed());
                    log::info!("{name} #{index}: connected after {:.3} s", began.elapsed().as_secs_f64());
                }
            }
            Note::Failed(reason) => {
                self.metrics.launch(&name, "failed");
                log::warn!("{name} #{index}: failed: {reason}");
            }
            Note::Free => {
                self.began.remove(&(service, index));
                log::debug!("{name} #{index}: free");
            }
        }
    }

    fn status(&self, now: Instant) -> Vec<Vec<InstanceStatus>> {
        (0..self.services.len()).map(|service| self.service_status(service, now)).collect()
    }

    fn service_status(&self, service: usize, now: Instant) -> Vec<InstanceStatus> {
        let slots = self.state.view(service).enumerate();
        slots
            .map(|(index, slot)| {
                let cells = slot.claims.iter().filter_map(|claim| self.cells.get(claim));
                let bytes =
                    cells.map(|cell| cell.bytes()).fold((0, 0), |sum, bytes| (sum.0 + bytes.0, sum.1 + bytes.1));
                InstanceStatus {
                    index,
                    phase: slot.phase,
                    token: slot.token.to_owned(),
                    timestamp: slot.timestamp,
                    options: slot.options.cloned().unwrap_or_default(),
                    expires_in: slot.deadline.map(|deadline| deadline.saturating_duration_since(now)),
                    connections: slot.claims.len(),
                    bytes,
                    error: slot.error.map(str::to_owned),
                }
            })
            .collect()
    }
}

/// Reports without waiting. A report to a registry that has ended is of no interest.
fn tell(reports: &Sender<Message>, overflow: &Overflow, launch: LaunchId, report: Report) {
    if let Err(TrySendError::Full(Message::Report(launch, report))) = reports.try_send(Message::Report(launch, report))
    {
        // A full inbox means that the registry looks at the overflow very soon.
        overflow.lock().unwrap_or_else(PoisonError::into_inner).push((launch, report));
    }
}

fn seconds_since_1970() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
