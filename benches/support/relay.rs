//! The yardstick: a TCP relay as one writes it in an hour, two threads per connection, each with one buffer.
//! It runs as its own process, the same benchmark binary started again, so that it is scheduled and billed like the
//! server it is compared with.
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use super::backend::connect;
use super::process::Process;

/// The first argument that makes this binary a relay.
pub(crate) const ARGUMENT: &str = "relay-for-bench";

/// Starts a relay to a port, with a buffer of so many bytes in each direction.
pub(crate) fn start(buffer: usize, target: u16) -> io::Result<Process> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(ARGUMENT).arg(buffer.to_string()).arg(target.to_string());
    Process::start(&mut command, "tcp")
}

/// The relay process; it ends by being killed, or with the benchmark.
pub(crate) fn run(buffer: &str, target: &str) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
    let buffer: usize = buffer.parse().map_err(io::Error::other)?;
    let target: u16 = target.parse().map_err(io::Error::other)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("listening on tcp://{}", listener.local_addr()?);
    loop {
        let (client, _) = listener.accept()?;
        thread::Builder::new().spawn(move || {
            // A connection that breaks shows at the benchmark's end of it.
            let _ = carry(&client, (Ipv4Addr::LOCALHOST, target).into(), buffer);
        })?;
    }
}

/// One connection, both ways, until both have ended.
fn carry(client: &TcpStream, target: SocketAddr, buffer: usize) -> io::Result<()> {
    let target = &connect(target)?;
    client.set_nodelay(true)?;
    thread::scope(|scope| {
        let down = thread::Builder::new().spawn_scoped(scope, move || pump(target, client, buffer))?;
        pump(client, target, buffer)?;
        super::joined(down)
    })
}

/// One direction; the end of it is passed on, the other may go on.
fn pump(mut from: &TcpStream, mut to: &TcpStream, buffer: usize) -> io::Result<()> {
    let mut buffer = vec![0; buffer];
    loop {
        match from.read(&mut buffer)? {
            0 => return to.shutdown(Shutdown::Write),
            count => to.write_all(&buffer[..count])?,
        }
    }
}
