//! The example of the README, as a visitor meets it: `examples/paint` in a browser.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::support::browser::Browser;
use crate::support::server::Server;
use crate::support::wait::{DEADLINE, eventually};
use crate::support::yard::{self, Yard};

const PAGE_DEADLINE: Duration = Duration::from_mins(1);
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/paint");

/// Builds the example beside the tests, in the same way as they were built.
fn built_example() -> PathBuf {
    let tests = std::env::current_exe().expect("a path of this program");
    let profile = tests.ancestors().nth(2).expect("target/<profile>/deps/<program>");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--offline", "--locked", "--example", "paint"]).current_dir(FOLDER);
    cargo.arg("--target-dir").arg(profile.parent().expect("the target folder"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().expect("cargo starts").success(), "the example cannot be built");
    profile.join("examples/paint")
}

/// A copy of the example whose services start the program that was just built.
fn example() -> (Yard, Server) {
    let (yard, program) = (Yard::new(), built_example());
    for name in ["index.html", "pond.py"] {
        fs::copy(Path::new(FOLDER).join(name), yard.file(name)).expect("a copy of the example");
    }
    let original = fs::read_to_string(Path::new(FOLDER).join("services.json")).expect("services.json");
    let mut services: serde_json::Value = serde_json::from_str(&original).expect("JSON");
    assert_eq!(services["Pond"]["command"][0], "../../target/release/examples/paint");
    services["Pond"]["command"][0] = json!(program);
    let script = fs::read_to_string(yard.file("pond.py")).expect("pond.py");
    let moved = script.replace("../../target/release/examples/paint", program.to_str().expect("UTF-8"));
    assert_ne!(moved, script, "the script names the program");
    yard.write("pond.py", &moved);
    let server = yard.server(&services).start();
    (yard, server)
}

/// Clicks with the mouse at the middle of what an expression gives.
fn click(browser: &mut Browser, element: &str) {
    let place = browser.eval(&format!(
        "(({{x, y, width, height}}) => [x + width / 2, y + height / 2].map(Math.round))(({element}).getBoundingClientRect())"
    ));
    let [x, y] = [0, 1].map(|i| u32::try_from(place[i].as_u64().expect("a place on the page")).expect("a small one"));
    browser.click(x, y);
}

/// A hash of the canvas' pixels.
const PICTURE: &str = "(canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
    .reduce((hash, byte) => (hash * 31 + byte) >>> 0, 0))(document.querySelector('canvas'))";

/// The most that a pixel in the middle row of the left half differs from still water: rain falls elsewhere at first.
const RIPPLES: &str =
    "(canvas => { const row = canvas.getContext('2d').getImageData(60, 120, 40, 40).data; let most = 0;
    for (let i = 0; i < row.length; i += 4) most = Math.max(most, Math.abs(row[i + 2] - 150)); return most; })
    (document.querySelector('canvas'))";

#[test]
fn a_visitor_clicks_a_service_paints_with_the_mouse_and_leaves_nothing_behind() {
    let (yard, server) = example();
    let mut browser = Browser::start();
    browser.open(&format!("http://localhost:{}/", server.http_port()));
    browser.wait_for("document.querySelectorAll('#services button').length === 2", PAGE_DEADLINE);
    let names = browser.eval("[...document.querySelectorAll('#services button')].map(button => button.textContent)");
    assert_eq!(names, json!(["Pond (launched as a command)", "Pond by script (launched by a Python script)"]));
    assert_eq!(yard.processes(), []);

    click(&mut browser, "document.querySelector('#services button')");
    browser.wait_for("/^Pond: \\d+ pictures/.test(document.querySelector('#state').textContent)", DEADLINE);
    assert_eq!(yard::slot(&server, "Pond", 0)["state"], "active");
    let first = browser.eval(PICTURE);
    eventually(DEADLINE, "the water moves", || browser.eval(PICTURE) != first);
    browser.wait_for("canvas.width === 320 && canvas.height === 200", DEADLINE);

    // Drops again and again at one place: ripples as rain does not make them.
    eventually(DEADLINE, "the mouse draws", || {
        let place = browser.eval(
            "(({x, y, width, height}) => [x + width / 4, y + height * 0.7].map(Math.round))(canvas.getBoundingClientRect())",
        );
        let moved = json!({ "type": "mouseMoved", "x": place[0], "y": place[1], "button": "none" });
        browser.command("Input.dispatchMouseEvent", &moved);
        browser.eval(RIPPLES).as_f64().is_some_and(|most| most > 100.0)
    });
    eventually(DEADLINE, "the mouse is heard of", || yard::slot(&server, "Pond", 0)["bytes_up"].as_u64() > Some(0));
    let errors = browser.console_errors();
    assert!(errors.is_empty(), "errors in the page: {errors:?}");

    browser.close_page();
    yard.wait_empty(Duration::from_secs(2));
    yard::wait_state(&server, "Pond", 0, "free", DEADLINE);
}

#[test]
fn the_same_program_is_started_by_a_script() {
    let (yard, server) = example();
    let token = yard::reserve(&server, "Pond by script", "colour=red");
    let mut ws = yard::open(&server, &token);
    let first = ws.next_answering().expect("the first picture").payload;
    assert_eq!(first.get(..4), Some(&[1, 64, 0, 200][..]), "width and height");
    drop(ws);
    yard.wait_empty(DEADLINE);
    // The slot is free a moment after the last process is gone.
    yard::wait_state(&server, "Pond by script", 0, "free", DEADLINE);
    let token = yard::reserve(&server, "Pond by script", "colour=pink");
    let (_, code, reason) = yard::open(&server, &token).drain();
    assert_eq!(code, 1011);
    assert!(reason.contains("there is no pink water"), "{reason}");
}
