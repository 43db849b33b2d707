//! The status page in a real browser: live, usable by mouse and keyboard, and readable without scripts.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::http;
use crate::support::server::{Builder, Server};
use crate::support::wait::DEADLINE;
use crate::support::yard::{self, Yard};

/// Browsers start slowly when several of them start at once.
const PAGE_DEADLINE: Duration = Duration::from_mins(1);

/// What would run if the page took a name for HTML.
const EVIL: &str = "Zoo <img src=x onerror=\"document.title='owned'\"> & 'co'";

fn server(yard: &Yard) -> Builder {
    let sleeper = json!(["sh", "-c", "exec sleep infinity", "{port}"]);
    yard.server(&json!({
        "Sleeper": { "command": sleeper, "count": 2 },
        EVIL: { "command": sleeper, "count": 1, "options": { "note": "<b>bold</b>" } },
    }))
}

fn url(server: &Server, query: &str) -> String {
    format!("http://localhost:{}/v1/status_view{query}", server.http_port())
}

fn summary(busy: u32) -> String {
    format!("document.getElementById('summary').textContent === '2 services, {busy} of 3 slots taken'")
}

/// An expression for the buttons that are seen and say `word`.
fn buttons(word: &str) -> String {
    format!("[...document.querySelectorAll('button')].filter(b => !b.hidden && b.textContent === '{word}')")
}

/// Clicks with the mouse at the middle of the first such button.
fn click(browser: &mut Browser, word: &str) {
    browser.wait_for(&format!("{}.length > 0", buttons(word)), PAGE_DEADLINE);
    let place = browser.eval(&format!(
        "(({{x, y, width, height}}) => [Math.round(x + width / 2), Math.round(y + height / 2)])({}[0].getBoundingClientRect())",
        buttons(word)
    ));
    let [x, y] = [0, 1].map(|i| u32::try_from(place[i].as_u64().expect("a place on the page")).expect("a small one"));
    browser.click(x, y);
}

#[test]
fn the_page_shows_what_is_reserved_elsewhere_without_being_loaded_again() {
    let yard = Yard::new();
    let server = server(&yard).start();
    let mut browser = Browser::start();
    browser.open(&url(&server, ""));
    browser.wait_for(&summary(0), PAGE_DEADLINE);
    browser.eval("window.still = 'the same page'");
    let token = yard::reserve(&server, "Sleeper", "size=%3Ci%3Ebig%3C%2Fi%3E");
    browser.wait_for(&summary(1), DEADLINE);
    browser.wait_for("document.body.textContent.includes('size=<i>big</i>')", DEADLINE);
    assert_eq!(browser.eval("document.querySelectorAll('.reserved').length"), 1);
    http::get(server.http_port(), &format!("/v1/release/{token}"), &[]);
    browser.wait_for(&summary(0), DEADLINE);
    assert_eq!(browser.eval("window.still"), "the same page");
    let errors = browser.console_errors();
    assert!(errors.is_empty(), "errors in the page: {errors:?}");
}

#[test]
fn the_page_tells_that_the_server_is_gone() {
    let yard = Yard::new();
    let mut server = server(&yard).start();
    let mut browser = Browser::start();
    browser.open(&url(&server, ""));
    browser.wait_for(&summary(0), PAGE_DEADLINE);
    server.signal(rustix::process::Signal::TERM);
    server.wait_exit(DEADLINE);
    browser.wait_for("document.getElementById('summary').textContent.startsWith('not up to date')", DEADLINE);
}

/// Reserves until all is taken, and releases, with the mouse.
fn use_buttons(browser: &mut Browser, server: &Server, query: &str) {
    browser.open(&url(server, query));
    browser.wait_for(&summary(0), PAGE_DEADLINE);
    let status = |server: &Server| http::get(server.http_port(), &format!("/v1/status{query}"), &[]).json();
    for busy in 1..=2 {
        click(browser, "reserve");
        browser.wait_for(&summary(busy), DEADLINE);
    }
    let phases = status(server)[0]["instances"].as_array().unwrap().iter().map(|slot| slot["state"].clone()).collect();
    assert_eq!(Value::Array(phases), json!(["reserved", "reserved"]));
    browser.wait_for(&format!("{}.length === 2", buttons("release")), DEADLINE);
    // A third one cannot be had, and the page says why.
    browser.eval("window.said = []");
    browser.eval(
        "new MutationObserver(() => said.push(document.getElementById('summary').textContent))
            .observe(document.getElementById('summary'), { childList: true })",
    );
    click(browser, "reserve");
    browser.wait_for("said.some(text => text === 'all 2 instances of this service are taken')", DEADLINE);
    for busy in [1, 0] {
        click(browser, "release");
        browser.wait_for(&summary(busy), DEADLINE);
    }
    assert_eq!(yard::slot_in(&status(server), "Sleeper", 0)["token"], "");
}

