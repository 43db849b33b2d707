//! The ways from a client to the backend, all open at once for the whole run.
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::backend::{self, Backend};
use super::client::{Client, Wire};
use super::process::Process;
use super::settings::Settings;
use super::tls::TlsClient;
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

    /// A websocket within TLS, by a client of its own, and whether that took up a session it knew.
    pub(crate) fn connect_by(&self, tls: &TlsClient) -> io::Result<(Client, bool)> {
        let (stream, resumed) = tls.connect(backend::connect(self.address())?)?;
        Ok((Client::websocket(Wire::Tls(Box::new(stream)), self.port)?, resumed))
    }

    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
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
    tls: TlsClient,
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

        let ws = server(&settings.server, backend.port, None)?;
        let wss = server(&settings.server, backend.port, Some(files.path()))?;
        let variants = vec![
            direct,
            Variant::through("relay 64 KiB", Scheme::Tcp, relay::start(64 << 10, backend.port)?),
            Variant::through("relay 256 KiB", Scheme::Tcp, relay::start(256 << 10, backend.port)?),
            Variant::through("berth ws", Scheme::Ws, ws),
            Variant::through("berth wss", Scheme::Wss, wss),
        ];
        Ok(Self { backend, variants, bytes: settings.bytes, tls: TlsClient::new(&certificate, false)?, files })
    }

    /// A client at the near end of a way; the far end waits to be accepted.
    pub(crate) fn connect(&self, variant: &Variant) -> io::Result<Client> {
        self.client(variant, backend::connect(variant.address())?)
    }

    /// A client that waits so long at most, now and later.
    pub(crate) fn connect_within(&self, variant: &Variant, patience: Duration) -> io::Result<Client> {
        self.client(variant, backend::connect_within(variant.address(), patience)?)
    }

    /// The certificate of every way that has one.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.files.path().join("certificate.pem")
    }

    fn client(&self, variant: &Variant, stream: TcpStream) -> io::Result<Client> {
        match variant.scheme {
            Scheme::Tcp => Ok(Client::raw(stream)),
            Scheme::Ws => Client::websocket(Wire::Plain(stream), variant.port),
            Scheme::Wss => {
                let (stream, _) = self.tls.connect(stream)?;
                Client::websocket(Wire::Tls(Box::new(stream)), variant.port)
            }
        }
    }

    /// Both ends of a new connection.
    pub(crate) fn pair(&self, variant: &Variant) -> io::Result<(Client, TcpStream)> {
        Ok((self.connect(variant)?, self.backend.accept()?))
    }
}

/// Starts the server of this build, with the certificate in a folder or without. No pings, since nothing but the payload
/// shall move.
pub(crate) fn server(program: &Path, target: u16, certificate: Option<&Path>) -> io::Result<Process> {
    let mut command = Command::new(program);
    command.args(["--bind_address", "127.0.0.1", "--client_hostname", "127.0.0.1"]);
    command.arg("--client_port").arg(target.to_string()).args(["--heartbeat", "0", "--verbose", "1"]);
    if let Some(folder) = certificate {
        command.arg("--cert").arg(folder.join("certificate.pem")).arg("--key").arg(folder.join("key.pem"));
    }
    let scheme = if certificate.is_some() { "wss" } else { "ws" };
    Process::start(command.arg("0"), scheme).map_err(|error| named(&error, "websocketserver"))
}
