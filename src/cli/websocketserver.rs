//! The command line of `websocketserver`: what the original takes, and some flags of our own.

use std::ffi::OsString;
use std::time::Duration;

use super::error::{UsageError, quoted};
use super::words::{Words, utf8};
use super::{argparse, help, values};
use crate::sys::logging::{LogConfig, LogFormat};
use crate::websocketserver::config::{Config, GrpcConfig, HttpConfig, LocalApp, LocalSession, ServicesConfig, Target};

mod installation;
mod table;
#[cfg(test)]
mod tests;

pub use table::COMMAND;

/// What a command line of `websocketserver` asks for.
pub type Parsed = super::Parsed<Config>;

const HTTP_PORT: u16 = 9090;
const HOST: &str = "localhost";
const VERBOSITY: u8 = 1;
/// The highest level of `--verbose`; a higher number means the same.
const MOST_VERBOSE: u8 = 3;
/// Most instances of one application: a bound on a number that becomes slots in memory.
const MOST_INSTANCES: u32 = 1000;
const HEARTBEAT: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(300);
const LAUNCH_TIMEOUT: Duration = Duration::from_secs(60);
const RECONNECT_GRACE: Duration = Duration::ZERO;
const GRPC_TIMEOUT: Duration = Duration::from_secs(300);

/// Where the security token is found when no flag gives it.
const TOKEN_VARIABLE: &str = "WEBSOCKETSERVER_SECURITY_TOKEN";

/// Reads a command line, without the program's name, in the light of the environment.
pub fn parse(mut args: Vec<OsString>, env: &[(OsString, OsString)]) -> Result<Parsed, UsageError> {
    let script = installation::take_script(&mut args);
    let mut words = argparse::normalise(&COMMAND, args)?;
    if words.switch("--help") {
        return Ok(Parsed::Help(help::render(&COMMAND)));
    }
    if words.switch("--version") {
        return Ok(Parsed::Version(format!("{} {}", COMMAND.name, env!("CARGO_PKG_VERSION"))));
    }
    let mut config = config(&mut words, env)?;
    if config.install_root.is_none() {
        config.install_root = installation::root(script.as_deref(), env);
    }
    config.ws_port = ws_port(words.positionals())?;
    check_listeners(&config)?;
    Ok(Parsed::Run(Box::new(config)))
}

/// Everything that flags say.
fn config(words: &mut Words, env: &[(OsString, OsString)]) -> Result<Config, UsageError> {
    // Separate statements where one thing needs another; every flag is read, whether it has an effect or not.
    let _no_effect = words.switch("--separate_loops");
    let host = words.last("--client_hostname", values::host)?.unwrap_or_else(|| HOST.to_owned());
    let http_port = words.last("--http_port", values::port)?.unwrap_or(HTTP_PORT);
    let heartbeat = words.last("--heartbeat", values::seconds)?.unwrap_or(HEARTBEAT);
    Ok(Config {
        ws_port: None,
        bind_address: words.last("--bind_address", values::ip_address)?,
        http: words.path("--http_directory")?.map(|directory| HttpConfig { directory, port: http_port }),
        tls: values::tls_files(words.path("--cert")?, words.path("--key")?)?,
        security_token: security_token(words, env)?,
        target: optional_port(words, "--client_port")?.map(|port| Target { host: host.clone(), port }),
        grpc: grpc(words, host)?,
        grpc_timeout: words.last("--grpc_timeout", values::seconds)?.unwrap_or(GRPC_TIMEOUT),
        services: services(words)?,
        add_headers: words.all("--add_header", values::header)?,
        allow_origins: words.all("--allow_origin", values::origin)?,
        heartbeat: Some(heartbeat).filter(|heartbeat| !heartbeat.is_zero()),
        max_connections: words.last("--max_connections", values::at_least_one)?,
        install_root: words.path("--install_root")?,
        metrics: words.switch("--metrics"),
        log: log(words)?,
    })
}

/// The one word without a flag; `-1` is no port.
fn ws_port(positionals: Vec<OsString>) -> Result<Option<u16>, UsageError> {
    let name = COMMAND.positional.name;
    let mut positionals = positionals.into_iter();
    let port = positionals
        .next()
        .ok_or_else(|| UsageError::new(format!("{name} is missing: the port for websockets, or -1 for none")))?;
    if let Some(second) = positionals.next() {
        let cause = format!("unexpected {} after {name} {}", quoted(second), quoted(port));
        return Err(UsageError::new(cause));
    }
    match utf8(name, &port)? {
        "-1" => Ok(None),
        port => values::port(port).map(Some).map_err(|cause| UsageError::about(name, &cause)),
    }
}