#[test]
fn the_buttons_reserve_and_release() {
    let yard = Yard::new();
    let server = server(&yard).start();
    use_buttons(&mut Browser::start(), &server, "");
}

#[test]
fn with_the_security_token_in_the_address_everything_works_and_without_it_nothing_is_shown() {
    let yard = Yard::new();
    let server = server(&yard).args(&["--security_token", "p&ss w+rd"]).start();
    let mut browser = Browser::start();
    use_buttons(&mut browser, &server, "?security_token=p%26ss%20w%2Brd");
    let refused = http::get(server.http_port(), "/v1/status_view", &[]);
    assert_eq!(refused.status, 401);
    assert!(!refused.text().contains("Sleeper"), "{}", refused.text());
    assert!(!browser.eval("document.documentElement.outerHTML").as_str().unwrap().contains("p&amp;ss"));
}

#[test]
fn the_keyboard_keeps_its_place_while_the_page_is_brought_up_to_date() {
    let yard = Yard::new();
    let server = server(&yard).start();
    let mut browser = Browser::start();
    browser.open(&url(&server, ""));
    browser.wait_for(&format!("{}.length === 2", buttons("reserve")), PAGE_DEADLINE);
    browser.eval(&format!("{}[1].focus()", buttons("reserve")));
    yard::reserve(&server, "Sleeper", "");
    browser.wait_for(&summary(1), DEADLINE);
    assert_eq!(browser.eval("document.activeElement.dataset.call?.startsWith('reserve/Zoo')"), true);
    browser.key_text("\n");
    browser.wait_for(&summary(2), DEADLINE);
}

#[test]
fn a_click_that_takes_longer_than_an_update_counts() {
    let yard = Yard::new();
    let server = server(&yard).start();
    let mut browser = Browser::start();
    browser.open(&url(&server, ""));
    browser.wait_for(&format!("{}.length === 2", buttons("reserve")), PAGE_DEADLINE);
    let place =
        browser.eval(&format!("(({{x, y}}) => [x + 5, y + 5])({}[0].getBoundingClientRect())", buttons("reserve")));
    let mouse = |kind: &str| json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
    let updates = "performance.getEntriesByType('resource').filter(entry => entry.name.includes('status_view')).length";
    let before = browser.eval(updates).as_u64().expect("a number");
    browser.command("Input.dispatchMouseEvent", &mouse("mousePressed"));
    browser.wait_for(&format!("{updates} > {before} + 2"), DEADLINE);
    browser.command("Input.dispatchMouseEvent", &mouse("mouseReleased"));
    browser.wait_for(&summary(1), DEADLINE);
}

#[test]
fn without_scripts_the_page_is_readable_and_still_brings_itself_up_to_date() {
    let yard = Yard::new();
    let server = server(&yard).start();
    let mut browser = Browser::start();
    browser.open(&url(&server, ""));
    browser.command("Emulation.setScriptExecutionDisabled", &json!({ "value": true }));
    browser.open(&url(&server, ""));
    browser.wait_for(&summary(0), PAGE_DEADLINE);
    let text = browser.eval("document.body.innerText");
    let text = text.as_str().expect("text");
    for wanted in ["Sleeper", "free", EVIL] {
        assert!(text.contains(wanted), "no {wanted} in {text}");
    }
    assert_eq!(browser.eval(&format!("{}.length", buttons("reserve"))), 0, "buttons that do nothing are not shown");
    yard::reserve(&server, "Sleeper", "");
    browser.wait_for(&summary(1), DEADLINE);
    assert_eq!(
        browser.eval("getComputedStyle(document.querySelector('td.number')).textAlign"),
        "right",
        "it has its style"
    );
}

#[test]
fn names_are_text_whatever_they_hold() {
    let yard = Yard::new();
    let server = server(&yard).start();
    let mut browser = Browser::start();
    browser.open(&url(&server, ""));
    browser.wait_for(&summary(0), PAGE_DEADLINE);
    assert_eq!(browser.eval("[...document.querySelectorAll('tbody th')].map(th => th.textContent)[2]"), EVIL);
    yard::reserve(&server, EVIL, "%3Cimg%20src%3Dx%20onerror%3D%22document.title%3D1%22%3E=%3Cscript%3E");
    browser.wait_for(&summary(1), DEADLINE);
    browser.wait_for("document.querySelector('code')?.textContent.includes('onerror=\"document.title=1\"')", DEADLINE);
    assert_eq!(browser.eval("document.images.length + document.scripts.length"), 1, "the page's own script");
    assert_eq!(browser.eval("document.title"), "services");
    click(&mut browser, "release");
    browser.wait_for(&summary(0), DEADLINE);
}
