//! A websocket's hold on an instance, given back when dropped.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::Message;
use super::state::ClaimId;
use crate::net::tunnel::Tunnel;
use crate::websocketserver::launch::Started;

/// A claim gets at most a `Ready`, a `Close` and an `Epitaph`.
const ORDERS: usize = 4;

/// What the registry tells a claim.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    /// The instance can be connected to.
    Ready(Started),
    /// End the websocket.
    Close { code: u16, reason: String },
    /// The instance has ended; what it sent last comes first, then this.
    Epitaph { code: u16, reason: String },
}

/// The registry's end of a claim.
pub(crate) struct Cell {
    orders: Sender<Order>,
    tunnel: Mutex<Option<Arc<Tunnel>>>,
    /// Why the instance has ended, once it has.
    epitaph: Mutex<Option<(u16, String)>>,
}

impl Cell {
    pub(super) fn new() -> (Arc<Self>, Receiver<Order>) {
        let (orders, inbox) = bounded(ORDERS);
        (Arc::new(Self { orders, tunnel: Mutex::default(), epitaph: Mutex::default() }), inbox)
    }

    /// Passes an order on. A tunnel at work is closed here and now; all else waits to be read.
    pub(super) fn order(&self, order: Order) {
        if let Order::Epitaph { code, reason } = &order {
            *self.epitaph.lock().unwrap_or_else(PoisonError::into_inner) = Some((*code, reason.clone()));
        }
        let tunnel = self.lock();
        match (&*tunnel, order) {
            (Some(tunnel), Order::Close { code, reason }) => tunnel.close(code, &reason),
            (_, order) => drop(self.orders.try_send(order)),
        }
    }

    /// Nothing of the instance is left. Its last words may still be on their way through the tunnel; but a backend that
    /// goes on without it (a script may name any host) must not.
    pub(super) fn abandon(&self) {
        let epitaph = self.epitaph.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some((code, reason)), Some(tunnel)) = (epitaph, &*self.lock())
            && !tunnel.backend_has_hung_up()
        {
            tunnel.close(code, &reason);
        }
    }

    /// Payload bytes up and down of the tunnel at work.
    pub(super) fn bytes(&self) -> (u64, u64) {
        self.lock().as_ref().map_or((0, 0), |tunnel| tunnel.bytes())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Tunnel>>> {
        self.tunnel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The websocket's end of a claim.
pub(crate) struct Claim {
    id: ClaimId,
    instance: String,
    inbox: Sender<Message>,
    cell: Arc<Cell>,
    orders: Receiver<Order>,
}

impl Claim {
    pub(super) fn new(
        (id, instance): (ClaimId, String),
        inbox: Sender<Message>,
        cell: Arc<Cell>,
        orders: Receiver<Order>,
    ) -> Self {
        Self { id, instance, inbox, cell, orders }
    }

    /// Name and index of the instance, for the log.
    pub(crate) fn instance(&self) -> &str {
        &self.instance
    }

    /// Waits for an order, at most `time`.
    pub(crate) fn wait(&self, time: Duration) -> Option<Order> {
        self.orders.recv_timeout(time).ok()
    }

    /// Tells that `tunnel` serves this claim from now on.
    pub(crate) fn attach(&self, tunnel: &Arc<Tunnel>) {
        *self.cell.lock() = Some(Arc::clone(tunnel));
        // What came between the last look and now.
        for order in self.orders.try_iter().collect::<Vec<_>>() {
            match order {
                Order::Close { code, reason } => tunnel.close(code, &reason),
                // Read again when the backend has closed.
                Order::Epitaph { .. } => drop(self.cell.orders.try_send(order)),
                Order::Ready(_) => {}
            }
        }
        let _ = self.inbox.send(Message::Connected(self.id));
    }

    /// Waits a moment for the reason why the instance has ended.
    pub(crate) fn epitaphs(&self) -> impl Fn() -> Option<(u16, String)> + Send + Sync + 'static {
        /// The end of a process is noticed some milliseconds after the end of its connections.
        const MOMENT: Duration = Duration::from_millis(100);
        let orders = self.orders.clone();
        move || match orders.recv_timeout(MOMENT) {
            Ok(Order::Epitaph { code, reason }) => Some((code, reason)),
            _ => None,
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let _ = self.inbox.send(Message::Unclaim(self.id));
    }
}
