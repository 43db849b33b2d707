//! `/metrics`: rooms and members, as `OpenMetrics` text, under the names of the original.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::net::http::response::Response;

/// Empty rooms whose numbers are still shown; anybody can make up names.
const EMPTY_ROOMS: usize = 1_000;

const END: &str = "# EOF\n";
/// The page before the first member.
const EMPTY: &str = "\
# HELP scalesocket_websocket_connections_total Number of total websocket connections.
# TYPE scalesocket_websocket_connections_total counter
# HELP scalesocket_websocket_connections_open number of open websocket connections.
# TYPE scalesocket_websocket_connections_open gauge
# EOF
";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByRoom {
    room: String,
}

/// Everything that is counted.
pub(super) struct Metrics {
    registry: Registry,
    total: Family<ByRoom, Counter<u64, AtomicU64>>,
    open: Family<ByRoom, Gauge<i64, AtomicI64>>,
    rooms: Mutex<Rooms>,
}

/// Which rooms have numbers.
#[derive(Default)]
struct Rooms {
    /// Members by room, never 0.
    members: HashMap<String, usize>,
    /// Rooms without members, the longest empty first.
    empty: VecDeque<String>,
}

impl Default for Metrics {
    fn default() -> Self {
        let (total, open) = (Family::default(), Family::default());
        let mut registry = Registry::with_prefix("scalesocket");
        // The original's name ends in `_total` before the format adds another.
        let help = "Number of total websocket connections";
        registry.register("websocket_connections_total", help, total.clone());
        registry.register("websocket_connections_open", "number of open websocket connections", open.clone());
        Self { registry, total, open, rooms: Mutex::default() }
    }
}

impl Metrics {
    /// Counts a member until the guard is dropped.
    pub(super) fn member(&self, room: &str) -> Counted<'_> {
        let labels = ByRoom { room: room.to_owned() };
        let mut rooms = self.rooms();
        *rooms.members.entry(room.to_owned()).or_insert(0) += 1;
        rooms.empty.retain(|empty| empty != room);
        self.total.get_or_create(&labels).inc();
        self.open.get_or_create(&labels).inc();
        Counted { metrics: self, labels }
    }

    fn leave(&self, labels: &ByRoom) {
        let mut rooms = self.rooms();
        self.open.get_or_create(labels).dec();
        let Some(count) = rooms.members.get_mut(&labels.room) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        rooms.members.remove(&labels.room);
        rooms.empty.push_back(labels.room.clone());
        if rooms.empty.len() > EMPTY_ROOMS
            && let Some(room) = rooms.empty.pop_front()
        {
            self.total.remove(&ByRoom { room: room.clone() });
            self.open.remove(&ByRoom { room });
        }
    }

    /// The whole text.
    pub(super) fn answer(&self) -> Response {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            // The encoder leaves out what has no lines yet; whoever looks what there is wants to see it.
            Ok(()) if text == END => Response::openmetrics(EMPTY.to_owned()),
            Ok(()) => Response::openmetrics(text),
            Err(error) => Response::error(500, &format!("the metrics cannot be written: {error}")),
        }
    }

    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A member that counts as open.
pub(super) struct Counted<'a> {
    metrics: &'a Metrics,
    labels: ByRoom,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.metrics.leave(&self.labels);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(metrics: &Metrics) -> String {
        let mut text = String::new();
        encode(&mut text, &metrics.registry).unwrap();
        text
    }

    #[test]
    fn members_are_counted_by_room_under_the_original_names() {
        let metrics = Metrics::default();
        let first = metrics.member("r");
        let _second = metrics.member("r");
        drop(first);
        let text = text(&metrics);
        assert!(text.contains("scalesocket_websocket_connections_total_total{room=\"r\"} 2\n"), "{text}");
        assert!(text.contains("scalesocket_websocket_connections_open{room=\"r\"} 1\n"), "{text}");
        assert!(text.contains("# TYPE scalesocket_websocket_connections_total counter\n"), "{text}");
    }

    #[test]
    fn the_page_before_the_first_member_says_what_the_others_say() {
        let metrics = Metrics::default();
        let _member = metrics.member("r");
        let text = text(&metrics);
        assert!(EMPTY.ends_with(END));
        let comments =
            |page: &str| page.lines().filter(|line| line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(comments(EMPTY), comments(&text));
    }

    #[test]
    fn names_that_anybody_can_make_up_do_not_pile_up() {
        let metrics = Metrics::default();
        let _stays = metrics.member("stays");
        for number in 0..EMPTY_ROOMS + 10 {
            drop(metrics.member(&format!("r{number}")));
        }
        let text = text(&metrics);
        assert_eq!(text.lines().filter(|line| line.contains("_open{")).count(), EMPTY_ROOMS + 1);
        assert!(text.contains("room=\"stays\""), "{}", text.len());
        assert!(!text.contains("room=\"r9\""), "the oldest is forgotten");
        assert!(text.contains("room=\"r10\""));
    }

    #[test]
    fn no_name_breaks_the_format() {
        let metrics = Metrics::default();
        let _guard = metrics.member("q\"b\\");
        assert!(text(&metrics).contains(r#"{room="q\"b\\"} 1"#));
    }
}
