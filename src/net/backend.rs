//! Connecting to a TCP service by name.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::net::sockopt;

/// How long all addresses of a name together may take to answer.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A peer that vanished without a word is noticed after idle + probes * interval seconds at the latest.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 6;

/// Connects to the first address of `host` that answers within [`CONNECT_TIMEOUT`].
///
/// # Errors
/// A sentence that names the target and the cause, for the log and for the client.
pub fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    let name = |cause: String| format!("cannot connect to {}: {cause}", show(host, port));
    let addresses = resolve(host, port).map_err(|error| name(error.to_string()))?;
    let mut last = String::from("the name has no address");
    for address in addresses {
        if deadline <= Instant::now() {
            break;
        }
        match connect_by(deadline, address) {
            Ok(stream) if is_its_own_peer(&stream, address) => "connection refused".clone_into(&mut last),
            Ok(stream) => {
                tune_for(&stream, address).map_err(|error| name(error.to_string()))?;
                return Ok(stream);
            }
            Err(error) => last = describe(&error),
        }
    }
    Err(name(last))
}

/// What is on this host does not vanish without a word: its kernel is ours.
fn tune_for(stream: &TcpStream, address: SocketAddr) -> io::Result<()> {
    if address.ip().is_loopback() { stream.set_nodelay(true) } else { tune(stream.as_fd()) }
}

/// One call that waits, where a socket's write timeout holds for connecting too: that of std is six.
#[cfg(target_os = "linux")]
fn connect_by(deadline: Instant, address: SocketAddr) -> io::Result<TcpStream> {
    use rustix::io::Errno;
    use rustix::net::sockopt::Timeout;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    loop {
        let rest = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        sockopt::set_socket_timeout(&socket, Timeout::Send, Some(rest))?;
        match rustix::net::connect(&socket, &address) {
            Ok(()) => return Ok(socket.into()),
            // After a signal the connection goes on being made, and the same call waits for it again.
            Err(Errno::INTR) => {}
            Err(Errno::INPROGRESS | Errno::ALREADY) => return Err(io::ErrorKind::TimedOut.into()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn connect_by(deadline: Instant, address: SocketAddr) -> io::Result<TcpStream> {
    let rest = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    TcpStream::connect_timeout(&address, rest)
}

/// A port in the range that clients' ports are taken from may connect to itself while nobody listens.
fn is_its_own_peer(stream: &TcpStream, address: SocketAddr) -> bool {
    let own = stream.local_addr().ok();
    own.is_none_or(|own| own.port() == address.port()) && own == stream.peer_addr().ok()
}

/// Connects to a Unix socket. The answer is a stream socket like any other: all that is done with it here is reading,
/// writing, timeouts and shutdown.
///
/// # Errors
/// The path is no socket, or nobody listens on it.
pub fn connect_unix(path: &std::path::Path) -> io::Result<TcpStream> {
    let stream = std::os::unix::net::UnixStream::connect(path)?;
    Ok(TcpStream::from(std::os::fd::OwnedFd::from(stream)))
}

/// Sets what a TCP socket to another host has: no delay for small writes, and keepalive.
///
/// # Errors
/// The socket is not connected any more.
pub fn tune(socket: BorrowedFd<'_>) -> io::Result<()> {
    sockopt::set_tcp_nodelay(socket, true)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(socket, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(socket, KEEPALIVE_PROBES)?;
    Ok(())
}

/// `localhost` is known without a resolver: a container may have no /etc/hosts.
fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![
            SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
            SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port),
        ]);
    }
    Ok((host, port).to_socket_addrs()?.collect())
}

/// `host:port`, with brackets where they are needed.
pub fn show(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The system's error texts end in a number that says nothing to a person.
fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())
        }
        _ => error.to_string().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn localhost_reaches_either_family() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let port = listener.local_addr().unwrap().port();
            let stream = connect("localhost", port).unwrap();
            assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
        }
    }

    /// A listener whose queue is full takes nobody, and says nothing.
    #[test]
    fn who_does_not_answer_in_time_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let address = listener.local_addr().unwrap();
        let _queued = connect("127.0.0.1", address.port()).unwrap();
        let began = Instant::now();
        let error = connect_by(began + Duration::from_millis(50), address).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let waited = began.elapsed();
        assert!(waited >= Duration::from_millis(50) && waited < Duration::from_secs(5), "{waited:?}");
        assert_eq!(describe(&error), "no answer within 10 s");
    }

    /// Binding to the port first makes chance certain.
    #[test]
    fn a_socket_connected_to_itself_is_found() {
        use rustix::net::{AddressFamily, SocketType, bind, socket};
        let itself = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&itself, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let itself = TcpStream::from(itself);
        let address = itself.local_addr().unwrap();
        rustix::net::connect(&itself, &address).unwrap();
        assert!(is_its_own_peer(&itself, address));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let other = connect_by(Instant::now() + CONNECT_TIMEOUT, address).unwrap();
        assert!(!is_its_own_peer(&other, address));
    }

    #[test]
    fn a_refusal_names_target_and_cause() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let error = connect("127.0.0.1", port).unwrap_err();
        assert_eq!(error, format!("cannot connect to 127.0.0.1:{port}: connection refused"));
        assert_eq!(show("::1", 5900), "[::1]:5900");
    }
}
