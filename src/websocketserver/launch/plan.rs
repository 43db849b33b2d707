//! How a service is started, whatever its kind.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::super::services::{Kind, check_options};
use super::ports::Port;
use super::talk::Talk;
use super::{Context, Order, Started, app, command, script};
use crate::sys::process::Spawn;
use crate::sys::process::ladder::Ladder;

/// What the server's own secret comes in; a user of a desktop session could read it there.
const SECRET: &str = "WEBSOCKETSERVER_SECURITY_TOKEN";
/// Bytes of a Unix socket's path, with the NUL (`unix(7)`).
const LONGEST_PATH: usize = 108;

/// All that is needed to start an instance.
pub(super) struct Plan {
    /// The process, but for the streams that go to the log.
    pub(super) spawn: Spawn,
    /// Whether its standard output goes to the log; its standard error does always.
    pub(super) logs_output: bool,
    /// Where it will be reached, when that is known before it runs.
    pub(super) started: Option<Started>,
    /// The channel to a script's host.
    pub(super) talk: Option<Talk>,
    /// How it is ended.
    pub(super) ladder: Ladder,
    /// What is given back when it is gone.
    pub(super) kept: Kept,
}

/// What an instance has for itself.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) ports: Vec<Port>,
    pub(super) folder: Option<Folder>,
}

/// Chooses how `order` is started. The error is a sentence.
pub(super) fn plan(order: &Order, context: &Context) -> Result<Plan, String> {
    // They were checked when the reservation was made; this is where it matters.
    check_options(&order.spec, &order.options)?;
    let mut plan = match &order.spec.kind {
        Kind::Command(spec) => command::plan(order, spec, context)?,
        Kind::App(spec) => app::plan(order, spec, context)?,
        Kind::Script(path) => script::plan(order, path, context)?,
    };
    plan.spawn.unset.push(SECRET.into());
    plan.spawn.descriptors = context.descriptors;
    Ok(plan)
}

/// A folder that nobody else can look into. Dropping it removes it with all that is in it.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// A new folder, so short that a socket in it can be named.
    pub(super) fn create() -> io::Result<Self> {
        let name = format!("berth-{}", uuid::Uuid::new_v4().simple());
        let preferred = std::env::temp_dir().join(&name);
        let path = if fits(&preferred) { preferred } else { Path::new("/tmp").join(&name) };
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Where the instance's socket is to be.
    pub(super) fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }
}

fn fits(folder: &Path) -> bool {
    folder.join("socket").as_os_str().len() < LONGEST_PATH
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            ::log::warn!("cannot remove {}: {error}", self.0.display());
        }
    }
}
