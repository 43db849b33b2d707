//! What a command line of `websocketserver` means, once it has been checked.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::net::tls::TlsFiles;
use crate::sys::logging::LogConfig;

/// Everything `websocketserver` is told at start.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Port for websockets; 0 is any free port, `None` is no such listener (`-1` on the command line).
    pub ws_port: Option<u16>,
    /// Address of both listeners; `None` is every interface, IPv4 and IPv6.
    pub bind_address: Option<IpAddr>,
    /// The HTTP side: files and REST. `None` without `--http_directory`.
    pub http: Option<HttpConfig>,
    /// Certificate and key for both ports; `None` is plain text.
    pub tls: Option<TlsFiles>,
    /// Shared secret of the REST API; `None` asks for none.
    pub security_token: Option<String>,
    /// Where a websocket without a reservation token is tunnelled to.
    pub target: Option<Target>,
    /// EnSight's gRPC service, to be exposed as REST.
    pub grpc: Option<GrpcConfig>,
    /// `--grpc_timeout`: how long a call to EnSight may take.
    pub grpc_timeout: Duration,
    /// Services that are reserved and launched.
    pub services: ServicesConfig,
    /// `--add_header`: name and value, put on every HTTP response.
    pub add_headers: Vec<(String, String)>,
    /// `--allow_origin`: origins, or `*`, that pages of other sites may come from.
    pub allow_origins: Vec<String>,
    /// Time between pings on a websocket; `None` is off.
    pub heartbeat: Option<Duration>,
    /// `--max_connections`: most connections at once; `None` is what the process's limits allow.
    pub max_connections: Option<usize>,
    /// The Ansys installation's root (the folder that holds `bin`).
    pub install_root: Option<PathBuf>,
    /// Whether `/metrics` is served.
    pub metrics: bool,
    /// Where the log goes, and how much of it.
    pub log: LogConfig,
}

/// `--http_directory` and `--http_port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Root of the files served.
    pub directory: PathBuf,
    /// 0 is any free port.
    pub port: u16,
}

/// A TCP address by name, resolved at each connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Host name, or an IPv4 or IPv6 address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// How EnSight's gRPC service is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcConfig {
    /// Host (`--client_hostname`) and `--grpc_port`.
    pub target: Target,
    /// `--grpc_use_tcp_sockets`.
    pub use_tcp_sockets: bool,
    /// `--grpc_allow_network_connections`.
    pub allow_network_connections: bool,
    /// `--grpc_disable_tls`.
    pub disable_tls: bool,
    /// `--grpc_uds_pathname`, without the `.sock` that EnSight adds.
    pub uds_pathname: Option<PathBuf>,
}

/// Services and their deadlines.
#[derive(Debug, Clone, PartialEq)]
pub struct ServicesConfig {
    /// `--remote_session_config`.
    pub remote_session_config: Option<PathBuf>,
    /// `--local_session`, in the order given.
    pub local_sessions: Vec<LocalSession>,
    /// `--timeout`: an unused reservation is reclaimed after this.
    pub timeout: Duration,
    /// `--reconnect_grace`: how long an instance outlives its last tunnel.
    pub reconnect_grace: Duration,
    /// `--launch_timeout`: a launch that takes longer has failed.
    pub launch_timeout: Duration,
    /// `--python`: the interpreter for script services; `None` is `python3` from PATH.
    pub python: Option<PathBuf>,
}

/// A built-in service, started from the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalSession {
    /// Which application.
    pub app: LocalApp,
    /// How many instances at once.
    pub count: u32,
}

/// The applications that `--local_session` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalApp {
    /// `bin/ensight`.
    EnSight,
    /// `bin/envision`.
    EnVision,
}
