//! A proxy as a child process: started, asked for its port and its CPU time, stopped when dropped.
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// A proxy that does not listen by then never will.
const START: Duration = Duration::from_secs(10);
/// Lines of output kept to explain a failed start.
const KEPT_LINES: usize = 20;

/// A running proxy. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    /// Where it listens on 127.0.0.1.
    pub(crate) port: u16,
}

impl Process {
    /// Starts it and waits for its line `listening on SCHEME://127.0.0.1:PORT`.
    pub(crate) fn start(command: &mut Command, scheme: &str) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take();
        // From here on a return kills the child.
        let mut process = Self { child, port: 0 };
        let output = output.ok_or_else(|| io::Error::other("the child has no output"))?;
        let (found, port) = sync_channel(1);
        let start = format!("listening on {scheme}://127.0.0.1:");
        thread::Builder::new().name("bench-output".into()).spawn(move || drain(output, &start, &found))?;
        process.port = port
            .recv_timeout(START)
            .map_err(|_| io::Error::other("neither listened nor ended in time"))?
            .map_err(|said| io::Error::other(format!("ended before it listened; it said: {said}")))?;
        Ok(process)
    }

    /// Starts one that announces nothing and listens on a port it was told, and waits until it takes connections.
    pub(crate) fn start_silent(command: &mut Command, port: u16) -> io::Result<Self> {
        let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = Self { child: silent.spawn()?, port };
        let deadline = Instant::now() + START;
        // Often, since the time until then is measured, too.
        while TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), START).is_err() {
            if process.child.try_wait()?.is_some() || Instant::now() > deadline {
                return Err(io::Error::other("ended, or did not listen in time"));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(process)
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// CPU time used up to now, in seconds: user and system, of it and of children it has waited for.
    pub(crate) fn cpu_seconds(&self) -> io::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        // The second field is the command's name in parentheses and may itself contain anything; after it come the
        // state as field 3, and utime, stime, cutime and cstime as fields 14 to 17.
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks: u64 =
            after_name.split_ascii_whitespace().skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Either fails only when the child is gone, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reports the port once it is announced, and reads on to the end: a full pipe would stop the proxy in a log line.
fn drain(output: ChildStdout, start: &str, found: &SyncSender<Result<u16, String>>) {
    let mut said = VecDeque::new();
    let mut announced = false;
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if announced {
            continue;
        }
        if let Some(port) = announced_port(&line, start) {
            announced = found.send(Ok(port)).is_ok();
        }
        said.push_back(line);
        if said.len() > KEPT_LINES {
            said.pop_front();
        }
    }
    if !announced {
        // Nobody listens when the start was given up already.
        let _ = found.send(Err(said.make_contiguous().join("\n")));
    }
}

/// The port behind `start` in a line.
fn announced_port(line: &str, start: &str) -> Option<u16> {
    let rest = line.split_once(start)?.1;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).map_or(rest, |end| &rest[..end]);
    digits.parse().ok()
}
