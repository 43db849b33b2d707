//! Who is measured, and how each is configured: as one would who reads its manual and wants speed.
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use openssl::pkcs12::Pkcs12;
use openssl::pkey::PKey;
use openssl::x509::X509;

use crate::support::lab::{self, Lab, Scheme, Variant};
use crate::support::process::Process;
use crate::support::relay;
use crate::support::settings::Settings;
use crate::support::verify;

/// The way that the others are compared with; see [`lab`].
pub(crate) const YARDSTICK: &str = "relay 256 KiB";

/// The lab with all ways through which every byte arrives; who is missing or wrong is left out and named.
pub(crate) fn lab(settings: &Settings, with_peers: bool) -> io::Result<Lab> {
    let mut lab = Lab::open(settings)?;
    // The faster relay is the yardstick; no proxy at all would only say what the ends can.
    lab.variants.retain(|variant| variant.name == YARDSTICK || variant.name.starts_with("berth"));
    if with_peers {
        for (name, scheme, start) in PEERS {
            match start(&lab) {
                Ok(Some(process)) => lab.variants.push(Variant::through(name, *scheme, process)),
                Ok(None) => println!("{name}: not installed"),
                Err(error) => println!("{name}: {error}"),
            }
        }
    }
    let mut wrong = Vec::new();
    for variant in &lab.variants {
        if let Err(error) = verify::bytes(&lab, variant) {
            println!("{}: {error}", variant.name);
            // A way that drains the queue of connections late would hand its own to the next one.
            wrong.push(variant.name);
        }
    }
    if wrong.iter().any(|name| name.starts_with("berth")) {
        return Err(io::Error::other("ours does not carry every byte"));
    }
    lab.variants.retain(|variant| !wrong.contains(&variant.name));
    Ok(lab)
}

/// One more process of a way.
pub(crate) fn start(lab: &Lab, settings: &Settings, name: &str) -> io::Result<Process> {
    match name {
        YARDSTICK => relay::start(256 << 10, lab.backend.port),
        "berth ws" => lab::server(&settings.server, lab.backend.port, None),
        "berth wss" => lab::server(&settings.server, lab.backend.port, Some(lab.files.path())),
        _ => {
            let peer = PEERS.iter().find(|(peer, ..)| *peer == name);
            let started = peer.map_or(Ok(None), |(_, _, start)| start(lab))?;
            started.ok_or_else(|| io::Error::other("no longer installed"))
        }
    }
}

/// `None` where it is not installed.
type Start = fn(&Lab) -> io::Result<Option<Process>>;

/// The columns beside ours.
const PEERS: &[(&str, Scheme, Start)] = &[
    ("lighttpd ws", Scheme::Ws, |lab| lighttpd(&tunnel_settings(lab, false))),
    ("lighttpd wss", Scheme::Wss, |lab| lighttpd(&tunnel_settings(lab, true))),
    ("websocat 4 ws", Scheme::Ws, |lab| websocat4(lab)),
    ("websocat 1 ws", Scheme::Ws, |lab| websocat1(lab, false)),
    ("websocat 1 wss", Scheme::Wss, |lab| websocat1(lab, true)),
    ("websockify ws", Scheme::Ws, |lab| websockify(lab, false)),
    ("websockify wss", Scheme::Wss, |lab| websockify(lab, true)),
];

/// lighttpd with `mod_wstunnel`. One worker, which is its default: its manual advises against more.
fn tunnel_settings(lab: &Lab, tls: bool) -> String {
    let folder = lab.files.path().display();
    let (modules, tls) = if tls {
        let engine = "ssl.engine = \"enable\"\n";
        let files = format!("ssl.pemfile = \"{folder}/certificate.pem\"\nssl.privkey = \"{folder}/key.pem\"\n");
        ("\"mod_openssl\", \"mod_wstunnel\"", format!("{engine}{files}"))
    } else {
        ("\"mod_wstunnel\"", String::new())
    };
    // Without a frame type it sends text, which must be UTF-8.
    format!(
        "server.modules = ({modules})\nserver.document-root = \"{folder}\"\n{tls}wstunnel.frame-type = \"binary\"\n\
         wstunnel.server = (\"/\" => ((\"host\" => \"127.0.0.1\", \"port\" => {})))\n",
        lab.backend.port
    )
}

