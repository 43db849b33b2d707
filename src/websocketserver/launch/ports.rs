//! Free ports for programs that have to be told one.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};

/// How long a port that was given back is not given out again: its last user's connections may linger.
const REST: Duration = Duration::from_secs(60);
/// How often a port is asked for before giving up.
const ATTEMPTS: u32 = 100;

/// Ports that were given out: until when they must not be given out again, `None` while they are in use.
#[derive(Debug, Default)]
pub(super) struct Ports(Mutex<HashMap<u16, Option<Instant>>>);

/// A port. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Port {
    number: u16,
    ports: Arc<Ports>,
}

impl Ports {
    /// A port that nobody uses now. Somebody else may take it before the program does; then the launch fails.
    pub(super) fn take(self: &Arc<Self>) -> io::Result<Port> {
        let now = Instant::now();
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|_, until| until.is_none_or(|until| until > now));
        for _ in 0..ATTEMPTS {
            let number = free_port()?;
            if let std::collections::hash_map::Entry::Vacant(entry) = taken.entry(number) {
                entry.insert(None);
                return Ok(Port { number, ports: Arc::clone(self) });
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "no port is free"))
    }
}

/// The system's choice. Bound to every address, since the program may do so; never listened on.
fn free_port() -> io::Result<u16> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))?;
    let address = SocketAddrV4::try_from(getsockname(&socket)?)?;
    Ok(address.port())
}

impl Port {
    pub(super) fn number(&self) -> u16 {
        self.number
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        let mut taken = self.ports.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert(self.number, Some(Instant::now() + REST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::net::TcpListener;

    #[test]
    fn no_port_is_given_out_twice_and_each_can_be_bound() {
        let ports = Arc::new(Ports::default());
        let mut seen = HashSet::new();
        for _ in 0..300 {
            let port = ports.take().unwrap();
            assert!(seen.insert(port.number()), "given back just now, and given out again");
            drop(TcpListener::bind(("127.0.0.1", port.number())).unwrap());
        }
        assert_eq!(ports.0.lock().unwrap().len(), 300);
    }
}
