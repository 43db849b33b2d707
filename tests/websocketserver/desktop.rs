//! A person opens noVNC in a browser, sees a desktop, and types in it.

use std::time::Duration;

use crate::support::backend::Backend;
use crate::support::browser::Browser;
use crate::support::desktop::{Desktop, IN_TERMINAL, ROOT_COLOUR, SIZE, TERMINAL_COLOUR};
use crate::support::image::Image;
use crate::support::server::{Builder, Server};
use crate::support::tls::Certificate;
use crate::support::wait::{DEADLINE, eventually};

/// Debian's noVNC.
const NOVNC: &str = "/usr/share/novnc";

/// Every kind of key: letters, capitals, digits, signs with and without Shift, spaces.
const TYPED: &str = "Hello, berth! 0123456789 (a+b)*c = \"d\" & {e|f} ~ <g>/h\\i; j_k-l: m? 'n' #$%^@`[]";

/// Browsers are hungry and start slowly when several of them start at once.
const PAGE_DEADLINE: Duration = Duration::from_mins(1);

fn server(desktop: &Desktop) -> Builder {
    Server::builder().args(&["--http_directory", NOVNC]).args(&desktop.args())
}

/// Opens the page, and clicks and types as a person does, until the page is closed.
fn use_desktop(browser: &mut Browser, desktop: &Desktop, url: &str) {
    browser.open(url);
    browser.wait_for("document.getElementById('status').textContent.startsWith('Connected')", PAGE_DEADLINE);
    eventually(DEADLINE, "the desktop appears in the page", || shows_desktop(&browser.screenshot()));
    assert_eq!(desktop.viewers(), 1);

    let place = browser.eval("(({x, y}) => [x, y])(document.querySelector('#screen canvas').getBoundingClientRect())");
    let [left, top] = [0, 1].map(|i| place[i].as_f64().expect("a place of the canvas").round());
    browser.click(offset(left, IN_TERMINAL.0), offset(top, IN_TERMINAL.1));
    browser.key_text(TYPED);
    browser.key_text("\n");
    eventually(DEADLINE, "the typed line arrives", || desktop.typed().is_some());
    assert_eq!(desktop.typed().as_deref(), Some(TYPED));
    let errors = browser.console_errors();
    assert!(errors.is_empty(), "errors in the page: {errors:?}");

    browser.close_page();
    eventually(DEADLINE, "the closed page ends the tunnel", || desktop.viewers() == 0);
}

/// Whether both colours cover about what they should: the terminal at least a sixth of the desktop, the rest
/// the root window.
fn shows_desktop(image: &Image) -> bool {
    let whole = (SIZE.0 * SIZE.1) as usize;
    let (root, terminal) = (image.count_near(ROOT_COLOUR, 3), image.count_near(TERMINAL_COLOUR, 3));
    println!("root window: {root} pixels, terminal: {terminal} of {whole}");
    terminal > whole / 6 && root > whole / 3 && root + terminal > whole * 9 / 10
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place on a page of 1000 pixels")]
fn offset(start: f64, distance: u32) -> u32 {
    start as u32 + distance
}

#[test]
fn a_desktop_is_seen_and_typed_in_over_ws() {
    let desktop = Desktop::with_terminal();
    let server = server(&desktop).start();
    let (http, ws) = (server.http_port(), server.ws_port());
    let url = format!("http://localhost:{http}/vnc_lite.html?host=localhost&port={ws}&path=websockify");
    use_desktop(&mut Browser::start(), &desktop, &url);
}

#[test]
fn a_desktop_is_seen_and_typed_in_over_wss() {
    let desktop = Desktop::with_terminal();
    let certificate = Certificate::ec();
    let server = server(&desktop).args(&certificate.args()).start();
    let (https, wss) = (server.http_port(), server.ws_port());
    let url = format!("https://localhost:{https}/vnc_lite.html?host=localhost&port={wss}&path=websockify");
    use_desktop(&mut Browser::trusting(), &desktop, &url);
}

#[test]
fn one_open_port_is_enough_for_page_and_desktop() {
    let desktop = Desktop::with_terminal();
    let server = server(&desktop).ws_port(-1).start();
    let url = format!("http://localhost:{}/vnc_lite.html?path=websockify", server.http_port());
    use_desktop(&mut Browser::start(), &desktop, &url);
}

#[test]
fn the_full_novnc_application_connects_by_itself() {
    let desktop = Desktop::with_terminal();
    let server = server(&desktop).start();
    let mut browser = Browser::start();
    let (http, ws) = (server.http_port(), server.ws_port());
    browser.open(&format!("http://localhost:{http}/vnc.html?autoconnect=1&host=localhost&port={ws}&path=websockify"));
    browser.wait_for("document.documentElement.classList.contains('noVNC_connected')", PAGE_DEADLINE);
    eventually(DEADLINE, "the desktop appears in the page", || shows_desktop(&browser.screenshot()));
}

#[test]
fn a_page_learns_that_the_desktop_has_ended() {
    let desktop = Desktop::start();
    let server = server(&desktop).start();
    let mut browser = Browser::start();
    let (http, ws) = (server.http_port(), server.ws_port());
    browser.open(&format!("http://localhost:{http}/vnc_lite.html?host=localhost&port={ws}&path=websockify"));
    browser.wait_for("document.getElementById('status').textContent.startsWith('Connected')", PAGE_DEADLINE);
    drop(desktop);
    browser.wait_for("document.getElementById('status').textContent === 'Disconnected'", DEADLINE);
}

#[test]
fn a_page_gets_every_byte_before_the_backend_ends() {
    const COUNT: u64 = 5_000_000;
    let backend = Backend::source(1, COUNT);
    let server = Server::builder().args(&["--http_directory", NOVNC]).args(&backend.args()).start();
    let mut browser = Browser::start();
    browser.open(&format!("http://localhost:{}/vnc_lite.html", server.http_port()));
    let seen = browser.eval(&format!(
        "new Promise(resolve => {{
            const socket = new WebSocket('ws://localhost:{}/', ['binary']);
            let bytes = 0;
            socket.binaryType = 'arraybuffer';
            socket.onmessage = message => {{ bytes += message.data.byteLength; }};
            socket.onclose = end => resolve([socket.protocol, bytes, end.code, end.wasClean]);
        }})",
        server.ws_port()
    ));
    assert_eq!(seen, serde_json::json!(["binary", COUNT, 1000, true]));
}
