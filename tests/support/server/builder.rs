//! What a server is started with.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Server, listeners};
use crate::support::process::Output;
use crate::support::wait::{DEADLINE, eventually};

/// How a server is to be started.
#[derive(Debug)]
pub struct Builder {
    program: &'static str,
    ws_port: i32,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    cwd: Option<PathBuf>,
    descriptors: Option<u32>,
    log_file: Option<PathBuf>,
    listeners: Option<usize>,
    exact: bool,
}

impl Builder {
    /// A server of `program`, with the arguments that every test needs unless they are to be `exact`.
    pub(super) fn new(program: &'static str, exact: bool) -> Self {
        Self {
            program,
            ws_port: 0,
            args: Vec::new(),
            env: Vec::new(),
            cwd: None,
            descriptors: None,
            log_file: None,
            listeners: None,
            exact,
        }
    }

    /// The positional port: -1 is no ws listener.
    pub fn ws_port(mut self, port: i32) -> Self {
        self.ws_port = port;
        self
    }

    /// More arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: &[S]) -> Self {
        self.args.extend(args.iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// These arguments in place of all so far.
    pub fn replace_args<S: AsRef<OsStr>>(mut self, args: &[S]) -> Self {
        self.args.clear();
        self.args(args)
    }

    /// A variable of its environment.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Its working directory.
    pub fn cwd(mut self, directory: impl AsRef<Path>) -> Self {
        self.cwd = Some(directory.as_ref().to_owned());
        self
    }

    /// Its limit on open files (soft and hard, as `ulimit -n` sets it).
    pub fn descriptors(mut self, limit: u32) -> Self {
        self.descriptors = Some(limit);
        self
    }

    /// Passes `--log_file`, and reads the log from there.
    pub fn log_file(mut self, file: impl AsRef<Path>) -> Self {
        self.log_file = Some(file.as_ref().to_owned());
        self
    }

    /// How many listeners to wait for, where the arguments do not tell (0: do not wait).
    pub fn listeners(mut self, count: usize) -> Self {
        self.listeners = Some(count);
        self
    }

    /// Starts the server and waits until it listens.
    ///
    /// # Panics
    /// When it ends, or does not listen within the deadline.
    pub fn start(self) -> Server {
        let expected = self.listeners.unwrap_or(usize::from(self.ws_port >= 0) + usize::from(self.serves_files()));
        let mut child = self.command().spawn().expect("the server starts");
        let output = Output::default();
        output.collect("server", child.stdout.take().expect("piped"));
        output.collect("server", child.stderr.take().expect("piped"));
        let mut server = Server { child, status: None, output, log_file: self.log_file };
        eventually(DEADLINE, "the server listens", || {
            if let Some(status) = server.exit_status() {
                panic!("the server ended at start: {status}\n{}", server.log());
            }
            listeners(&server.log()).len() >= expected
        });
        server
    }

    fn serves_files(&self) -> bool {
        self.args.iter().any(|arg| arg.to_string_lossy().starts_with("--http_directory"))
    }

    fn command(&self) -> Command {
        let mut command = match self.descriptors {
            Some(descriptors) => limited(self.program, descriptors),
            None => command(self.program),
        };
        if !self.exact {
            command.arg(self.ws_port.to_string()).args(["--bind_address", "127.0.0.1"]);
        }
        if !self.exact
            && self.serves_files()
            && !self.args.iter().any(|arg| arg.to_string_lossy().starts_with("--http_port"))
        {
            command.args(["--http_port", "0"]);
        }
        if let Some(file) = &self.log_file {
            command.arg("--log_file").arg(file);
        }
        command.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &self.cwd {
            command.current_dir(directory);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// The binary under test, without what the developer's own environment would tell it.
pub(super) fn command(program: &str) -> Command {
    clean(Command::new(program))
}

/// The binary under a limit of open files. The shell replaces itself, so the process id is the server's.
fn limited(program: &str, descriptors: u32) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {descriptors} && exec \"$0\" \"$@\""), program]);
    clean(shell)
}

fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text == "WEBSOCKETSERVER_SECURITY_TOKEN" || text == "CEI_HOME" || text.starts_with("AWP_ROOT") {
            command.env_remove(&name);
        }
    }
    command
}
