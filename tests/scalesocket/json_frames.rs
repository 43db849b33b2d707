//! JSON framing, either way.

use crate::members::{ask, expect_texts, join, next_text, rest, text};
use crate::support::http;
use crate::support::server::Server;
use crate::support::wait::{DEADLINE, eventually};
use crate::support::ws::{Frame, TEXT, Ws};

#[test]
fn messages_to_the_command_are_written_anew_with_the_members_number() {
    let server = Server::scalesocket(&["--client-frame=json", "cat"]);
    let mut ws = join(&server, "/r");
    let cases = [
        ("{}", r#"{"id":1}"#),
        (r#" { "text" : "hi" , "id" : 77 } "#, r#"{"id":1,"text":"hi"}"#),
        (r#"{"z":{"b":1,"a":[1, 2]},"a":null}"#, r#"{"a":null,"id":1,"z":{"a":[1,2],"b":1}}"#),
        (r#"{"a":1,"a":2}"#, r#"{"a":2,"id":1}"#),
        (r#"{"n":1e3,"m":-0,"u":18446744073709551615}"#, r#"{"id":1,"m":-0.0,"n":1000.0,"u":18446744073709551615}"#),
        ("{\"e\":\"\\u00e9\\/\\u0007\\n\"}", "{\"e\":\"é/\\u0007\\n\",\"id\":1}"),
        // As the newest release writes it; the reference has no plus.
        (r#"{"n":18446744073709551616}"#, r#"{"id":1,"n":1.8446744073709552e+19}"#),
        (r#"{"id":{"deep":1}}"#, r#"{"id":1}"#),
    ];
    for (said, heard) in cases {
        assert_eq!(ask(&mut ws, said), heard);
    }
    ws.send(&Frame::binary(*b"{\"binary\":true}"));
    expect_texts(&mut ws, &[r#"{"binary":true,"id":1}"#]);
}

#[test]
fn what_is_no_json_object_is_left_out_and_its_member_stays() {
    let server = Server::scalesocket(&["--client-frame=json", "cat"]);
    let mut ws = join(&server, "/r");
    let bad = ["", "x", "[1]", "1", "null", "\"text\"", "{", "{} x", "{\"a\":1e400}", "{\"a\":\"\u{1}\"}", "{'a':1}"];
    ws.send_all(&bad.map(text));
    ws.send(&Frame::binary(*b"\xff\xfe"));
    ws.send(&text(format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000))));
    assert_eq!(ask(&mut ws, "{}"), r#"{"id":1}"#);
    server.wait_log("bad data: message is not valid JSON", DEADLINE);
    server.wait_log("bad data: message is not a JSON object", DEADLINE);
}

/// Three members, whose messages the command repeats.
fn three(flags: &[&str]) -> (Server, [Ws; 3]) {
    let server = Server::scalesocket_builder().args(flags).args(&["cat"]).start();
    let members = [(); 3].map(|()| join(&server, "/r"));
    (server, members)
}

#[test]
fn messages_go_to_the_member_they_name_as_they_are() {
    let (_server, [mut a, mut b, mut c]) = three(&["--server-frame=json"]);
    let to_b = [r#"{"id":2}"#, r#" { "x" : 1.50, "id":2 , "x":2} "#, r#"{"id":3,"id":2}"#];
    let to_nobody = [r#"{"id":0}"#, r#"{"id":4}"#, r#"{"id":4294967295}"#];
    let to_all = [
        "{}",
        "x",
        "",
        "{",
        r#"{"id":null}"#,
        r#"{"id":"2"}"#,
        r#"{"id":2.0}"#,
        r#"{"id":-2}"#,
        r#"{"id":4294967296}"#,
        r#"{"id":[2]}"#,
        "[2]",
        "[2,true]",
        r#"{"x":{"id":2}}"#,
        r#"{"id":2} x"#,
        "2",
    ];
    for said in to_b.iter().chain(&to_nobody).chain(&to_all) {
        a.send(&text(*said));
    }
    expect_texts(&mut b, &to_b);
    for ws in [&mut a, &mut b, &mut c] {
        expect_texts(ws, &to_all);
    }
}

#[test]
fn a_number_names_a_member_of_this_room_only() {
    let server = Server::scalesocket(&["--server-frame=json", "cat"]);
    let (mut a, mut other) = (join(&server, "/one"), join(&server, "/two"));
    a.send_all(&[text(r#"{"id":2}"#), text("to all here")]);
    expect_texts(&mut a, &["to all here"]);
    assert_eq!(ask(&mut other, "nothing came"), "nothing came");
}

#[test]
fn both_ways_an_echo_answers_the_speaker_alone() {
    for flag in ["--frame=json", "--strict=json"] {
        let (_server, [mut a, mut b, _]) = three(&[flag]);
        assert_eq!(ask(&mut a, r#"{"nick":"ann","text":"hi"}"#), r#"{"id":1,"nick":"ann","text":"hi"}"#);
        assert_eq!(ask(&mut b, "{}"), r#"{"id":2}"#);
    }
}

#[test]
fn the_keys_of_later_releases() {
    let (server, [mut a, mut b, mut c]) = three(&["--frame=json", "--json-keys", "from-to"]);
    a.send(&text(r#"{"nick":"ann"}"#));
    for ws in [&mut a, &mut b, &mut c] {
        expect_texts(ws, &[r#"{"_from":1,"nick":"ann"}"#]);
    }
    a.send_all(&[text(r#"{"_to":2}"#), text(r#"{"_to":"2"}"#), text(r#"{"id":2}"#)]);
    expect_texts(&mut b, &[r#"{"_from":1,"_to":2}"#]);
    for ws in [&mut a, &mut b, &mut c] {
        expect_texts(ws, &[r#"{"_from":1,"_to":"2"}"#, r#"{"_from":1,"id":2}"#]);
    }
    drop(server);
}

#[test]
fn metadata_belongs_to_the_room_and_goes_with_it() {
    let server = Server::scalesocket(&["--server-frame=json", "--json-keys=from-to", "--api", "cat"]);
    let api = |target: &str| http::get(server.room_port(), target, &[]).text();
    let mut ws = join(&server, "/r");
    assert_eq!(api("/api/r/metadata"), "null");
    ws.send_all(&[text(r#"{"_meta":true,"topic":"cats","n":1}"#), text("next")]);
    expect_texts(&mut ws, &["next"]);
    assert_eq!(api("/api/r/metadata"), r#"{"n":1,"topic":"cats"}"#);
    assert_eq!(api("/api/rooms"), r#"[{"connections":1,"metadata":{"n":1,"topic":"cats"},"name":"r"}]"#);
    // A header with a value of the wrong type is no header.
    ws.send(&text(r#"{"_meta":true,"_cache":1}"#));
    expect_texts(&mut ws, &[r#"{"_meta":true,"_cache":1}"#]);
    ws.close();
    eventually(DEADLINE, "the room is closed", || api("/api/rooms") == "[]");
    let mut again = join(&server, "/r");
    assert_eq!(api("/api/r"), r#"{"connections":1,"metadata":null,"name":"r"}"#);
    assert_eq!(ask(&mut again, "hello"), "hello");
}

#[test]
fn json_is_spoken_in_binary_mode_too_without_line_ends() {
    let server = Server::scalesocket(&["--binary", "--frame=json", "cat"]);
    let mut ws = join(&server, "/r");
    ws.send(&text("{}"));
    assert_eq!(ws.take_data(8), br#"{"id":1}"#);
}

#[test]
fn framing_one_way_leaves_the_other_alone() {
    let (_server, [mut a, mut b, _]) = three(&["--client-frame=json"]);
    a.send(&text("{}"));
    expect_texts(&mut a, &[r#"{"id":1}"#]);
    expect_texts(&mut b, &[r#"{"id":1}"#]);
    let server = Server::scalesocket(&["--server-frame=json", "sh", "--", "-c", "cat; exit 0"]);
    let mut ws = join(&server, "/r");
    ws.send(&Frame::new(TEXT, *b"not json"));
    assert_eq!(next_text(&mut ws), "not json");
    ws.close();
    let server = Server::scalesocket(&["--frame=json", "printf", "--", "a\\n{\"id\":9}\\nb"]);
    assert_eq!(rest(join(&server, "/r")).0, ["a", "b"]);
}