/// lighttpd, with what its settings do not say: where, and limits above what is measured.
pub(crate) fn lighttpd(settings: &str) -> io::Result<Option<Process>> {
    let Some(program) = find("debian/usr/sbin/lighttpd") else {
        return Ok(None);
    };
    let port = free_port()?;
    let file = tempfile::Builder::new().suffix(".conf").tempfile()?;
    // It keeps the number of requests in 16 bits: a larger one would be a smaller one.
    let limits = "server.max-fds = 40000\nserver.max-connections = 20000\nserver.max-keep-alive-requests = 65535\n";
    fs::write(&file, format!("server.bind = \"127.0.0.1\"\nserver.port = {port}\n{limits}{settings}"))?;
    let mut command = Command::new(&program);
    command.arg("-D").arg("-f").arg(file.path());
    // Unpacked into a folder its modules are beside it; installed it knows where they are.
    if let Some(modules) = program.parent().and_then(Path::parent).map(|usr| usr.join("lib/lighttpd"))
        && modules.is_dir()
    {
        command.arg("-m").arg(modules);
    }
    // It has read the file once it listens.
    Process::start_silent(&mut command, port).map(Some)
}

/// websocat 4, an alpha release: buffers as large as ours grow.
fn websocat4(lab: &Lab) -> io::Result<Option<Process>> {
    let Some(program) = find("websocat4/bin/websocat") else {
        return Ok(None);
    };
    let port = free_port()?;
    let mut command = Command::new(program);
    command.args(["-b", "-B", "262144", "--server-protocol-choose-first"]);
    command.arg(format!("ws-l:127.0.0.1:{port}")).arg(format!("tcp:127.0.0.1:{}", lab.backend.port));
    Process::start_silent(&mut command, port).map(Some)
}

/// websocat 1: it refuses a client that offers a subprotocol unless it is told to agree to one, sends text unless told
/// otherwise, and cuts messages longer than its buffer into several.
fn websocat1(lab: &Lab, tls: bool) -> io::Result<Option<Process>> {
    let Some(program) = find("websocat1/bin/websocat") else {
        return Ok(None);
    };
    let port = free_port()?;
    let mut command = Command::new(program);
    command.args(["-b", "-E", "-q", "--server-protocol", "binary", "-B", "262144"]);
    if tls {
        let identity = lab.files.path().join("identity.p12");
        fs::write(&identity, pkcs12(lab.files.path())?)?;
        command.arg(option("--pkcs12-der=", identity.as_os_str())).arg("--pkcs12-passwd=berth");
    }
    let scheme = if tls { "wss-l" } else { "ws-l" };
    command.arg(format!("{scheme}:127.0.0.1:{port}")).arg(format!("tcp:127.0.0.1:{}", lab.backend.port));
    Process::start_silent(&mut command, port).map(Some)
}

/// The certificate and its key in the one form that websocat 1 reads.
fn pkcs12(folder: &Path) -> io::Result<Vec<u8>> {
    let certificate = X509::from_pem(&fs::read(folder.join("certificate.pem"))?)?;
    let key = PKey::private_key_from_pem(&fs::read(folder.join("key.pem"))?)?;
    let identity = Pkcs12::builder().name("berth").pkey(&key).cert(&certificate).build2("berth")?;
    Ok(identity.to_der()?)
}

/// websockify: one process per tunnel, and `benches/compare` installs numpy with it, which unmasks for it.
fn websockify(lab: &Lab, tls: bool) -> io::Result<Option<Process>> {
    let Some(program) = find("venv/bin/websockify") else {
        return Ok(None);
    };
    let port = free_port()?;
    let mut command = Command::new(program);
    if tls {
        let folder = lab.files.path();
        command.arg(option("--cert=", folder.join("certificate.pem").as_os_str()));
        command.arg(option("--key=", folder.join("key.pem").as_os_str())).arg("--ssl-only");
    }
    command.arg(format!("127.0.0.1:{port}")).arg(format!("127.0.0.1:{}", lab.backend.port));
    Process::start_silent(&mut command, port).map(Some)
}

/// In the folder of installed peers, or by its name on PATH.
fn find(path: &str) -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("BERTH_PEERS") {
        let file = Path::new(&folder).join(path);
        if file.is_file() {
            return Some(file);
        }
        // Two versions of websocat have one name, so what is on PATH may be either.
        if path.starts_with("websocat") {
            return None;
        }
    }
    let name = Path::new(path).file_name()?;
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A word of the command line whose value is a path.
fn option(name: &str, value: &OsStr) -> std::ffi::OsString {
    let mut word = std::ffi::OsString::from(name);
    word.push(value);
    word
}

/// A port that was free a moment ago, for those that cannot say which they took.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
