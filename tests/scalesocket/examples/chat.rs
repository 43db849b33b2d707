//! `examples/chat`.

use std::fs;

use serde_json::{Value, json};

use super::{
    PAGE_DEADLINE, ROOT, arguments, assert_no_errors, example, join, kill_command, next_json, run_arguments, text,
    visit,
};
use crate::support::browser::Browser;
use crate::support::server::Server;
use crate::support::wait::DEADLINE;

/// Goes to a room under a name, as a person does.
fn enter(server: &Server, hash: &str, name: &str) -> Browser {
    let mut browser = visit(server, hash);
    browser.eval("document.querySelector('#name').focus()");
    browser.key_text(&format!("{name}\n"));
    browser.wait_for("document.querySelector('#state.up')", PAGE_DEADLINE);
    browser
}

/// What stands in the page, without the times.
const LOG: &str = "[...document.querySelectorAll('#log li')].map(item => [...item.querySelectorAll('b, span')]
    .map(part => part.textContent).join(' '))";

#[track_caller]
fn wait_lines(browser: &mut Browser, lines: &Value) {
    browser.wait_for(&format!("JSON.stringify({LOG}) === JSON.stringify({lines})"), DEADLINE);
}

#[test]
fn people_chat_and_see_who_comes_and_goes() {
    let server = example("chat", "");
    let mut ann = enter(&server, "", "Ann");
    wait_lines(&mut ann, &json!(["Ann joined"]));
    // Names are anybody's, so they may look like anything.
    let mut bob = enter(&server, "", r#"Bob "<b>" 100% #ID"#);
    let both = json!(["Ann joined", r#"Bob "<b>" 100% #ID joined"#]);
    wait_lines(&mut ann, &both);
    // Who comes later hears the last messages too.
    wait_lines(&mut bob, &both);

    ann.key_text("hello <i>Bob</i> \\ 50%\n");
    let said = "Ann hello <i>Bob</i> \\ 50%";
    bob.wait_for(&format!("{LOG}.includes({})", json!(said)), DEADLINE);
    bob.key_text("hi\n");
    let all = json!(["Ann joined", r#"Bob "<b>" 100% #ID joined"#, said, r#"Bob "<b>" 100% #ID hi"#]);
    wait_lines(&mut ann, &all);
    wait_lines(&mut bob, &all);

    let colours = "new Set([...document.querySelectorAll('#log b')].map(name => getComputedStyle(name).color)).size";
    assert_eq!(ann.eval(colours), 2, "each member has a colour");

    // Another room is another chat.
    let mut tea = join(&server, "/tea?name=J%C3%B6rg");
    assert_eq!(next_json(&mut tea)["event"], json!({"id": 3, "type": "join", "name": "J%C3%B6rg"}));
    tea.send(&text(r#"{"text":"alone","id":1}"#));
    assert_eq!(next_json(&mut tea)["event"], json!({"id": 3, "text": "alone"}));
    server.wait_children(2);

    assert_no_errors(&bob);
    bob.close_page();
    ann.wait_for(&format!("{LOG}.at(-1) === 'Bob \"<b>\" 100% #ID left'"), DEADLINE);
    assert_eq!(ann.eval(LOG).as_array().map(Vec::len), Some(5), "no word of the other room");
    assert_no_errors(&ann);
    ann.close_page();
    server.wait_children(1);
    tea.close();
    server.wait_children(0);
}

#[test]
fn a_page_says_that_its_connection_is_lost_and_connects_again() {
    let server = example("chat", "");
    let mut ann = enter(&server, "#caf%C3%A9/2", "Ann");
    assert_eq!(ann.eval("document.querySelector('#room').textContent"), "# café/2");
    wait_lines(&mut ann, &json!(["Ann joined"]));
    ann.eval(
        "{ window.states = []; new MutationObserver(() => states.push(element('state').textContent))
        .observe(element('state'), { childList: true }); }",
    );
    kill_command(&server);
    ann.wait_for("states.at(-1) === 'connected as Ann'", DEADLINE);
    let lost = "connection lost (1011 the command was killed by SIGKILL), trying again…";
    assert_eq!(ann.eval("states"), json!([lost, "connecting…", "connected as Ann"]));
    // What was there before is not gone.
    wait_lines(&mut ann, &json!(["Ann joined", "Ann joined"]));
    ann.key_text("again\n");
    wait_lines(&mut ann, &json!(["Ann joined", "Ann joined", "Ann again"]));
    drop(server);
    ann.wait_for("/^connection lost \\(1006 /.test(document.querySelector('#state').textContent)", DEADLINE);
    assert_eq!(ann.eval("document.querySelector('#say button').disabled"), true);
}

#[test]
fn the_readme_shows_the_example() {
    let file = |name: &str| fs::read_to_string(format!("{ROOT}/{name}")).expect("a file of ours");
    let (script, readme) = (file("examples/chat/chat.sh"), file("README.md"));
    assert_eq!(script.lines().count(), 3);
    assert!(
        readme.contains(&format!("```sh\n{script}```")),
        "README.md shows another script than examples/chat/chat.sh"
    );
    let (_, section) = readme.split_once("\n## scalesocket\n").expect("the section");
    let (_, command) = section.split_once("\ntarget/release/scalesocket ").expect("how it is started");
    let (command, _) = command.split_once("\nxdg-open").expect("how it is opened");
    assert_eq!(arguments(command, ""), run_arguments("chat", ""));
}
