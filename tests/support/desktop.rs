//! A real desktop: `Xvnc` with a coloured root window and an `xterm` in it.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use super::netstat;
use super::process::{Group, Output};
use super::wait::{DEADLINE, eventually, eventually_some};

/// Colour of the root window.
pub const ROOT_COLOUR: [u8; 3] = [0x1E, 0x64, 0x96];
/// Background of the terminal.
pub const TERMINAL_COLOUR: [u8; 3] = [0xFF, 0xF8, 0xDC];
/// Width and height of the desktop.
pub const SIZE: (u32, u32) = (800, 600);
/// A point of the desktop that lies within the terminal.
pub const IN_TERMINAL: (u32, u32) = (200, 150);

/// A desktop on an RFB port of 127.0.0.1, without a password. Dropping it ends all its programs.
///
/// Drop it on the thread that started it, before that ends: the desktop is tied to that thread, so that it
/// does not outlive a test run that is killed.
#[derive(Debug)]
pub struct Desktop {
    terminal: Option<Group>,
    xvnc: Group,
    display: String,
    port: u16,
    output: Output,
    folder: TempDir,
}

impl Desktop {
    /// A desktop with its root window coloured and no program.
    ///
    /// # Panics
    /// When it is not there by the deadline.
    pub fn start() -> Self {
        // The port could be taken between our looking and Xvnc's binding: then it ends, and another one is tried.
        let desktop = (0..5).find_map(|_| Self::try_start()).expect("a desktop, at one of five ports");
        let colour = format!("#{:02x}{:02x}{:02x}", ROOT_COLOUR[0], ROOT_COLOUR[1], ROOT_COLOUR[2]);
        let painted = desktop.program("xsetroot").args(["-solid", &colour]).status().expect("xsetroot starts");
        assert!(painted.success(), "xsetroot: {painted}");
        desktop
    }

    /// A desktop with a terminal in which one line can be typed, which then stands in [`Desktop::typed`].
    ///
    /// # Panics
    /// When it is not there by the deadline.
    pub fn with_terminal() -> Self {
        let mut desktop = Self::start();
        let (ready, typed) = (desktop.folder.path().join("ready"), desktop.typed_file());
        // The file appears whole: it is written under another name first.
        let script =
            r#": >"$0"; IFS= read -r line; printf %s "$line" >"$1.part"; mv "$1.part" "$1"; exec sleep infinity"#;
        desktop.run_in_terminal(&["sh", "-c", script, &ready.to_string_lossy(), &typed.to_string_lossy()]);
        eventually(DEADLINE, "the terminal runs its shell", || ready.exists());
        desktop
    }

    /// Runs a command in the desktop's terminal, which covers its upper left part.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run_in_terminal(&mut self, command: &[&str]) {
        let [red, green, blue] = TERMINAL_COLOUR;
        let mut xterm = self.program("xterm");
        xterm.args(["-bg", &format!("#{red:02x}{green:02x}{blue:02x}"), "-fg", "black", "-geometry", "60x18+20+20"]);
        xterm.args(["-fa", "DejaVu Sans Mono", "-fs", "10", "+sb", "-e"]).args(command);
        let mut terminal = Group::spawn(xterm.stdout(Stdio::null()).stderr(Stdio::piped()));
        self.output.collect("xterm", terminal.child().stderr.take().expect("piped"));
        self.terminal = Some(terminal);
    }

    /// The line that was typed in the terminal, once it is finished.
    pub fn typed(&self) -> Option<String> {
        fs::read_to_string(self.typed_file()).ok()
    }

    /// RFB port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The X display, as in the variable `DISPLAY`.
    pub fn display(&self) -> &str {
        &self.display
    }

    /// The home folder of its programs.
    pub fn home(&self) -> &Path {
        self.folder.path()
    }

    /// How many viewers are connected, as the kernel sees it.
    pub fn viewers(&self) -> usize {
        netstat::established(self.port)
    }

    /// What Xvnc has printed: a line per connection, among others.
    pub fn log(&self) -> String {
        self.output.text()
    }

    /// The arguments that make the server tunnel to it.
    pub fn args(&self) -> [String; 4] {
        ["--client_hostname", "127.0.0.1", "--client_port", &self.port.to_string()].map(str::to_owned)
    }

    /// `None` when Xvnc ended, because somebody else took the port.
    fn try_start() -> Option<Self> {
        let port = free_port();
        let folder = TempDir::new().expect("a folder for the desktop");
        let mut command = Command::new("sh");
        // The number of the display comes through descriptor 3: Xvnc's log would mix with it on 1 or 2, and
        // would even land in the VNC stream. setpriv: gone when our thread is, however that ended.
        command.args(["-c", r#"exec setpriv --pdeathsig KILL Xvnc "$@" -displayfd 3 3>&1 >&2"#, "sh"]);
        command.args(["-rfbport", &port.to_string(), "-localhost", "-SecurityTypes", "None", "-AlwaysShared"]);
        command.args(["-geometry", &format!("{}x{}", SIZE.0, SIZE.1), "-depth", "24", "-noreset", "-nolisten", "tcp"]);
        command.env("HOME", folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut xvnc = Group::spawn(&mut command);
        let (output, number) = (Output::default(), Output::default());
        output.collect("Xvnc", xvnc.child().stderr.take().expect("piped"));
        number.collect("display", xvnc.child().stdout.take().expect("piped"));
        let started = eventually_some(DEADLINE, || match number.text().strip_suffix('\n') {
            Some(display) if netstat::listening(port) => Some(Some(format!(":{display}"))),
            _ => xvnc.try_wait().map(|_| None),
        });
        let display = started.expect("Xvnc neither starts nor ends")?;
        Some(Self { terminal: None, xvnc, display, port, output, folder })
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.env("DISPLAY", &self.display).env("HOME", self.folder.path()).stdin(Stdio::null());
        command
    }

    fn typed_file(&self) -> PathBuf {
        self.folder.path().join("typed")
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        self.terminal = None; // first: it would complain about the loss of its display
        // Xvnc removes its lock and socket under /tmp only when it may end by itself.
        self.xvnc.signal(Signal::TERM);
        let _ = eventually_some(DEADLINE / 6, || self.xvnc.try_wait());
    }
}

/// A port that was free a moment ago.
///
/// # Panics
/// When the system has none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound socket").port()
}
