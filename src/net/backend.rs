//! Connecting to a TCP service by name.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
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
        let Some(rest) = deadline.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) else {
            break;
        };
        match TcpStream::connect_timeout(&address, rest) {
            // A port in the range that clients' ports are taken from may connect to itself while nobody listens.
            Ok(stream) if stream.local_addr().ok() == stream.peer_addr().ok() => {
                "connection refused".clone_into(&mut last);
            }
            Ok(stream) => {
                tune(&stream).map_err(|error| name(error.to_string()))?;
                return Ok(stream);
            }
            Err(error) => last = describe(&error),
        }
    }
    Err(name(last))
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

/// Sets what every TCP socket here has: no delay for small writes, and keepalive.
///
/// # Errors
/// The socket is not connected any more.
pub fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_PROBES)?;
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

    #[test]
    fn a_refusal_names_target_and_cause() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let error = connect("127.0.0.1", port).unwrap_err();
        assert_eq!(error, format!("cannot connect to 127.0.0.1:{port}: connection refused"));
        assert_eq!(show("::1", 5900), "[::1]:5900");
    }
}
