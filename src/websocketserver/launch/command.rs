//! Services that are a program: it listens where it is told, or finds a socket as its standard input and output.

use std::collections::BTreeMap;
use std::process::Stdio;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::super::services::{CommandSpec, Connect, Values};
use super::plan::{Folder, Kept, Plan};
use super::{Context, Endpoint, Given, Order, Started};
use crate::sys::process::Spawn;
use crate::sys::process::ladder::terminate;

/// What the placeholders stand for.
struct Instance<'a> {
    order: &'a Order,
    port: Option<u16>,
    path: Option<String>,
}

impl Values for Instance<'_> {
    fn value(&self, name: &str) -> Option<String> {
        match name {
            "port" => self.port.map(|port| port.to_string()),
            "path" => self.path.clone(),
            "index" => Some(self.order.index.to_string()),
            "token" => Some(self.order.token.clone()),
            option => {
                let default = super::super::services::scalar(&self.order.spec.options, option)?;
                Some(self.order.options.get(option).cloned().unwrap_or(default))
            }
        }
    }
}

pub(super) fn plan(order: &Order, spec: &CommandSpec, context: &Context) -> Result<Plan, String> {
    let cannot = |error: std::io::Error| format!("cannot be launched: {error}");
    let mut kept = Kept::default();
    let mut instance = Instance { order, port: None, path: None };
    let mut streams = None;
    let default = match spec.connect {
        Connect::Tcp => {
            let port = context.ports.take().map_err(cannot)?;
            let number = port.number();
            kept.ports.push(port);
            instance.port = Some(number);
            Endpoint::Tcp { host: "127.0.0.1".to_owned(), port: number }
        }
        Connect::Unix => {
            let folder = Folder::create().map_err(cannot)?;
            let path = folder.socket();
            kept.folder = Some(folder);
            instance.path =
                Some(path.to_str().ok_or("the folder for temporary files has a name that is not UTF-8")?.to_owned());
            Endpoint::Unix(path)
        }
        Connect::Stdio => {
            let pair = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None);
            let (ours, theirs) = pair.map_err(|error| cannot(error.into()))?;
            streams = Some((theirs.try_clone().map_err(cannot)?, theirs));
            Endpoint::Given(Given::new(ours))
        }
    };
    let arguments = spec.arguments.iter().map(|argument| argument.fill(&instance).map(Into::into));
    let mut argv = vec![spec.program.clone().into_os_string()];
    argv.extend(arguments.collect::<Result<Vec<_>, String>>()?);
    let mut spawn = Spawn::new(argv);
    let logs_output = streams.is_none();
    if let Some((input, output)) = streams {
        (spawn.stdin, spawn.stdout) = (Stdio::from(input), Stdio::from(output));
    }
    let started = Some(Started { default, named: BTreeMap::new(), grpc_port: None });
    Ok(Plan { spawn, logs_output, started, talk: None, ladder: terminate(context.graces.program), kept })
}
