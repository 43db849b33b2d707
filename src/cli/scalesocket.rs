//! The command line of `scalesocket`: what the original takes, what its later releases take, and some flags of our own.

use std::ffi::{OsStr, OsString};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use super::error::{UsageError, quoted};
use super::words::Words;
use super::{clap, help, values};
use crate::scalesocket::config::{ByteOrder, CacheConfig, Config, DataConfig, FrameMode, JsonKeys, SlowPolicy, Split};
use crate::sys::logging::{LogConfig, LogFormat};

mod table;
#[cfg(test)]
mod tests;

pub use table::COMMAND;

/// What a command line of `scalesocket` asks for.
pub type Parsed = super::Parsed<Config>;

const PORT: u16 = 9000;
const TCP_PORTS: Range<u16> = 9001..9999;
/// What a command needs to come to listen, with `--tcp`.
const TCP_ATTACH_DELAY: Duration = Duration::from_secs(1);
const PASS_ENV: [&str; 2] = ["PATH", "DYLD_LIBRARY_PATH"];
const HEARTBEAT: Duration = Duration::from_secs(30);
const MAILBOX: usize = 16 * 1024 * 1024;
/// Less would not hold what is read from a command at once.
const SMALLEST_MAILBOX: usize = 64 * 1024;
const CACHE_SIZES: [usize; 3] = [1, 8, 64];
/// The level without `-v`, and the highest.
const VERBOSITY: u8 = 1;
const MOST_VERBOSE: u8 = 3;

/// Reads a command line, without the program's name; nothing of the environment counts.
pub fn parse(args: Vec<OsString>) -> Result<Parsed, UsageError> {
    let mut words = clap::normalise(&COMMAND, args)?;
    if words.switch("--help") {
        return Ok(Parsed::Help(help::render(&COMMAND)));
    }
    if words.switch("--version") {
        return Ok(Parsed::Version(format!("{} {}", COMMAND.name, env!("CARGO_PKG_VERSION"))));
    }
    let mut config = config(&mut words)?;
    config.args = words.take_trailing();
    config.command = command(words.positionals())?;
    Ok(Parsed::Run(Box::new(config)))
}

/// Everything that flags say.
fn config(words: &mut Words) -> Result<Config, UsageError> {
    // Separate statements where one thing needs another.
    let data = data(words)?;
    let cache = cache(words, &data)?;
    let tcp = words.switch("--tcp");
    let delay = words.last("--cmd-attach-delay", values::seconds)?;
    let ports = words.last("--tcpports", port_range)?;
    let most = words.last("--maxrooms", values::at_least_one)?;
    if ports.is_some() && most.is_some() {
        return Err(conflict("--maxrooms", "--tcpports"));
    }
    let oneshot = words.switch("--oneshot");
    let heartbeat = words.last("--heartbeat", values::seconds)?.unwrap_or(HEARTBEAT);
    Ok(Config {
        command: OsString::new(),
        args: Vec::new(),
        address: words.last("--addr", address)?.unwrap_or_else(|| (Ipv4Addr::UNSPECIFIED, PORT).into()),
        tls: values::tls_files(words.path("--cert")?, words.path("--key")?)?,
        data,
        join_message: words.last("--joinmsg", values::text)?,
        leave_message: words.last("--leavemsg", values::text)?,
        pass_env: pass_env(&words.all_os("--passenv")?),
        tcp,
        tcp_ports: ports.unwrap_or(TCP_PORTS),
        attach_delay: delay.unwrap_or(if tcp { TCP_ATTACH_DELAY } else { Duration::ZERO }),
        oneshot,
        rooms: words.last("--rooms", rooms)?,
        max_rooms: if oneshot { Some(1) } else { most },
        cache,
        slow: words.last("--slow", slow)?.unwrap_or(SlowPolicy::Close),
        mailbox: words.last("--mailbox", mailbox)?.unwrap_or(MAILBOX),
        static_dir: words.path("--staticdir")?,
        stats: words.switch("--stats"),
        api: words.switch("--api"),
        metrics: words.switch("--metrics"),
        heartbeat: Some(heartbeat).filter(|heartbeat| !heartbeat.is_zero()),
        max_connections: words.last("--max_connections", values::at_least_one)?,
        allow_origins: words.all("--allow_origin", values::origin)?,
        log: log(words)?,
    })
}

/// The one word without a flag before `--`. Whether it can be run is seen when it is.
fn command(positionals: Vec<OsString>) -> Result<OsString, UsageError> {
    let name = COMMAND.positional.name;
    let mut positionals = positionals.into_iter();
    let command = positionals
        .next()
        .ok_or_else(|| UsageError::new(format!("{name} is missing: the command to run, before any --")))?;
    match positionals.next() {
        None => Ok(command),
        Some(second) => Err(UsageError::new(format!(
            "unexpected {} after {name} {}; its arguments stand behind --",
            quoted(second),
            quoted(command)
        ))),
    }
}

fn data(words: &mut Words) -> Result<DataConfig, UsageError> {
    let split = split(words)?;
    let both = words.last("--frame", frame_mode)?;
    let client = words.last("--client-frame", frame_mode)?;
    let server = words.last("--server-frame", frame_mode)?;
    for (one, long) in [(client, "--client-frame"), (server, "--server-frame")] {
        if both.is_some() && one.is_some() {
            return Err(conflict("--frame", long));
        }
    }
    Ok(DataConfig {
        split,
        client_frame: both.or(client),
        server_frame: both.or(server),
        byte_order: words.last("--byte-order", byte_order)?.unwrap_or(ByteOrder::Little),
        json_keys: words.last("--json-keys", json_keys)?.unwrap_or(JsonKeys::Id),
    })
}

