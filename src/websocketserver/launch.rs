//! Instances of services: started, watched and ended, each by a thread of its own.
//!
//! Who may have one, and when it starts and stops, is decided elsewhere; this only does it, and reports.

mod app;
mod command;
mod plan;
mod ports;
mod script;
mod supervise;
mod talk;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::{self, Debug, Formatter};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::config::Config;
use super::services::{ServiceSpec, Services, interpreter};
use crate::sys::bell::Bell;
use crate::sys::process::{Processes, guardian};
use crate::sys::thread;
use ports::Ports;

/// What is to be launched.
#[derive(Debug, Clone)]
pub struct Order {
    /// Number of the launch, for the log.
    pub launch: u64,
    /// The service.
    pub spec: Arc<ServiceSpec>,
    /// Which of its instances, from 0.
    pub index: u32,
    /// Token of the reservation.
    pub token: String,
    /// Options of the reservation; see [`super::services::check_options`].
    pub options: BTreeMap<String, String>,
}

/// Where an instance is reached.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// By TCP. It may not listen yet.
    Tcp {
        /// Name or address, without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// By a Unix socket, which may not be there yet.
    Unix(PathBuf),
    /// By a stream socket that is connected already. There is one, for the first who takes it.
    Given(Given),
}

/// A connected socket that can be taken once, by whichever clone.
#[derive(Clone)]
pub struct Given(Arc<Mutex<Option<OwnedFd>>>);

impl Given {
    fn new(socket: OwnedFd) -> Self {
        Self(Arc::new(Mutex::new(Some(socket))))
    }

    /// The socket; `None` when it was taken before.
    pub fn take(&self) -> Option<OwnedFd> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Debug for Given {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Given")
    }
}

/// An instance that has been started.
#[derive(Debug, Clone)]
pub struct Started {
    /// Where it is reached.
    pub default: Endpoint,
    /// Further endpoints by name (`?endpoint=name`).
    pub named: BTreeMap<String, Endpoint>,
    /// Port of its gRPC service, if it has one.
    pub grpc_port: Option<u16>,
}

impl Started {
    /// The endpoint of this name; `None` is the one that needs none.
    ///
    /// # Errors
    /// A sentence for the client: there is no such endpoint.
    pub fn endpoint(&self, name: Option<&str>) -> Result<&Endpoint, String> {
        match name {
            None => Ok(&self.default),
            Some(name) => self.named.get(name).ok_or_else(|| format!("the service has no endpoint '{name}'")),
        }
    }
}

/// What becomes of a launch: at most one `Started`, then at most one `Exited`, and one `Gone` at the end.
#[derive(Debug, Clone)]
pub enum Report {
    /// It was started. Who connects tries again until it listens.
    Started(Started),
    /// It could not be started, or ended without being asked to.
    Exited {
        /// A sentence, with its last words.
        reason: String,
        /// Whether that is a fault: anything but a started process that exits with 0.
        failed: bool,
    },
    /// Nothing of it is left: no process, no port, no file. Always the last report.
    Gone,
}

/// How long things may take on the way down.
#[derive(Debug, Clone, Copy)]
pub struct Graces {
    /// A script's `stop`.
    pub script: Duration,
    /// From SIGTERM to SIGKILL for what a script leaves behind.
    pub leftovers: Duration,
    /// From SIGTERM to SIGKILL for programs.
    pub program: Duration,
}

impl Default for Graces {
    fn default() -> Self {
        Self { script: Duration::from_secs(5), leftovers: Duration::from_secs(2), program: Duration::from_secs(5) }
    }
}

/// What all launches share.
pub struct Context {
    processes: Arc<Processes>,
    python: OsString,
    ports: Arc<Ports>,
    descriptors: Option<u64>,
    folder: PathBuf,
    graces: Graces,
}

impl Context {
    /// Prepares for launches of `services`: starts the guardian, and tries the Python interpreter if there are scripts.
    /// Not to be called when there is nothing to launch.
    ///
    /// `descriptors` is the soft limit of open files from before ours was raised, which children get.
    ///
    /// # Errors
    /// A sentence about what is missing.
    pub fn open(config: &Config, services: &Services, descriptors: Option<u64>) -> Result<Arc<Self>, String> {
        let processes = Processes::start(Some(guardian::command()));
        let processes = Arc::new(processes.map_err(|error| format!("cannot start a thread: {error}"))?);
        let python = if services.have_scripts() {
            interpreter(config.services.python.as_deref(), &processes)?
        } else {
            OsString::new()
        };
        let folder = std::env::current_dir().map_err(|error| format!("the working directory: {error}"))?;
        let graces = Graces::default();
        Ok(Arc::new(Self { processes, python, ports: Arc::default(), descriptors, folder, graces }))
    }
}

/// A launch that was begun. Dropping it stops the instance.
#[derive(Debug)]
pub struct Running {
    bell: Option<Arc<Bell>>,
}

impl Running {
    /// Asks the instance to end; it is reported [`Report::Gone`] when that is done. Never waits.
    pub fn stop(&self) {
        if let Some(bell) = &self.bell {
            bell.ring();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Launches `order` on a thread of its own, and returns at once. `report` is called on that thread; it must not wait.
pub fn start(order: Order, context: &Arc<Context>, report: impl Fn(Report) + Send + 'static) -> Running {
    let name = format!("{} #{}", order.spec.name, order.index);
    // Held here too, because a thread that cannot be made takes along what it was given.
    let reporter = Arc::new(Mutex::new(Reporter { to: Box::new(report), started: false, exited: false, gone: false }));
    let cannot = |error: io::Error| {
        let mut reporter = reporter.lock().unwrap_or_else(PoisonError::into_inner);
        reporter.exited(format!("cannot be launched: {error}"), true);
    };
    let bell = match Bell::new() {
        Ok(bell) => Arc::new(bell),
        Err(error) => {
            cannot(error);
            return Running { bell: None };
        }
    };
    let (theirs, context, to) = (Arc::clone(&bell), Arc::clone(context), Arc::clone(&reporter));
    let supervise = move || {
        let mut reporter = to.lock().unwrap_or_else(PoisonError::into_inner);
        supervise::run(&order, &context, &theirs, &mut reporter);
        reporter.gone();
    };
    if let Err(error) = thread::spawn(&name, supervise) {
        cannot(error);
    }
    Running { bell: Some(bell) }
}

type ReportTo = Box<dyn Fn(Report) + Send>;

/// Keeps the promise of [`Report`]: also when its thread panics, `Gone` is said, once and last.
struct Reporter {
    to: ReportTo,
    started: bool,
    exited: bool,
    gone: bool,
}

impl Reporter {
    fn started(&mut self, started: Started) {
        if !self.started && !self.exited {
            self.started = true;
            (self.to)(Report::Started(started));
        }
    }

    fn exited(&mut self, reason: String, failed: bool) {
        if !self.exited {
            self.exited = true;
            (self.to)(Report::Exited { reason, failed });
        }
    }

    fn gone(&mut self) {
        if !self.gone {
            self.gone = true;
            (self.to)(Report::Gone);
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.gone();
    }
}
