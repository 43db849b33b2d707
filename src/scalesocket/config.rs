//! What a command line of `scalesocket` means, once it has been checked.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use crate::net::tls::TlsFiles;
use crate::sys::logging::LogConfig;

/// Everything `scalesocket` is told at start.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Config {
    /// `<CMD>`: a name that the child's PATH knows, or a path. Not looked at before it is needed.
    pub command: OsString,
    /// What follows `--`, as given.
    pub args: Vec<OsString>,
    /// `--addr`.
    pub address: SocketAddr,
    /// Certificate and key; `None` is plain text.
    pub tls: Option<TlsFiles>,
    /// How bytes become messages and messages bytes.
    pub data: DataConfig,
    /// `--joinmsg`: told to the command when a member comes.
    pub join_message: Option<String>,
    /// `--leavemsg`: told to the command when a member goes.
    pub leave_message: Option<String>,
    /// `--passenv`: names of variables that the command gets from the server's environment.
    pub pass_env: Vec<OsString>,
    /// `--tcp`: the command is reached by TCP and not by its standard streams.
    pub tcp: bool,
    /// `--tcpports START:END`, without the end.
    pub tcp_ports: Range<u16>,
    /// `--cmd-attach-delay`: nothing is read or written before this has passed.
    pub attach_delay: Duration,
    /// `--oneshot`: one room, and the end of the server with its first member or its command.
    pub oneshot: bool,
    /// `--rooms`: the only names allowed; `None` is any.
    pub rooms: Option<Vec<String>>,
    /// `--maxrooms`: most rooms at once.
    pub max_rooms: Option<usize>,
    /// `--cache`: messages kept for those who come later.
    pub cache: Option<CacheConfig>,
    /// `--slow`: what becomes of a member that does not keep up.
    pub slow: SlowPolicy,
    /// `--mailbox`: bytes that may wait for one member.
    pub mailbox: usize,
    /// `--staticdir`.
    pub static_dir: Option<PathBuf>,
    /// `--stats`: `/ROOM/stats`.
    pub stats: bool,
    /// `--api`: `/api/…`.
    pub api: bool,
    /// `--metrics`: `/metrics`.
    pub metrics: bool,
    /// `--heartbeat`: time between pings; `None` is off.
    pub heartbeat: Option<Duration>,
    /// `--max_connections`: most connections at once; `None` is what the process's limits allow.
    pub max_connections: Option<usize>,
    /// `--allow_origin`: origins, or `*`, that pages of other sites may come from.
    pub allow_origins: Vec<String>,
    /// Where the log goes, and how much of it.
    pub log: LogConfig,
}

/// How the command's bytes and the members' messages become each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataConfig {
    /// What separates the command's messages.
    pub split: Split,
    /// Framing of what members say (`--client-frame` or `--frame`).
    pub client_frame: Option<FrameMode>,
    /// Framing of what the command says (`--server-frame` or `--frame`).
    pub server_frame: Option<FrameMode>,
    /// `--byte-order` of binary framing's numbers.
    pub byte_order: ByteOrder,
    /// `--json-keys`: the keys of JSON framing.
    pub json_keys: JsonKeys,
}

/// What separates the command's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Split {
    /// Lines; a carriage return before the line feed goes too.
    Lines,
    /// `--delimiters`, `--null`: at any of these bytes, never empty.
    At(Vec<u8>),
    /// `--binary`: nothing; what is read is passed on.
    Binary,
}

/// How messages are addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameMode {
    /// A 12-byte header: member, type, length.
    Binary,
    /// A key of a JSON object.
    Json,
}

/// Byte order of the numbers of binary framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    /// As the original has it.
    Little,
    /// As gwsocket has it.
    Big,
}

/// The keys of JSON framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonKeys {
    /// `id` both ways.
    Id,
    /// `_from` to the command; `_to`, `_meta` and `_cache` from it.
    FromTo,
}

/// `--cache`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheConfig {
    /// Most messages kept: 1, 8 or 64.
    pub size: usize,
    /// Only those with `_cache`.
    pub tagged: bool,
    /// `--cachepersist`: also after the command has ended.
    pub persist: bool,
}

/// `--slow`: what becomes of a member whose mailbox is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowPolicy {
    /// It is sent away with 1013.
    Close,
    /// The command waits for it, and with it everybody.
    Block,
    /// It misses messages.
    Drop,
}
