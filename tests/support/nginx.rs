//! A real nginx in front of the server, as administrators set it up.

use std::fs;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use super::desktop::free_port;
use super::netstat;
use super::process::{Group, Output};
use super::wait::{DEADLINE, eventually_some};

/// An nginx on a port of 127.0.0.1. Dropping it ends it.
#[derive(Debug)]
pub struct Nginx {
    group: Group,
    port: u16,
    _folder: TempDir,
}

impl Nginx {
    /// Maps `/websockify` to one port of this machine, and everything else to another.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(ws_port: u16, http_port: u16) -> Self {
        // The port could be taken between our looking and its binding: then another one is tried.
        (0..5).find_map(|_| Self::try_start(ws_port, http_port)).expect("nginx, at one of five ports")
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn try_start(ws_port: u16, http_port: u16) -> Option<Self> {
        let (folder, port) = (TempDir::new().expect("a folder for nginx"), free_port());
        let file = folder.path().join("nginx.conf");
        fs::write(&file, config(port, ws_port, http_port)).expect("a configuration for nginx");
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder.path()).arg("-c").arg(&file).args(["-e", "stderr"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut group = Group::spawn(&mut command);
        Output::default().collect("nginx", group.child().stderr.take().expect("piped"));
        let listens = || match group.try_wait() {
            Some(_) => Some(false),
            None => netstat::listening(port).then_some(true),
        };
        let started = eventually_some(DEADLINE, listens).expect("nginx neither starts nor ends");
        started.then_some(Self { group, port, _folder: folder })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.group.signal(Signal::TERM);
        let _ = eventually_some(DEADLINE / 6, || self.group.try_wait());
    }
}

fn config(port: u16, ws_port: u16, http_port: u16) -> String {
    format!(
        "daemon off;
        worker_processes 1;
        pid nginx.pid;
        events {{ worker_connections 64; }}
        http {{
            access_log off;
            client_body_temp_path body;
            proxy_temp_path proxy;
            fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi;
            scgi_temp_path scgi;
            server {{
                listen 127.0.0.1:{port};
                location /websockify {{
                    proxy_pass http://127.0.0.1:{ws_port};
                    proxy_http_version 1.1;
                    proxy_set_header Upgrade $http_upgrade;
                    proxy_set_header Connection upgrade;
                    proxy_set_header Host $http_host;
                }}
                location / {{
                    proxy_pass http://127.0.0.1:{http_port};
                    proxy_http_version 1.1;
                    proxy_set_header Connection \"\";
                    proxy_set_header Host $http_host;
                }}
            }}
        }}
        "
    )
}
