//! Static files: requests per second for one of 4 KiB, with a new connection for each, and with keep-alive.
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::backend::connect;
use crate::support::process::Process;
use crate::support::settings::Settings;
use crate::support::{joined, named};
use crate::ways;

/// Clients at once: enough to keep two cores busy, few enough that they are not the load.
const CLIENTS: usize = 4;
/// Bytes of the file.
const LENGTH: usize = 4096;

/// A server and the column it belongs to.
pub(crate) struct FileServer {
    /// The name of the way whose column it shares.
    pub(crate) name: &'static str,
    process: Process,
}

/// Ours and lighttpd, each serving one folder.
pub(crate) fn servers(settings: &Settings, folder: &Path, with_peers: bool) -> io::Result<Vec<FileServer>> {
    fs::write(folder.join("file.bin"), vec![b'x'; LENGTH])?;
    let mut ours = Command::new(&settings.server);
    ours.args(["--bind_address", "127.0.0.1", "--http_port", "0", "--verbose", "1", "--http_directory"]);
    let ours = Process::start(ours.arg(folder).arg("-1"), "http").map_err(|error| named(&error, "websocketserver"))?;
    let mut servers = vec![FileServer { name: "berth ws", process: ours }];
    if with_peers {
        let document_root = format!("server.document-root = \"{}\"\n", folder.display());
        if let Some(process) = ways::lighttpd(&document_root)? {
            servers.push(FileServer { name: "lighttpd ws", process });
        }
    }
    Ok(servers)
}

/// Requests per second.
pub(crate) fn requests(server: &FileServer, keep_alive: bool, window: Duration) -> io::Result<f64> {
    let count = &AtomicU64::new(0);
    let started = Instant::now();
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for _ in 0..CLIENTS {
            let port = server.process.port;
            let client = move || -> io::Result<()> {
                let mut kept = None;
                while started.elapsed() < window {
                    let mut stream = match kept.take() {
                        Some(stream) => stream,
                        None => connect((Ipv4Addr::LOCALHOST, port).into())?,
                    };
                    request(&mut stream, keep_alive)?;
                    if keep_alive {
                        kept = Some(stream);
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            };
            threads.push(thread::Builder::new().name("bench-files".into()).spawn_scoped(scope, client)?);
        }
        threads.into_iter().try_for_each(joined)
    })?;
    Ok(count.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64())
}

/// One request and the whole answer to it, which has to be the file.
fn request(stream: &mut TcpStream, keep_alive: bool) -> io::Result<()> {
    let request: &[u8] = if keep_alive {
        b"GET /file.bin HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    } else {
        b"GET /file.bin HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    };
    stream.write_all(request)?;
    let mut answer = [0; 2 * LENGTH];
    let mut have = 0;
    loop {
        let got = stream.read(&mut answer[have..])?;
        have += got;
        let body = answer[..have].windows(4).position(|four| four == b"\r\n\r\n").map(|end| end + 4);
        if body.is_some_and(|body| have == body + LENGTH) && answer.starts_with(b"HTTP/1.1 200 ") {
            return Ok(());
        }
        if got == 0 {
            let line = String::from_utf8_lossy(&answer[..have.min(60)]).into_owned();
            return Err(io::Error::other(format!("not the file but {have} bytes: '{line}'")));
        }
    }
}
