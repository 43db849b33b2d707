//! `examples/terminal`.

use serde_json::json;

use super::{assert_no_errors, example, key, visit};
use crate::support::browser::Browser;
use crate::support::stream::Conn;
use crate::support::wait::{DEADLINE, eventually};
use crate::support::ws::Ws;

/// What stands on the screen and above it, one line each.
const LINES: &str = "[...document.querySelectorAll('#view div')].map(row => row.textContent.trimEnd())";

#[track_caller]
fn wait_line(browser: &mut Browser, line: &str) {
    browser.wait_for(&format!("{LINES}.includes({})", json!(line)), DEADLINE);
}

/// Sets a short prompt, so that lines can be foretold.
fn prompt(browser: &mut Browser) {
    browser.key_text("PS1='> '\n");
    wait_line(browser, ">");
}

#[test]
fn a_shell_is_used_and_ends_with_its_page() {
    let server = example("terminal", "room=secret port=9000");
    let mut browser = visit(&server, "#secret");
    prompt(&mut browser);
    browser.key_text("echo $((6*7))\n");
    wait_line(&mut browser, "> echo $((6*7))");
    wait_line(&mut browser, "42");

    // A terminal, with its size, its keys and its colours.
    browser.key_text("tty -s && stty size\n");
    wait_line(&mut browser, "24 80");
    browser.key_text("echo wrong");
    key(&mut browser, "keyDown", "ArrowLeft");
    key(&mut browser, "keyDown", "Backspace");
    browser.key_text("s\n");
    wait_line(&mut browser, "wrosg");
    browser.key_text("printf '\\e[1;31m%s\\e[m \\303\\251\\n' red\n");
    wait_line(&mut browser, "red é");
    let red = "[...document.querySelectorAll('#screen span')].find(span => span.textContent === 'red')?.style";
    assert_eq!(browser.eval(&format!("{red}.color")), "rgb(224, 108, 117)");
    browser.key_text("clear; seq 60; echo end\n");
    wait_line(&mut browser, "end");
    wait_line(&mut browser, "1");
    browser.key_text("sleep 1000\n");
    wait_line(&mut browser, "> sleep 1000");
    browser.command(
        "Input.dispatchKeyEvent",
        &json!({ "type": "keyDown", "key": "c", "code": "KeyC", "modifiers": 2, "windowsVirtualKeyCode": 67 }),
    );
    browser.key_text("echo shell $$\n");
    let shell = format!("{LINES}.map(line => /^shell (\\d+)$/.exec(line)?.[1]).find(Boolean)");
    browser.wait_for(&shell, DEADLINE);
    let shell: u32 = browser.eval(&shell).as_str().and_then(|id| id.parse().ok()).expect("a process id");
    assert_no_errors(&browser);

    browser.close_page();
    server.wait_children(0);
    let process = format!("/proc/{shell}");
    eventually(DEADLINE, "the shell is gone", || !std::fs::exists(&process).expect("/proc"));
}

#[test]
fn a_page_says_how_its_shell_has_ended() {
    let server = example("terminal", "room=secret port=9000");
    let mut browser = visit(&server, "#secret");
    prompt(&mut browser);
    browser.key_text("exit 0\n");
    browser.wait_for("/^closed \\(1000 /.test(state.textContent)", DEADLINE);
    server.wait_children(0);
    browser.key_text("\n");
    browser.wait_for("/^connected/.test(state.textContent)", DEADLINE);
    prompt(&mut browser);
    server.wait_children(1);

    // Who does not know the room gets no shell, wherever he comes from.
    for path in ["/", "/bash", "/Secret", "/secret2"] {
        let refused = Ws::open_with(Conn::plain(server.room_port()), path, &[]).err().expect("no websocket");
        println!("{path}: {refused:?}");
    }
    server.wait_children(1);
    browser.open(&format!("http://127.0.0.1:{}/", server.room_port()));
    browser.wait_for("state.textContent.includes('lacks the name')", DEADLINE);
    server.wait_children(0);
    assert_no_errors(&browser);
}
