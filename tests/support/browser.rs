//! A real browser without a window: Chromium, driven over its `DevTools` protocol.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::cdp::{self, Cdp};
use super::image::Image;
use super::keyboard::Key;
use super::process::{Group, Output};
use super::wait::eventually_some;

/// Size of a page, in pixels.
pub const PAGE_SIZE: (u32, u32) = (1000, 700);

/// Without these, Chromium looks for hosts of its maker, and for a graphics card.
const FLAGS: [&str; 12] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage", // /dev/shm is tiny in many containers
    "--hide-scrollbars",       // they would cover what a test counts
    "--log-level=3",           // else pages of complaints that there is no D-Bus
    "--remote-debugging-pipe",
];

/// A browser with one page. Dropping it ends it with all its processes, and removes its profile.
#[derive(Debug)]
pub struct Browser {
    // Fields drop in this order: the profile is removed when nobody writes to it any more.
    cdp: Cdp,
    _group: Group,
    profile: TempDir,
    console: Output,
    page: Option<Page>,
}

#[derive(Debug)]
struct Page {
    target: String,
    session: String,
}

impl Browser {
    /// Starts a browser that trusts no certificate of the tests.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a browser that accepts every certificate.
    ///
    /// # Panics
    /// When it does not start.
    pub fn trusting() -> Self {
        Self::start_with(&["--ignore-certificate-errors"])
    }

