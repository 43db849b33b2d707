//! The command of a room: how it is started, and what is read from it and written to it.

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

use super::super::config::Config;
use super::super::env::{self, Visit};
use crate::sys::process::printed::Printed;
use crate::sys::process::{Child, Orphaned, Processes, Seek, Spawn, do_not_block};

/// How long one attempt to connect may take; on this machine it is decided at once.
const ATTEMPT: Duration = Duration::from_millis(250);

/// A command that runs.
pub(super) struct Started {
    pub(super) child: Child,
    /// To be written to and read from; not there yet when the command is reached by TCP.
    pub(super) pipes: Option<(OwnedFd, OwnedFd)>,
    /// What it prints when it is reached by TCP: for the log.
    pub(super) printed: Option<Printed>,
}

/// Starts the command for the websocket that opened the room.
///
/// # Errors
/// A sentence that says why it cannot be started.
pub(super) fn start(
    config: &Config,
    processes: &Processes,
    descriptors: Option<u64>,
    visit: &Visit,
    port: Option<u16>,
) -> Result<Started, String> {
    // The words of the original, for those who read its log.
    let cannot = |error: io::Error| format!("Failed to spawn process due to `{error}`");
    let environment = env::environment(&config.pass_env, visit, port);
    let program = env::find_program(&config.command, &environment);
    let mut argv = vec![OsString::from(program)];
    argv.extend(config.args.iter().cloned());
    let mut spawn = Spawn::new(argv);
    spawn.name = Some(config.command.clone());
    spawn.inherits = false;
    spawn.env = environment;
    spawn.descriptors = descriptors;
    spawn.orphaned = if config.tcp { Orphaned::Terminate } else { Orphaned::EndsByItself };
    spawn.seek = Seek::Descendants;
    spawn.stderr = Stdio::inherit();
    let (from, out) = io::pipe().map_err(cannot)?;
    let from = OwnedFd::from(from);
    spawn.stdout = Stdio::from(out);
    if config.tcp {
        let printed = Printed::new(format!("room {:?}", visit.room), from).map_err(cannot)?;
        let child = processes.spawn(spawn).map_err(cannot)?;
        return Ok(Started { child, pipes: None, printed: Some(printed) });
    }
    let (input, to) = io::pipe().map_err(cannot)?;
    let to = OwnedFd::from(to);
    spawn.stdin = Stdio::from(input);
    for file in [&from, &to] {
        do_not_block(file).map_err(cannot)?;
    }
    let child = processes.spawn(spawn).map_err(cannot)?;
    Ok(Started { child, pipes: Some((to, from)), printed: None })
}

/// Connects to a command that listens on this machine.
///
/// # Errors
/// It does not listen (yet).
pub(super) fn connect(port: u16) -> io::Result<(OwnedFd, OwnedFd)> {
    let socket = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), ATTEMPT)?;
    if socket.local_addr()? == socket.peer_addr()? {
        // Where ports may be chosen for outgoing connections, one can meet itself while nobody listens.
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    socket.set_nodelay(true)?;
    do_not_block(&socket)?;
    Ok((socket.try_clone()?.into(), socket.into()))
}
