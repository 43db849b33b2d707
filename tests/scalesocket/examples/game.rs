//! `examples/game`.

use serde_json::{Value, json};

use super::{assert_no_errors, example, join, key, kill_command, next_json, text, visit};
use crate::support::browser::Browser;
use crate::support::server::Server;
use crate::support::wait::{DEADLINE, eventually};

/// A page with a player in it, whose number is told.
fn play(server: &Server, hash: &str) -> (Browser, u64) {
    let mut browser = visit(server, hash);
    browser.wait_for("me !== null", DEADLINE);
    let me = browser.eval("me").as_u64().expect("a number");
    (browser, me)
}

/// Holds a key until a player is somewhere, as another page sees it.
fn hold_until(browser: &mut Browser, name: &str, witness: &mut Browser, condition: &str) {
    key(browser, "keyDown", name);
    witness.wait_for(condition, DEADLINE);
    key(browser, "keyUp", name);
}

/// A pixel of the canvas: `[red, green, blue]`.
fn pixel(browser: &mut Browser, x: u32, y: u32) -> Value {
    browser.eval(&format!("[...context.getImageData({x}, {y}, 1, 1).data.slice(0, 3)]"))
}

#[test]
fn players_see_each_other_move() {
    let server = example("game", "");
    let ((mut a, one), (mut b, two)) = (play(&server, ""), play(&server, ""));
    for browser in [&mut a, &mut b] {
        browser.wait_for(&format!("Object.keys(players).join() === '{one},{two}'"), DEADLINE);
    }
    // To the wall and, for the other, to the opposite one.
    hold_until(&mut a, "ArrowLeft", &mut b, &format!("players[{one}][0] === 20"));
    hold_until(&mut b, "KeyD", &mut a, &format!("players[{two}][0] === 620"));
    hold_until(&mut b, "ArrowUp", &mut a, &format!("players[{two}][1] === 20"));
    // Their pictures arrive there too: the upper left part of the disc, where no number and no apple is.
    let wanted = a.eval(&format!(
        "{{ context.fillStyle = colour({two}); context.fillRect(0, 0, 1, 1);
        [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)]; }}"
    ));
    eventually(DEADLINE, "the other player is drawn in the corner", || pixel(&mut a, 620 - 12, 20 - 10) == wanted);

    for browser in [&a, &b] {
        assert_no_errors(browser);
    }
    b.close_page();
    a.wait_for(&format!("Object.keys(players).join() === '{one}'"), DEADLINE);
    a.wait_for("document.querySelectorAll('#scores li').length === 1", DEADLINE);
    kill_command(&server);
    a.wait_for("me === 3 && Object.keys(players).join() === '3'", DEADLINE);
    a.close_page();
    server.wait_children(0);
}

#[test]
fn a_joiner_alone_is_told_how_things_stand() {
    let server = example("game", "");
    let mut first = join(&server, "/field");
    let state = next_json(&mut first);
    assert_eq!((&state["type"], &state["you"]), (&json!("state"), &json!(1)));
    let change = next_json(&mut first);
    assert_eq!(change["type"], "change");
    assert_eq!(change["players"], state["players"]);

    let mut second = join(&server, "/field");
    let state = next_json(&mut second);
    assert_eq!((&state["type"], &state["you"]), (&json!("state"), &json!(2)));
    assert_eq!(state["players"]["1"], change["players"]["1"]);
    // The first hears of the second, and nothing of what the second was told.
    let change = next_json(&mut first);
    assert_eq!((&change["type"], change["players"].as_object().map(serde_json::Map::len)), (&json!("change"), Some(2)));
    assert_eq!(next_json(&mut second), change);

    // Whatever a player says, the game goes on for the others.
    for nonsense in
        ["no JSON", "[]", "{}", r#"{"type":"steer"}"#, r#"{"type":[],"id":1}"#, r#"{"dx":{},"type":"steer"}"#]
    {
        second.send(&text(nonsense));
    }
    second.send(&text(r#"{"type":"steer","dx":0,"dy":1,"id":1}"#));
    let moved = next_json(&mut first);
    assert_eq!(moved["players"]["1"], change["players"]["1"], "nobody moves another's player");
    second.close();
    eventually(DEADLINE, "the first is alone", || next_json(&mut first)["players"].get("2").is_none());

    // Another garden is another game.
    let mut other = join(&server, "/garden");
    let state = next_json(&mut other);
    assert_eq!(state["players"].as_object().expect("players").keys().collect::<Vec<_>>(), ["3"]);
    server.wait_children(2);
    other.close();
    first.close();
    server.wait_children(0);
}
