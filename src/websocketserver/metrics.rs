//! `/metrics`: what the server did and does, as `OpenMetrics` text.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::registry::InstanceStatus;
use super::rest::services::state_name;
use crate::net::http::response::Response;
use crate::net::tunnel::Tunnel;

/// Seconds of a launch: a terminal's, a desktop's, a large application's.
const LAUNCH_BUCKETS: [f64; 9] = [0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0, 60.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByService {
    service: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    service: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByState {
    service: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByDirection {
    direction: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByStatus {
    status: u16,
}

type Slots = Gauge<i64, AtomicI64>;
type Count = Counter<u64, AtomicU64>;

/// By number of connection: a tunnel, and what of its bytes, up and down, is counted already.
type LiveTunnels = HashMap<u64, (Arc<Tunnel>, (u64, u64))>;

/// Everything that is counted.
pub(super) struct Metrics {
    registry: Registry,
    reservations: Family<ByOutcome, Count>,
    launches: Family<ByOutcome, Count>,
    launch_seconds: Family<ByService, Histogram, fn() -> Histogram>,
    slots: Family<ByState, Slots>,
    tunnels: Count,
    open_tunnels: Slots,
    bytes: Family<ByDirection, Count>,
    answers: Family<ByStatus, Count>,
    /// Tunnels at work.
    live: Mutex<LiveTunnels>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("websocketserver"),
            reservations: Family::default(),
            launches: Family::default(),
            launch_seconds: Family::new_with_constructor(|| Histogram::new(LAUNCH_BUCKETS)),
            slots: Family::default(),
            tunnels: Count::default(),
            open_tunnels: Slots::default(),
            bytes: Family::default(),
            answers: Family::default(),
            live: Mutex::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("slots", "Slots of a service by state", self.slots.clone());
        registry.register("reservations", "Reservations by outcome", self.reservations.clone());
        registry.register("launches", "Launches by outcome", self.launches.clone());
        let seconds = self.launch_seconds.clone();
        registry.register("launch_seconds", "Seconds from a websocket's arrival to its service's connection", seconds);
        registry.register("tunnels", "Tunnels that were opened", self.tunnels.clone());
        registry.register("tunnels_open", "Tunnels at work", self.open_tunnels.clone());
        registry.register(
            "tunnel_bytes",
            "Payload bytes, up to the backend and down to the client",
            self.bytes.clone(),
        );
        registry.register("http_answers", "HTTP answers by status", self.answers.clone());
    }

    /// A reservation was `made`, `refused` or has `expired`.
    pub(super) fn reservation(&self, service: &str, outcome: &'static str) {
        self.reservations.get_or_create(&ByOutcome { service: service.to_owned(), outcome }).inc();
    }

    /// A launch was `started`, has `connected` or `failed`.
    pub(super) fn launch(&self, service: &str, outcome: &'static str) {
        self.launches.get_or_create(&ByOutcome { service: service.to_owned(), outcome }).inc();
    }

    /// How long a launch took until its first connection.
    pub(super) fn launch_time(&self, service: &str, time: Duration) {
        self.launch_seconds.get_or_create(&ByService { service: service.to_owned() }).observe(time.as_secs_f64());
    }

    /// An HTTP request was answered.
    pub(super) fn answered(&self, status: u16) {
        self.answers.get_or_create(&ByStatus { status }).inc();
    }

    /// Counts a tunnel until the guard is dropped.
    pub(super) fn tunnel(&self, id: u64, tunnel: &Arc<Tunnel>) -> Counted<'_> {
        self.tunnels.inc();
        self.open_tunnels.inc();
        self.live().insert(id, (Arc::clone(tunnel), (0, 0)));
        Counted { metrics: self, id }
    }

    /// The whole text; `services` are names with their slots.
    pub(super) fn answer<'a>(&self, services: impl Iterator<Item = (&'a str, &'a [InstanceStatus])>) -> Response {
        for (name, slots) in services {
            self.set_slots(name, slots);
        }
        for (tunnel, counted) in self.live().values_mut() {
            self.add_bytes(tunnel, counted);
        }
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => Response::openmetrics(text),
            Err(error) => Response::error(500, &format!("the metrics cannot be written: {error}")),
        }
    }

    fn set_slots(&self, service: &str, slots: &[InstanceStatus]) {
        use super::registry::Phase::{Active, Free, Grace, Launching, Reserved, Stopping};
        for phase in [Free, Reserved, Launching, Active, Grace, Stopping] {
            let count = slots.iter().filter(|slot| slot.phase == phase).count();
            let labels = ByState { service: service.to_owned(), state: state_name(phase) };
            self.slots.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    fn add_bytes(&self, tunnel: &Tunnel, counted: &mut (u64, u64)) {
        let now = tunnel.bytes();
        self.bytes.get_or_create(&ByDirection { direction: "up" }).inc_by(now.0 - counted.0);
        self.bytes.get_or_create(&ByDirection { direction: "down" }).inc_by(now.1 - counted.1);
        *counted = now;
    }

    fn live(&self) -> MutexGuard<'_, LiveTunnels> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A tunnel that counts as open.
pub(super) struct Counted<'a> {
    metrics: &'a Metrics,
    id: u64,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let ended = self.metrics.live().remove(&self.id);
        if let Some((tunnel, mut counted)) = ended {
            self.metrics.add_bytes(&tunnel, &mut counted);
        }
        self.metrics.open_tunnels.dec();
    }
}
