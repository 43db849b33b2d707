//! The kernel's table of TCP sockets. Looking here tells whether a port is listening without connecting to
//! it: some servers (`TigerVNC`) count a connection that hangs up as an attack.

use std::fs;

const ESTABLISHED: &str = "01";
const LISTEN: &str = "0A";

/// Whether some socket listens on `port`.
pub fn listening(port: u16) -> bool {
    count(port, LISTEN) > 0
}

/// How many connections to `port` on this machine are established, counted at the listener's side.
pub fn established(port: u16) -> usize {
    count(port, ESTABLISHED)
}

fn count(port: u16, state: &str) -> usize {
    let suffix = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok()) // no tcp6 where IPv6 is off
        .map(|table| table.lines().skip(1).filter(|line| has(line, &suffix, state)).count())
        .sum()
}

fn has(line: &str, port_suffix: &str, state: &str) -> bool {
    let mut fields = line.split_ascii_whitespace().skip(1); // slot number, then:
    let local = fields.next().unwrap_or_default();
    fields.nth(1) == Some(state) && local.ends_with(port_suffix)
}
