//! Where an EnSight is, and what becomes of a call to it.

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

use super::super::config::{GrpcConfig, Target};
use crate::net::backend;

/// How EnSight's gRPC service is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Address {
    /// Plain TCP.
    Tcp(Target),
    /// TLS over TCP, each side with a certificate; the folder with ours.
    MutualTls(Target, PathBuf),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// What the flags mean. `certificates` is the folder that the environment names.
    pub(super) fn of(config: &GrpcConfig, certificates: Option<&Path>) -> Self {
        let target = config.target.clone();
        // Clients of EnSight decide in this order, and their launchers give all these flags together.
        match &config.uds_pathname {
            _ if config.use_tcp_sockets && config.disable_tls => Self::Tcp(target),
            _ if config.use_tcp_sockets => {
                Self::MutualTls(target, certificates.unwrap_or(Path::new("certs")).to_owned())
            }
            Some(path) => {
                let mut socket = path.clone().into_os_string();
                socket.push(".sock");
                Self::Unix(socket.into())
            }
            None => Self::Tcp(target),
        }
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(target) => f.write_str(&backend::show(&target.host, target.port)),
            Self::MutualTls(target, _) => write!(f, "{} (TLS)", backend::show(&target.host, target.port)),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// One EnSight, as one who may talk to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Line {
    pub(super) address: Address,
    /// Sent with each call.
    pub(super) secret: Option<String>,
}

/// What EnSight is to do with a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Run it; there is no result.
    Exec = 0,
    /// Evaluate it; the result is JSON.
    EvalJson = 2,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// EnSight is not there, has gone, or refuses to speak; a sentence.
    Away(String),
    /// It has not answered in time.
    Slow(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_choose_the_transport() {
        let target = Target { host: "far".to_owned(), port: 3 };
        let config = |use_tcp_sockets, disable_tls, uds: Option<&str>| GrpcConfig {
            target: target.clone(),
            use_tcp_sockets,
            allow_network_connections: true,
            disable_tls,
            uds_pathname: uds.map(PathBuf::from),
        };
        let of = |config: GrpcConfig| Address::of(&config, None);
        let (plain, unix) = (Address::Tcp(target.clone()), Address::Unix("S/pyensight.sock".into()));
        assert_eq!(of(config(false, false, None)), plain);
        assert_eq!(of(config(false, true, None)), plain);
        assert_eq!(of(config(true, true, None)), plain);
        assert_eq!(of(config(true, true, Some("S/pyensight"))), plain);
        assert_eq!(of(config(false, false, Some("S/pyensight"))), unix);
        assert_eq!(of(config(true, false, None)), Address::MutualTls(target.clone(), "certs".into()));
        let named = Address::of(&config(true, false, Some("p")), Some(Path::new("/c")));
        assert_eq!(named.to_string(), "far:3 (TLS)");
        assert_eq!(named, Address::MutualTls(target, "/c".into()));
    }
}
