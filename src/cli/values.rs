//! Values of flags: each function takes the text and says in its error what is wrong with it.

use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use super::error::{UsageError, quoted};
use crate::net::tls::TlsFiles;
use crate::sys::logging::LogFormat;

#[cfg(test)]
mod tests;

/// Longest time that can be given, in seconds: 31 years is a typing mistake already, and a clock can still
/// add it.
const MOST_SECONDS: f64 = 1e9;

/// Header fields that say where a message ends or what the connection is. The server writes them; a second
/// one would let a client and a proxy disagree about that.
const FRAMING_HEADERS: [&str; 5] = ["connection", "content-length", "trailer", "transfer-encoding", "upgrade"];

/// The same for a websocket's handshake: every name that begins so.
const HANDSHAKE_HEADERS: &str = "sec-websocket-";

/// Any text.
pub fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// The form of a log line.
pub fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("{} is neither text nor json", quoted(text))),
    }
}

/// What `--cert` and `--key` mean together.
pub fn tls_files(cert: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<TlsFiles>, UsageError> {
    match (cert, key) {
        (Some(cert), key) => Ok(Some(TlsFiles { cert, key })),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(UsageError::about("--key", "needs the certificate, --cert")),
    }
}

/// A TCP port.
pub fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("{} is not a port (0 to 65535)", quoted(text)))
}

/// A time in seconds, decimals allowed.
pub fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|seconds| (0.0..=MOST_SECONDS).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("{} is not a number of seconds (0 to {MOST_SECONDS})", quoted(text)))
}

/// A whole number, 1 or more.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|&count| count >= 1)
        .ok_or_else(|| format!("{} is not a whole number of at least 1", quoted(text)))
}

/// An IP address, an IPv6 one with or without brackets.
pub fn ip_address(text: &str) -> Result<IpAddr, String> {
    match bracketed(text) {
        Some(inner) => inner.parse().map(IpAddr::V6).ok(),
        None => text.parse().ok(),
    }
    .ok_or_else(|| format!("{} is not an IP address", quoted(text)))
}

/// A host name or IP address without a port. Brackets around an IPv6 address are taken off.
pub fn host(text: &str) -> Result<String, String> {
    let name = bracketed(text).unwrap_or(text);
    let is_name = name == text && !name.contains([':', '/', '[', ']', '@']);
    let is_plain = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control());
    if is_plain && (is_name || is_ipv6(name)) {
        return Ok(name.to_owned());
    }
    Err(format!("{} is not a host name or an IP address (a port does not belong here)", quoted(text)))
}

/// `*`, or an origin as a browser writes it: lower case, and without the port that the scheme implies.
pub fn origin(text: &str) -> Result<String, String> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    normal_origin(&text.to_ascii_lowercase())
        .ok_or_else(|| format!("{} is neither * nor scheme://host or scheme://host:port", quoted(text)))
}

/// `NAME=VALUE` of a header field that every HTTP answer is to carry.
pub fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{} is not NAME=VALUE", quoted(text)))?;
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(is_token) {
        return Err(format!("{} is not a name that a header can have", quoted(name)));
    }
    let lower = name.to_ascii_lowercase();
    if FRAMING_HEADERS.contains(&lower.as_str()) || lower.starts_with(HANDSHAKE_HEADERS) {
        return Err(format!("{} cannot be set: it frames the message, which is the server's part", quoted(name)));
    }
    if !value.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
        return Err(format!("the value of {} may hold printable ASCII only", quoted(name)));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn bracketed(text: &str) -> Option<&str> {
    text.strip_prefix('[')?.strip_suffix(']')
}

/// An IPv6 address, with the name of an interface after `%` if it needs one.
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "-"));
    address.parse::<Ipv6Addr>().is_ok() && !zone.is_empty()
}

fn normal_origin(text: &str) -> Option<String> {
    let (scheme, authority) = text.split_once("://")?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let (host, port) = match authority.rsplit_once(':') {
        // The colons inside brackets belong to the address.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse::<u16>().ok()?)),
        _ => (authority, None),
    };
    let is_host = match bracketed(host) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)),
    };
    if !is_scheme || !is_host {
        return None;
    }
    Some(match (scheme, port) {
        (_, None) | ("http", Some(80)) | ("https", Some(443)) => format!("{scheme}://{host}"),
        (_, Some(port)) => format!("{scheme}://{host}:{port}"),
    })
}
