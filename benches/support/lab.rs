//! The ways from a client to the backend, all open at once for the whole run.
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;

use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use tempfile::TempDir;

use super::backend::{self, Backend};
use super::client::{Client, Wire};
use super::process::Process;
use super::settings::Settings;
use super::{named, relay};

/// What a client speaks on a way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Bytes as they are.
    Tcp,
    /// A websocket.
    Ws,
    /// A websocket within TLS.
    Wss,
}

/// One way from the client to the backend.
pub(crate) struct Variant {
    /// As it heads a column.
    pub(crate) name: &'static str,
    /// What a client speaks there.
    pub(crate) scheme: Scheme,
    port: u16,
    /// What runs in between.
    pub(crate) process: Option<Process>,
}

impl Variant {
    /// A way through a process.
    pub(crate) fn through(name: &'static str, scheme: Scheme, process: Process) -> Self {
        Self { name, scheme, port: process.port, process: Some(process) }
    }

    /// CPU time that the proxy has used up to now; none without a proxy.
    pub(crate) fn cpu_seconds(&self) -> io::Result<Option<f64>> {
        self.process.as_ref().map(Process::cpu_seconds).transpose()
    }

    /// Process id of the proxy.
    pub(crate) fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }
}

/// Where in [`Lab::variants`] the one is that the others are compared with.
pub(crate) const YARDSTICK: usize = 1;

/// Both ends and all ways between them.
pub(crate) struct Lab {
    /// The far side.
    pub(crate) backend: Backend,
    /// The ways.
    pub(crate) variants: Vec<Variant>,
    /// Bytes that a round moves in the rows with large frames.
    pub(crate) bytes: usize,
    tls: SslConnector,
    /// `certificate.pem` and `key.pem`, as long as a server may want to read them again.
    pub(crate) files: TempDir,
}

impl Lab {
    /// Starts every proxy.
    pub(crate) fn open(settings: &Settings) -> io::Result<Self> {
        let backend = Backend::open()?;
        let direct = Variant { name: "direct", scheme: Scheme::Tcp, port: backend.port, process: None };

        let files = tempfile::tempdir()?;
        let (certificate, key) = (files.path().join("certificate.pem"), files.path().join("key.pem"));
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).map_err(io::Error::other)?;
        fs::write(&certificate, made.cert.pem())?;
        fs::write(&key, made.signing_key.serialize_pem())?;

        let ws = server(&settings.server, backend.port, &[], "ws")?;
        let tls_flags = ["--cert".as_ref(), certificate.as_path(), "--key".as_ref(), key.as_path()];
        let wss = server(&settings.server, backend.port, &tls_flags, "wss")?;
        let variants = vec![
            direct,
            Variant::through("relay 64 KiB", Scheme::Tcp, relay::start(64 << 10, backend.port)?),
            Variant::through("relay 256 KiB", Scheme::Tcp, relay::start(256 << 10, backend.port)?),
            Variant::through("berth ws", Scheme::Ws, ws),
            Variant::through("berth wss", Scheme::Wss, wss),
        ];
        Ok(Self { backend, variants, bytes: settings.bytes, tls: connector(&certificate)?, files })
    }

    /// A client at the near end of a way; the far end waits to be accepted.
    pub(crate) fn connect(&self, variant: &Variant) -> io::Result<Client> {
        let stream = backend::connect((Ipv4Addr::LOCALHOST, variant.port).into())?;
        match variant.scheme {
            Scheme::Tcp => Ok(Client::raw(stream)),
            Scheme::Ws => Client::websocket(Wire::Plain(stream), variant.port),
            Scheme::Wss => {
                let stream = self.tls.connect("127.0.0.1", stream).map_err(io::Error::other)?;
                Client::websocket(Wire::Tls(Box::new(stream)), variant.port)
            }
        }
    }

    /// Both ends of a new connection.
    pub(crate) fn pair(&self, variant: &Variant) -> io::Result<(Client, TcpStream)> {
        Ok((self.connect(variant)?, self.backend.accept()?))
    }
}

/// Starts the server of this build. No pings, since nothing but the payload shall move.
fn server(program: &Path, target: u16, flags: &[&Path], scheme: &str) -> io::Result<Process> {
    let mut command = Command::new(program);
    command.args(["--bind_address", "127.0.0.1", "--client_hostname", "127.0.0.1"]);
    command.arg("--client_port").arg(target.to_string()).args(["--heartbeat", "0", "--verbose", "1"]);
    command.args(flags).arg("0");
    Process::start(&mut command, scheme).map_err(|error| named(&error, "websocketserver"))
}

/// A TLS client that trusts this one certificate, and reads a record with one call where OpenSSL would use two.
fn connector(certificate: &Path) -> io::Result<SslConnector> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    builder.set_ca_file(certificate)?;
    builder.set_verify(SslVerifyMode::PEER);
    builder.set_read_ahead(true);
    Ok(builder.build())
}