fn split(words: &mut Words) -> Result<Split, UsageError> {
    let binary = words.switch("--binary");
    let null = words.switch("--null");
    let given = words.last("--delimiters", delimiters)?;
    if binary && given.is_some() {
        return Err(conflict("--binary", "--delimiters"));
    }
    if binary && null {
        return Err(conflict("--binary", "--null"));
    }
    if binary {
        return Ok(Split::Binary);
    }
    let mut set = given.unwrap_or_default();
    if null {
        set.push(0);
    }
    // A line end alone is not a line: nothing is stripped before it.
    Ok(if set.is_empty() { Split::Lines } else { Split::At(set) })
}

fn cache(words: &mut Words, data: &DataConfig) -> Result<Option<CacheConfig>, UsageError> {
    let given = words.last("--cache", cache_kind)?;
    let persist = words.switch("--cachepersist");
    let Some((tagged, size)) = given else {
        return if persist { Err(UsageError::about("--cachepersist", "needs --cache")) } else { Ok(None) };
    };
    if tagged && (data.json_keys != JsonKeys::FromTo || data.server_frame != Some(FrameMode::Json)) {
        let cause = "tagged needs --json-keys from-to and JSON from the command, --frame=json or --server-frame=json";
        return Err(UsageError::about("--cache", cause));
    }
    Ok(Some(CacheConfig { size, tagged, persist }))
}

fn log(words: &mut Words) -> Result<LogConfig, UsageError> {
    let json = words.switch("--json");
    let format = words.last("--log", values::log_format)?;
    if json && format.is_some() {
        return Err(conflict("--json", "--log"));
    }
    let more = u8::try_from(words.count("-v")).unwrap_or(MOST_VERBOSE);
    Ok(LogConfig {
        verbosity: VERBOSITY.saturating_add(more).min(MOST_VERBOSE),
        file: words.path("--log_file")?.filter(|file| file.as_os_str() != "-"),
        format: format.unwrap_or(if json { LogFormat::Json } else { LogFormat::Text }),
    })
}

fn conflict(one: &str, other: &str) -> UsageError {
    UsageError::about(one, &format!("cannot be used with {other}"))
}

/// Names by commas, of every time the flag was given; empty names are none.
fn pass_env(given: &[OsString]) -> Vec<OsString> {
    if given.is_empty() {
        return PASS_ENV.iter().map(OsString::from).collect();
    }
    let names = given.iter().flat_map(|list| list.as_bytes().split(|&byte| byte == b','));
    names.filter(|name| !name.is_empty()).map(|name| OsStr::from_bytes(name).to_owned()).collect()
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{} is not IP:PORT or [IPv6]:PORT, in numbers", quoted(text)))
}

fn port_range(text: &str) -> Result<Range<u16>, String> {
    text.split_once(':')
        .and_then(|(start, end)| Some(start.parse().ok()?..end.parse().ok()?))
        .ok_or_else(|| format!("{} is not START:END, two ports", quoted(text)))
}

fn frame_mode(text: &str) -> Result<FrameMode, String> {
    match text {
        "binary" => Ok(FrameMode::Binary),
        "json" => Ok(FrameMode::Json),
        _ => Err(format!("{} is neither binary nor json", quoted(text))),
    }
}

fn json_keys(text: &str) -> Result<JsonKeys, String> {
    match text {
        "id" => Ok(JsonKeys::Id),
        "from-to" => Ok(JsonKeys::FromTo),
        _ => Err(format!("{} is neither id nor from-to", quoted(text))),
    }
}

fn byte_order(text: &str) -> Result<ByteOrder, String> {
    match text {
        "little" => Ok(ByteOrder::Little),
        "big" => Ok(ByteOrder::Big),
        _ => Err(format!("{} is neither little nor big", quoted(text))),
    }
}

fn slow(text: &str) -> Result<SlowPolicy, String> {
    match text {
        "close" => Ok(SlowPolicy::Close),
        "block" => Ok(SlowPolicy::Block),
        "drop" => Ok(SlowPolicy::Drop),
        _ => Err(format!("{} is neither close, block nor drop", quoted(text))),
    }
}

fn mailbox(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|&bytes| bytes >= SMALLEST_MAILBOX)
        .ok_or_else(|| format!("{} is not a number of bytes of at least {SMALLEST_MAILBOX}", quoted(text)))
}

/// Single bytes: one of several bytes would end messages inside of other characters.
fn delimiters(text: &str) -> Result<Vec<u8>, String> {
    if text.is_empty() {
        return Err("the value is empty".to_owned());
    }
    match text.chars().find(|letter| !letter.is_ascii()) {
        Some(wide) => Err(format!("{} is not an ASCII character", quoted(wide.to_string()))),
        None => Ok(text.bytes().collect()),
    }
}

/// Names as they stand in paths: they are compared as they are, so what no path can hold is a mistake.
fn rooms(text: &str) -> Result<Vec<String>, String> {
    let is_segment =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !b"/?#".contains(&b));
    text.split(',')
        .map(|name| {
            let room = Some(name).filter(|name| is_segment(name));
            room.map(str::to_owned).ok_or_else(|| format!("{} cannot be the path of a room", quoted(name)))
        })
        .collect()
}

/// Whether only tagged messages are kept, and how many.
fn cache_kind(text: &str) -> Result<(bool, usize), String> {
    let (kind, size) = text.split_once(':').unwrap_or(("all", text));
    let tagged = match kind {
        "all" => false,
        "tagged" => true,
        _ => return Err(format!("{} is neither all nor tagged", quoted(kind))),
    };
    let size = CACHE_SIZES.into_iter().find(|known| known.to_string() == size);
    size.map(|size| (tagged, size)).ok_or_else(|| format!("{} does not end with 1, 8 or 64 messages", quoted(text)))
}
