//! What the machine is told and what it tells.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Number of a launch, never used twice.
pub(crate) type LaunchId = u64;
/// Number of a claim, never used twice.
pub(crate) type ClaimId = u64;
/// Options of a reservation.
pub type Options = BTreeMap<String, String>;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// An unused reservation is reclaimed after this.
    pub(crate) timeout: Duration,
    /// An instance outlives its last claim by this.
    pub(crate) reconnect_grace: Duration,
    /// A launch that takes longer has failed.
    pub(crate) launch_timeout: Duration,
}

/// What the machine asks for. `S` is what a launcher tells of a started instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect<S> {
    /// Start an instance; answer with `started`, `exited` and `gone`.
    Launch { launch: LaunchId, service: usize, index: u32, token: String, options: Options },
    /// Stop it; `gone` is still to come.
    Stop { launch: LaunchId },
    /// The claim's instance can be connected to.
    Ready { claim: ClaimId, started: S },
    /// End the claim and its tunnel with this close code and reason.
    Close { claim: ClaimId, code: u16, reason: String },
    /// The instance has ended; tunnels that hear its last words may tell why.
    Epitaph { claim: ClaimId, code: u16, reason: String },
    /// For the log and the metrics.
    Note { service: usize, index: u32, note: Note },
}

/// Something worth a line in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    Expired,
    /// Its first tunnel has begun.
    Connected,
    Failed(String),
    Free,
}

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// All instances are taken.
    Full,
    /// No such token, or not any more.
    UnknownToken,
    /// The server is stopping.
    Stopping,
}

/// What a slot is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Free,
    Reserved,
    Launching,
    Active,
    Grace,
    Stopping,
}

/// A slot as the status shows it.
#[derive(Debug, Clone)]
pub(crate) struct SlotView<'a> {
    pub(crate) phase: Phase,
    pub(crate) token: &'a str,
    /// Seconds since 1970 at the reservation; 0 while free.
    pub(crate) timestamp: f64,
    pub(crate) options: Option<&'a Options>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) claims: &'a BTreeSet<ClaimId>,
    /// Why the last instance failed.
    pub(crate) error: Option<&'a str>,
}
