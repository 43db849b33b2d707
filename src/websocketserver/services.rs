//! The services that can be reserved: what each is, how many of it, and what it is started with.

mod builtin;
mod file;
mod json;
mod options;
mod program;
mod python;
mod template;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::config::{Config, LocalApp};
pub use options::check_options;
pub(super) use options::{TARGET_PATHNAME, target_pathname};
pub(super) use python::interpreter;
pub(super) use template::{Template, Values, scalar};

/// Most instances of one service.
pub const MOST_INSTANCES: u32 = 1_000;

/// One service.
#[derive(Debug, PartialEq)]
pub struct ServiceSpec {
    /// Its name, unique among the services.
    pub name: String,
    /// Most instances at once, 1 to [`MOST_INSTANCES`].
    pub count: u32,
    /// Its options, as they are shown in the status and given to scripts.
    pub options: Map<String, Value>,
    /// What members of its `group` show in place of the security token.
    pub group_token: Option<String>,
    /// How it is launched.
    pub kind: Kind,
}

impl ServiceSpec {
    /// The group whose members may reserve it (`group` in its options); `None` is everybody.
    pub fn group(&self) -> Option<&str> {
        self.options.get("group").and_then(Value::as_str).filter(|group| !group.is_empty())
    }
}

/// How a service is launched.
#[derive(Debug, PartialEq)]
pub enum Kind {
    /// A Python script, by its absolute path.
    Script(PathBuf),
    /// A program of the administrator's choice.
    Command(CommandSpec),
    /// An application of the installation.
    App(AppSpec),
}

/// A program and its arguments.
#[derive(Debug, PartialEq)]
pub struct CommandSpec {
    /// Where the program is.
    pub program: PathBuf,
    /// Its arguments, with placeholders.
    pub(super) arguments: Vec<Template>,
    /// How it is reached.
    pub connect: Connect,
}

/// How a program is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connect {
    /// It listens on a TCP port of 127.0.0.1.
    Tcp,
    /// It listens on a Unix socket.
    Unix,
    /// It finds a socket in the place of its standard input and output.
    Stdio,
}

/// An application of the installation.
#[derive(Debug, PartialEq, Eq)]
pub struct AppSpec {
    /// Which.
    pub app: LocalApp,
    /// Where its program is, or why it cannot be started.
    pub program: Result<PathBuf, String>,
}

/// All services, in the order of the command line and the file.
#[derive(Debug, Default)]
pub struct Services {
    list: Vec<Arc<ServiceSpec>>,
}

impl Services {
    /// Reads and checks what `config` names.
    ///
    /// # Errors
    /// One sentence about the first fault: file, service, key, cause.
    pub fn load(config: &Config) -> Result<Self, String> {
        let mut list = builtin::services(config);
        if let Some(path) = &config.services.remote_session_config {
            for spec in file::load(path)? {
                if list.iter().any(|known| known.name == spec.name) {
                    return Err(format!(
                        "{}: service '{}': the name is taken by --local_session",
                        path.display(),
                        spec.name
                    ));
                }
                list.push(spec);
            }
        }
        Ok(Self { list: list.into_iter().map(Arc::new).collect() })
    }

    /// Reads and checks one file, as [`Services::load`] does.
    ///
    /// # Errors
    /// As there.
    pub fn read(path: &Path) -> Result<Self, String> {
        Ok(Self { list: file::load(path)?.into_iter().map(Arc::new).collect() })
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ServiceSpec>> {
        self.list.iter()
    }

    /// Whether nothing can be reserved, so nothing is ever launched.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The service of this name, or of which this is the short name (`envision` for `local_envision`).
    pub fn get(&self, name: &str) -> Option<&Arc<ServiceSpec>> {
        let named = |name: &str| self.list.iter().find(|spec| spec.name == name);
        named(name).or_else(|| builtin::meant_by(name).and_then(named))
    }

    /// Whether any of them is a Python script.
    pub(super) fn have_scripts(&self) -> bool {
        self.list.iter().any(|spec| matches!(spec.kind, Kind::Script(_)))
    }
}
