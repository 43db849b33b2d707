//! The real servers, on ports that the system chose.

mod builder;

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use berth::sys::thread::STACK;
use rustix::process::{Pid, Signal, kill_process};

use super::process::Output;
use super::wait::{DEADLINE, eventually, eventually_some};
pub use builder::Builder;
use builder::command;

/// No processor time for this long is a rest.
const REST: Duration = Duration::from_millis(200);

const WEBSOCKETSERVER: &str = env!("CARGO_BIN_EXE_websocketserver");
const SCALESOCKET: &str = env!("CARGO_BIN_EXE_scalesocket");
/// In place of a scheme for the port of `scalesocket`.
const ROOMS: &str = "rooms";
/// In the guardian's command line, beside the path of the program itself.
const GUARDIAN: &str = "/proc/self/exe";

/// A running server. Dropping it kills it, by its own process id.
#[derive(Debug)]
pub struct Server {
    child: Child,
    status: Option<ExitStatus>,
    output: Output,
    log_file: Option<PathBuf>,
}

/// What a server that ended by itself left behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Everything on standard output.
    pub stdout: String,
    /// Everything on standard error.
    pub stderr: String,
}

impl Server {
    /// Starts the server with `args` beside `0 --bind_address 127.0.0.1` (and `--http_port 0` where files are
    /// served), and waits until it listens.
    ///
    /// # Panics
    /// When it does not listen within the deadline, or ends.
    pub fn start<S: AsRef<OsStr>>(args: &[S]) -> Self {
        Self::builder().args(args).start()
    }

    /// A server with more wishes than arguments.
    pub fn builder() -> Builder {
        Builder::new(WEBSOCKETSERVER, false)
    }

    /// Starts `scalesocket` with `args` beside `--addr 127.0.0.1:0`, and waits until it listens.
    ///
    /// # Panics
    /// When it does not listen within the deadline, or ends.
    pub fn scalesocket<S: AsRef<OsStr>>(args: &[S]) -> Self {
        Self::scalesocket_builder().args(args).start()
    }

    /// A `scalesocket` with more wishes than arguments.
    pub fn scalesocket_builder() -> Builder {
        Builder::new(SCALESOCKET, true).args(&["--addr", "127.0.0.1:0"]).listeners(1)
    }

    /// Runs `scalesocket` with exactly `args` until it ends by itself.
    ///
    /// # Panics
    /// When it has not ended by the deadline.
    pub fn run_scalesocket<S: AsRef<OsStr>>(args: &[S]) -> Finished {
        Self::run_program(SCALESOCKET, args)
    }

    /// Starts the server with exactly `args`, and waits for `listeners` listeners.
    ///
    /// # Panics
    /// When it does not listen within the deadline, or ends.
    pub fn start_exactly<S: AsRef<OsStr>>(args: &[S], listeners: usize) -> Self {
        Builder::new(WEBSOCKETSERVER, true).args(args).listeners(listeners).start()
    }

    /// Runs the server with exactly `args` until it ends by itself: for `--help` and wrong command lines.
    ///
    /// # Panics
    /// When it has not ended by the deadline.
    pub fn run<S: AsRef<OsStr>>(args: &[S]) -> Finished {
        Self::run_program(WEBSOCKETSERVER, args)
    }

