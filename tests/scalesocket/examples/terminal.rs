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

/// Types a command when the shell waits for one. What was typed before would be echoed twice.
fn run(browser: &mut Browser, command: &str) {
    browser
        .wait_for("document.querySelector('#screen .cursor')?.parentElement.textContent.trimEnd() === '>'", DEADLINE);
    browser.key_text(&format!("{command}\n"));
}

/// Sets a short prompt, so that lines can be foretold.
fn prompt(browser: &mut Browser) {
    browser
        .wait_for("/[$#] $/.test(document.querySelector('#screen .cursor')?.previousSibling?.textContent)", DEADLINE);
    browser.key_text("PS1='> '\n");
}

#[test]
fn a_shell_is_used_and_ends_with_its_page() {
    let server = example("terminal", "room=secret port=9000");
    let mut browser = visit(&server, "#secret");
    prompt(&mut browser);
    run(&mut browser, "echo $((6*7))");
    wait_line(&mut browser, "> echo $((6*7))");
    wait_line(&mut browser, "42");

    // A terminal, with its size, its keys and its colours.
    run(&mut browser, "tty -s && stty size");
    wait_line(&mut browser, "24 80");
    run(&mut browser, "echo $TERM; read word");
    wait_line(&mut browser, "ansi");
    browser.key_text("said\n");
    run(&mut browser, "printf '%s\\e[K\\e[2D\\e[2;3r\\e]0;title\\a%s\\n' $word X");
    wait_line(&mut browser, "saXd");
    run(&mut browser, "printf '\\e[1;31m%s\\e[m \\303\\251\\n' red");
    wait_line(&mut browser, "red é");
    let red = "[...document.querySelectorAll('#screen span')].find(span => span.textContent === 'red')?.style";
    assert_eq!(browser.eval(&format!("{red}.color")), "rgb(224, 108, 117)");
    run(&mut browser, "clear; seq 60; echo end");
    wait_line(&mut browser, "end");
    wait_line(&mut browser, "1");
    run(&mut browser, "sleep 1000");
    wait_line(&mut browser, "> sleep 1000");
    let interrupt =
        json!({ "key": "c", "code": "KeyC", "modifiers": 2, "windowsVirtualKeyCode": 67, "type": "keyDown" });
    browser.command("Input.dispatchKeyEvent", &interrupt);
    run(&mut browser, "echo wrong");
    wait_line(&mut browser, "wrong");
    // History, a step to the left, and away with what stands there.
    for name in ["ArrowUp", "ArrowLeft", "Backspace"] {
        key(&mut browser, "keyDown", name);
    }
    browser.key_text("s\n");
    wait_line(&mut browser, "wrosg");
    run(&mut browser, "echo shell $$");
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
    run(&mut browser, "exit 0");
    browser.wait_for("/^closed \\(1000 /.test(state.textContent)", DEADLINE);
    server.wait_children(0);
    browser.key_text("\n");
    browser.wait_for("/^connected/.test(state.textContent)", DEADLINE);
    prompt(&mut browser);
    server.wait_children(1);

    // Who does not know the room gets no shell, wherever he comes from.
    for path in ["/", "/bash", "/Secret", "/secret2"] {
        assert!(Ws::open_with(Conn::plain(server.room_port()), path, &[]).is_err(), "{path}");
    }
    server.wait_children(1);
    browser.open(&format!("http://127.0.0.1:{}/", server.room_port()));
    browser.wait_for("state.textContent.includes('lacks the name')", DEADLINE);
    server.wait_children(0);
    assert_no_errors(&browser);
}