/// What can be known to fail before a port is opened.
fn check_listeners(config: &Config) -> Result<(), UsageError> {
    let name = COMMAND.positional.name;
    match (config.ws_port, config.http.as_ref().map(|http| http.port)) {
        (None, None) => Err(UsageError::about(name, "with -1 and no --http_directory there is nothing to listen on")),
        (Some(ws), Some(http)) if ws == http && ws != 0 => Err(UsageError::about(
            name,
            &format!("{ws} is --http_port too; give another, or -1, since the HTTP port takes websockets as well"),
        )),
        _ => Ok(()),
    }
}

/// The flag, else the environment; an empty token is none in both.
fn security_token(words: &mut Words, env: &[(OsString, OsString)]) -> Result<Option<String>, UsageError> {
    let token = match words.last("--security_token", values::text)? {
        Some(token) => token,
        None => match env.iter().find(|(name, _)| name == TOKEN_VARIABLE) {
            Some((_, value)) => utf8(TOKEN_VARIABLE, value)?.to_owned(),
            None => return Ok(None),
        },
    };
    Ok(Some(token).filter(|token| !token.is_empty()))
}

/// How gRPC is reached. Launchers give these flags always, so without a port they are nothing to complain of.
fn grpc(words: &mut Words, host: String) -> Result<Option<GrpcConfig>, UsageError> {
    let port = optional_port(words, "--grpc_port")?;
    let use_tcp_sockets = words.switch("--grpc_use_tcp_sockets");
    let allow_network_connections = words.switch("--grpc_allow_network_connections");
    let disable_tls = words.switch("--grpc_disable_tls");
    let uds_pathname = words.path("--grpc_uds_pathname")?;
    Ok(port.map(|port| GrpcConfig {
        target: Target { host, port },
        use_tcp_sockets,
        allow_network_connections,
        disable_tls,
        uds_pathname,
    }))
}

fn services(words: &mut Words) -> Result<ServicesConfig, UsageError> {
    Ok(ServicesConfig {
        remote_session_config: words.path("--remote_session_config")?,
        local_sessions: local_sessions(words.all("--local_session", local_session)?),
        timeout: words.last("--timeout", values::seconds)?.unwrap_or(TIMEOUT),
        reconnect_grace: words.last("--reconnect_grace", values::seconds)?.unwrap_or(RECONNECT_GRACE),
        launch_timeout: words.last("--launch_timeout", values::seconds)?.unwrap_or(LAUNCH_TIMEOUT),
        python: words.path("--python")?,
    })
}

/// One entry for each application: the last count given, at the place of the first. A count of 0 is no entry.
fn local_sessions(given: Vec<LocalSession>) -> Vec<LocalSession> {
    let mut sessions: Vec<LocalSession> = Vec::new();
    for session in given {
        match sessions.iter_mut().find(|known| known.app == session.app) {
            Some(known) => known.count = session.count,
            None => sessions.push(session),
        }
    }
    sessions.retain(|session| session.count > 0);
    sessions
}

fn local_session(text: &str) -> Result<LocalSession, String> {
    let mut words = text.split_whitespace();
    let (Some(app), Some(count), None) = (words.next(), words.next(), words.next()) else {
        return Err(format!("{} is not APP COUNT", quoted(text)));
    };
    let app = match app.to_ascii_lowercase().as_str() {
        "ensight" => LocalApp::EnSight,
        "envision" => LocalApp::EnVision,
        _ => return Err(format!("{} is neither ensight nor envision", quoted(app))),
    };
    let count = count
        .parse()
        .ok()
        .filter(|count| *count <= MOST_INSTANCES)
        .ok_or_else(|| format!("{} is not a number of instances (0 to {MOST_INSTANCES})", quoted(count)))?;
    Ok(LocalSession { app, count })
}

fn log(words: &mut Words) -> Result<LogConfig, UsageError> {
    Ok(LogConfig {
        verbosity: words.last("--verbose", verbosity)?.unwrap_or(VERBOSITY),
        file: words.path("--log_file")?.filter(|file| file.as_os_str() != "-"),
        format: words.last("--log_format", values::log_format)?.unwrap_or(LogFormat::Text),
    })
}

fn verbosity(text: &str) -> Result<u8, String> {
    let level: u32 = text.parse().map_err(|_| format!("{} is not a level (0 to {MOST_VERBOSE})", quoted(text)))?;
    Ok(u8::try_from(level).unwrap_or(MOST_VERBOSE).min(MOST_VERBOSE))
}

/// A port of which 0 means none: nothing can be reached there.
fn optional_port(words: &mut Words, long: &'static str) -> Result<Option<u16>, UsageError> {
    Ok(words.last(long, values::port)?.filter(|port| *port != 0))
}
