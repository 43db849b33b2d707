//! Desktops that are launched for whoever opens the page, and gone when it is closed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::desktop::{ROOT_COLOUR, SIZE, TERMINAL_COLOUR};
use crate::support::server::{Builder, Server};
use crate::support::tls::Certificate;
use crate::support::wait::{DEADLINE, eventually};
use crate::support::yard::{self, PROGRAMS, Yard};
use crate::support::{http, nginx::Nginx};

const NOVNC: &str = "/usr/share/novnc";
const PAGE_DEADLINE: Duration = Duration::from_mins(1);
/// How soon nothing is left after the page was closed.
const GONE: Duration = Duration::from_secs(2);
/// `TigerVNC` shuts an address out for ten seconds when it suspects it.
const PROMPT: Duration = Duration::from_secs(8);

const BANNER: &[u8] = b"RFB 003.008\n";

fn desktops(count: u32) -> Value {
    json!({ "Desktop": { "command": ["sh", format!("{PROGRAMS}/desktop.sh"), "{port}"], "count": count } })
}

/// A server that serves noVNC instead of the yard: of a flag that is given twice, the last one counts.
fn novnc_server(yard: &Yard) -> Builder {
    yard.server(&desktops(1)).args(&["--http_directory", NOVNC])
}

/// Sees the desktop of a reservation in a page, closes the page, and sees everything gone.
fn use_and_leave(yard: &Yard, browser: &mut Browser, url: &str, status: &dyn Fn() -> Value) {
    assert_eq!(yard.processes(), [], "a reservation alone launches nothing");
    browser.open(url);
    browser.wait_for("document.getElementById('status').textContent.startsWith('Connected')", PAGE_DEADLINE);
    eventually(DEADLINE, "the desktop appears in the page", || {
        let image = browser.screenshot();
        let (root, terminal) = (image.count_near(ROOT_COLOUR, 3), image.count_near(TERMINAL_COLOUR, 3));
        let whole = (SIZE.0 * SIZE.1) as usize;
        root > whole / 3 && terminal > whole / 6
    });
    let slot = yard::slot_in(&status(), "Desktop", 0);
    assert_eq!((&slot["state"], &slot["connections"]), (&json!("active"), &json!(1)), "{slot}");
    let running = yard.processes();
    for program in ["Xvnc", "xterm", "sleep"] {
        assert!(running.iter().any(|(_, words)| words.contains(program)), "no {program} in {running:?}");
    }
    let errors = browser.console_errors();
    assert!(errors.is_empty(), "errors in the page: {errors:?}");

    browser.close_page();
    let closed = Instant::now();
    yard.wait_empty(GONE);
    eventually(GONE, "the slot is free", || yard::slot_in(&status(), "Desktop", 0)["state"] == "free");
    assert!(closed.elapsed() < GONE, "gone only after {:?}", closed.elapsed());
    let slot = yard::slot_in(&status(), "Desktop", 0);
    assert_eq!((&slot["token"], &slot["error"]), (&json!(""), &Value::Null), "{slot}");
}

fn page(base: &str, port: u16, token: &str) -> String {
    format!("{base}/vnc_lite.html?host=localhost&port={port}&path=websockify%3Ftoken%3D{token}")
}

#[test]
fn a_page_gets_a_desktop_of_its_own_and_takes_it_along_over_ws() {
    let yard = Yard::new();
    let server = novnc_server(&yard).start();
    let token = yard::reserve(&server, "Desktop", "");
    let url = page(&format!("http://localhost:{}", server.http_port()), server.ws_port(), &token);
    let status = || http::get(server.http_port(), "/v1/status", &[]).json();
    use_and_leave(&yard, &mut Browser::start(), &url, &status);
}

#[test]
fn a_page_gets_a_desktop_of_its_own_and_takes_it_along_over_wss() {
    let yard = Yard::new();
    let certificate = Certificate::ec();
    let server = novnc_server(&yard).args(&certificate.args()).start();
    let answer = http::get_tls(server.http_port(), "/v1/reserve/Desktop", &[]).json();
    let token = answer["token"].as_str().expect("a token");
    let url = page(&format!("https://localhost:{}", server.http_port()), server.ws_port(), token);
    let status = || http::get_tls(server.http_port(), "/v1/status", &[]).json();
    use_and_leave(&yard, &mut Browser::trusting(), &url, &status);
}

#[test]
fn a_page_gets_a_desktop_of_its_own_and_takes_it_along_behind_nginx() {
    let yard = Yard::new();
    let server = novnc_server(&yard).start();
    let nginx = Nginx::start(server.ws_port(), server.http_port());
    let answer = http::get(nginx.port(), "/v1/reserve/Desktop", &[]).json();
    let token = answer["token"].as_str().expect("a token");
    let url = page(&format!("http://localhost:{}", nginx.port()), nginx.port(), token);
    let status = || http::get(nginx.port(), "/v1/status", &[]).json();
    use_and_leave(&yard, &mut Browser::start(), &url, &status);
}

/// Launches, reads the banner, and leaves, in less time than a punishment takes.
fn visit(server: &Server, service: &str) {
    let began = Instant::now();
    let mut ws = yard::launch(server, service);
    assert_eq!(ws.take_data(BANNER.len()), BANNER);
    ws.close();
    yard::wait_state(server, service, 0, "free", DEADLINE);
    assert!(began.elapsed() < PROMPT, "took {:?}: was the server shut out?", began.elapsed());
}

#[test]
fn ten_desktops_in_a_row_are_launched_and_nobody_is_taken_for_an_attacker() {
    let yard = Yard::new();
    let server = yard.server(&desktops(1)).start();
    for _ in 0..10 {
        visit(&server, "Desktop");
    }
    yard.wait_empty(GONE);
    // Xvnc says a line for each connection: there were those of the websockets and none to probe.
    let log = server.log();
    assert_eq!(log.matches("Connections: accepted:").count(), 10, "{log}");
    assert!(!log.to_lowercase().contains("blacklist"), "{log}");
}

#[test]
fn an_inetd_desktop_needs_no_port_and_serves_one_websocket() {
    let yard = Yard::new();
    // Descriptor 3 becomes the socket's; the display is whichever is free.
    let inetd = "exec Xvnc -inetd -displayfd 4 -SecurityTypes None -geometry 800x600 -nolisten tcp 4>/dev/null";
    let services = json!({ "Inetd": { "command": ["sh", "-c", inetd], "connect": "stdio", "count": 1 } });
    let server = yard.server(&services).start();
    for _ in 0..10 {
        visit(&server, "Inetd");
    }
    let token = yard::reserve(&server, "Inetd", "");
    let mut first = yard::open(&server, &token);
    assert_eq!(first.take_data(BANNER.len()), BANNER);
    let (digest, code, reason) = yard::open(&server, &token).drain();
    assert_eq!((digest.count, code, reason.as_str()), (0, 1013, "this service serves one connection only"));
    // The first one goes on as if nothing had been.
    first.send(&crate::support::ws::Frame::binary(BANNER));
    assert_eq!(first.take_data(2), [1, 1], "one security type: None");
    first.close();
    yard.wait_empty(GONE);
}