    fn run_program<S: AsRef<OsStr>>(program: &str, args: &[S]) -> Finished {
        let mut command = command(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let (stdout, stderr) = (Output::default(), Output::default());
        let readers = [
            stdout.collect("stdout", child.stdout.take().expect("piped")),
            stderr.collect("stderr", child.stderr.take().expect("piped")),
        ];
        let mut server = Self { child, status: None, output: Output::default(), log_file: None };
        let status = server.wait_exit(DEADLINE);
        for reader in readers {
            reader.join().expect("the reader of a pipe does not panic");
        }
        Finished { status, stdout: stdout.text(), stderr: stderr.text() }
    }

    /// Port of the ws (or wss) listener.
    ///
    /// # Panics
    /// When there is none.
    pub fn ws_port(&self) -> u16 {
        self.port("ws").expect("a ws listener in the log")
    }

    /// Port of `scalesocket`.
    ///
    /// # Panics
    /// When it has said none.
    pub fn room_port(&self) -> u16 {
        self.port(ROOMS).expect("a listener in the log")
    }

    /// Processes that run directly below the server, but for its guardian: id and command line.
    pub fn children(&self) -> Vec<(i32, String)> {
        let all = fs::read_dir("/proc").expect("/proc").flatten();
        let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        ids.filter_map(|id| {
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            let (_, fields) = stat.rsplit_once(") ")?;
            let mut fields = fields.split(' ');
            let (state, parent) = (fields.next()?, fields.next()?);
            let line = fs::read(format!("/proc/{id}/cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let is_child = state != "Z" && parent == self.pid().to_string() && !line.contains(GUARDIAN);
            is_child.then(|| (id, line.trim_end().to_owned()))
        })
        .collect()
    }

    /// Waits until so many processes run directly below the server.
    #[track_caller]
    pub fn wait_children(&self, count: usize) {
        let done = eventually_some(DEADLINE, || (self.children().len() == count).then_some(()));
        assert!(done.is_some(), "{count} children were expected: {:?}", self.children());
    }

    /// Port of the http (or https) listener.
    ///
    /// # Panics
    /// When there is none.
    pub fn http_port(&self) -> u16 {
        self.port("http").expect("an http listener in the log")
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything the server has printed or logged so far.
    pub fn log(&self) -> String {
        let mut text = self.output.text();
        if let Some(file) = &self.log_file {
            text.push_str(&fs::read_to_string(file).unwrap_or_default());
        }
        text
    }

    /// Waits until `pattern` stands in the log.
    ///
    /// # Panics
    /// When that takes longer than `deadline`.
    #[track_caller]
    pub fn wait_log(&self, pattern: &str, deadline: Duration) {
        eventually(deadline, &format!("`{pattern}` in the log"), || self.log().contains(pattern));
    }

    /// Sends a signal to the server alone.
    ///
    /// # Panics
    /// When the server is no longer there.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the server is there to be signalled");
    }

    /// How the server ended, if it has.
    ///
    /// # Panics
    /// When it is not our child any more.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("a child of our own");
        }
        self.status
    }

    /// Waits until the server has ended.
    ///
    /// # Panics
    /// When that takes longer than `deadline`.
    #[track_caller]
    pub fn wait_exit(&mut self, deadline: Duration) -> ExitStatus {
        let ended = eventually_some(deadline, || self.exit_status());
        ended.unwrap_or_else(|| panic!("the server had not ended after {deadline:?}"))
    }

    /// Resident memory in KiB.
    pub fn rss_kib(&self) -> usize {
        self.status_field("VmRSS:")
    }

    /// The most that resident memory has ever been, in KiB.
    pub fn peak_rss_kib(&self) -> usize {
        self.status_field("VmHWM:")
    }

    /// Resident memory of each thread's stack in KiB: of all writable maps that have the size of one.
    ///
    /// # Panics
    /// When the server is no longer there.
    pub fn stacks_kib(&self) -> Vec<usize> {
        let maps = fs::read_to_string(format!("/proc/{}/smaps", self.pid())).expect("the server is there");
        // Each map's part ends with its flags.
        let parts = maps.split("VmFlags:").filter(|part| part.lines().any(|line| line.contains(" rw-p ")));
        parts.filter(|part| field(part, "Size:") == STACK / 1024).map(|part| field(part, "Rss:")).collect()
    }

    /// Processor time used so far, in ticks of the kernel's clock (1/100 s).
    ///
    /// # Panics
    /// When the server is no longer there.
    pub fn cpu_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("the server is there");
        let (_, fields) = stat.rsplit_once(") ").expect("a name in brackets");
        // proc(5): utime and stime are fields 14 and 15, the state after the name is field 3.
        fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
    }

    /// Waits until the server has used no processor time for a moment: it has done all that it can do.
    #[track_caller]
    pub fn wait_rest(&self) {
        let (mut last, mut since) = (self.cpu_ticks(), Instant::now());
        eventually(DEADLINE, "the server rests", || {
            let now = self.cpu_ticks();
            if now != last {
                (last, since) = (now, Instant::now());
            }
            since.elapsed() >= REST
        });
    }

    /// Waits until there are as many threads and descriptors as in `before` ([`Server::resources`]).
    #[track_caller]
    pub fn wait_resources(&self, before: (usize, usize)) {
        let done = eventually_some(DEADLINE, || (self.resources() == before).then_some(()));
        assert!(done.is_some(), "threads and descriptors were {before:?} and are {:?}", self.resources());
    }

    /// Number of threads, and number of open file descriptors.
    pub fn resources(&self) -> (usize, usize) {
        (self.threads(), self.descriptors())
    }

    /// Number of threads, without those that wait for somebody to accept: of these there are one to four per port.
    ///
    /// # Panics
    /// When the server is no longer there.
    pub fn threads(&self) -> usize {
        let ports = listeners(&self.log()).len();
        let threads = eventually_some(DEADLINE, || {
            let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).expect("the server is there");
            let places = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("wchan")).ok());
            let (accepting, others): (Vec<_>, Vec<_>) = places.partition(|place| place == "inet_csk_accept");
            // A thread that was just started, or comes back from a connection, is about to.
            (accepting.len() >= ports).then_some(others.len())
        });
        threads.expect("somebody accepts on each port")
    }

    /// Number of open file descriptors.
    ///
    /// # Panics
    /// When the server is no longer there.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("the server is there").count()
    }

    fn status_field(&self, name: &str) -> usize {
        field(&fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the server is there"), name)
    }

    fn port(&self, scheme: &str) -> Option<u16> {
        listeners(&self.log())
            .into_iter()
            .find(|(found, _)| found.trim_end_matches('s') == scheme.trim_end_matches('s'))
            .map(|(_, port)| port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.exit_status().is_none() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// Scheme and port of each `listening on SCHEME://HOST:PORT` in a log, and [`ROOMS`] for `listening at HOST:PORT`.
fn listeners(log: &str) -> Vec<(String, u16)> {
    let log = log.replace("listening at ", &format!("listening on {ROOMS}://"));
    let urls = log.split("listening on ").skip(1);
    urls.filter_map(|rest| {
        let (scheme, rest) = rest.split_once("://")?;
        let authority = rest.split(|c: char| c == '/' || c == '"' || c.is_whitespace()).next()?;
        let port: String = authority.rsplit(':').next()?.chars().take_while(char::is_ascii_digit).collect();
        // Text that is still being written could end within the number: only a finished line counts.
        rest.contains('\n').then_some(())?;
        Some((scheme.to_owned(), port.parse().ok()?))
    })
    .collect()
}

/// The number behind `name` in a file of proc(5).
fn field(text: &str, name: &str) -> usize {
    let value = text.lines().find_map(|line| line.strip_prefix(name)).and_then(|v| v.split_ascii_whitespace().next());
    value.and_then(|v| v.parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
}