    /// Starts a browser with more flags.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_with(flags: &[&str]) -> Self {
        let profile = TempDir::new().expect("a folder for the browser's profile");
        let mut command = Command::new("sh");
        // The browser reads commands from descriptor 3 and writes to 4; it ends when they close, so it cannot
        // outlive the tests even when those are killed.
        command.args(["-c", r#"exec chromium "$@" 3<&0 4>&1 </dev/null >&2"#, "sh"]);
        command.args(FLAGS).args(flags).arg(format!("--user-data-dir={}", profile.path().join("profile").display()));
        command.arg(format!("--window-size={},{}", PAGE_SIZE.0, PAGE_SIZE.1)).arg("about:blank");
        command.env("HOME", profile.path()).env("TMPDIR", profile.path()).env_remove("DISPLAY");
        for (name, folder) in [("XDG_CONFIG_HOME", "config"), ("XDG_CACHE_HOME", "cache")] {
            command.env(name, profile.path().join(folder));
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut group = Group::spawn(&mut command);
        let child = group.child();
        Output::default().collect("chromium", child.stderr.take().expect("piped"));
        let console = Output::default();
        let (stdin, stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let cdp = Cdp::new(stdin, stdout, console.clone());
        Self { cdp, _group: group, profile, console, page: None }
    }

    /// Goes to an address, in a new page if there is none, and waits until it has loaded.
    ///
    /// # Panics
    /// When it cannot be loaded.
    #[track_caller]
    pub fn open(&mut self, url: &str) {
        if self.page.is_none() {
            self.new_page();
        }
        let result = self.command("Page.navigate", &json!({ "url": url }));
        assert_eq!(result["errorText"], Value::Null, "loading {url}");
        self.wait_for("document.readyState === 'complete'", super::wait::DEADLINE);
    }

    /// Closes the page, as a person does.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn close_page(&mut self) {
        let page = self.page.take().expect("an open page");
        let closed = self.cdp.command(None, "Target.closeTarget", &json!({ "targetId": page.target }));
        closed.unwrap_or_else(|e| panic!("closing the page: {e}"));
    }

    /// The value of a JavaScript expression; promises are awaited.
    ///
    /// # Panics
    /// When it throws; the message is the exception's.
    #[track_caller]
    pub fn eval(&mut self, expression: &str) -> Value {
        self.try_eval(expression).unwrap_or_else(|e| panic!("{expression}: {e}"))
    }

    /// The same; what it throws is the error.
    ///
    /// # Errors
    /// The exception's text, or why the page could not be asked.
    pub fn try_eval(&mut self, expression: &str) -> Result<Value, String> {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let session = self.page.as_ref().map(|page| page.session.as_str());
        let mut result = self.cdp.command(session, "Runtime.evaluate", &params)?;
        match result.get("exceptionDetails") {
            Some(details) => Err(cdp::exception(details)),
            None => Ok(result["result"]["value"].take()),
        }
    }

    /// Waits until a JavaScript expression is true. One that throws is not true yet: what it looks at may be
    /// still to come.
    ///
    /// # Panics
    /// When it is not true by the deadline.
    #[track_caller]
    pub fn wait_for(&mut self, condition: &str, deadline: Duration) {
        let mut last = Ok(Value::Null);
        let held = eventually_some(deadline, || {
            last = self.try_eval(&format!("Boolean({condition})"));
            (last == Ok(Value::Bool(true))).then_some(())
        });
        assert!(held.is_some(), "not true within {deadline:?}: `{condition}`; the last answer was {last:?}");
    }

    /// A picture of the page.
    ///
    /// # Panics
    /// When the browser gives none.
    pub fn screenshot(&mut self) -> Image {
        Image::from_png(&self.screenshot_png())
    }

    /// A picture of the page as a PNG, to be kept for people.
    ///
    /// # Panics
    /// When the browser gives none.
    pub fn screenshot_png(&mut self) -> Vec<u8> {
        let result = self.command("Page.captureScreenshot", &json!({ "format": "png" }));
        let data = result["data"].as_str().expect("a screenshot");
        base64::engine::general_purpose::STANDARD.decode(data).expect("base64")
    }

    /// Types text, key by key; `'\n'` is Enter.
    ///
    /// # Panics
    /// When the browser refuses a key.
    pub fn key_text(&mut self, text: &str) {
        for key in text.chars().map(Key::of) {
            let event = |kind: &str| {
                json!({
                    "type": kind,
                    "key": key.name,
                    "code": key.code,
                    "text": if kind == "keyDown" { key.text.as_str() } else { "" },
                    "windowsVirtualKeyCode": key.windows_code,
                    "modifiers": u32::from(key.shift) * 8,
                })
            };
            self.command("Input.dispatchKeyEvent", &event("keyDown"));
            self.command("Input.dispatchKeyEvent", &event("keyUp"));
        }
    }

    /// Clicks with the left button at a point of the page.
    ///
    /// # Panics
    /// When the browser refuses it.
    pub fn click(&mut self, x: u32, y: u32) {
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let button = if kind == "mouseMoved" { "none" } else { "left" };
            let params = json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": 1 });
            self.command("Input.dispatchMouseEvent", &params);
        }
    }

    /// Everything that the pages have said on their consoles, one line each: `error: …`, `exception: …`.
    pub fn console_log(&self) -> String {
        self.console.text()
    }

    /// The lines of the console that are errors or exceptions of the pages. Browsers ask for an icon on their
    /// own account; that there is none is nobody's error.
    pub fn console_errors(&self) -> Vec<String> {
        let bad = |line: &&str| {
            !line.ends_with("/favicon.ico") && (line.starts_with("error: ") || line.starts_with("exception: "))
        };
        self.console_log().lines().filter(bad).map(str::to_owned).collect()
    }

    /// Sends a command of the `DevTools` protocol to the page.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn command(&mut self, method: &str, params: &Value) -> Value {
        let session = self.page.as_ref().map(|page| page.session.as_str());
        self.cdp.command(session, method, params).unwrap_or_else(|e| panic!("{method} {params}: {e}"))
    }

    /// The home folder of its processes, which holds its profile.
    pub fn home(&self) -> &Path {
        self.profile.path()
    }

    fn new_page(&mut self) {
        let created = self.command("Target.createTarget", &json!({ "url": "about:blank" }));
        let target = created["targetId"].as_str().expect("a page").to_owned();
        let attached = self.command("Target.attachToTarget", &json!({ "targetId": target, "flatten": true }));
        let session = attached["sessionId"].as_str().expect("a session").to_owned();
        self.page = Some(Page { target, session });
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            self.command(domain, &json!({}));
        }
        let (width, height) = PAGE_SIZE;
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", &size);
    }
}
