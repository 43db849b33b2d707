//! JSON framing of what the command says.

use super::*;

fn ids() -> DataConfig {
    framed(Split::Lines, FrameMode::Json)
}

fn from_to() -> DataConfig {
    DataConfig { json_keys: JsonKeys::FromTo, ..ids() }
}

/// A line goes, as it is, to this member or to everybody.
#[track_caller]
fn check_line(data: &DataConfig, line: &str, to: Option<u32>) {
    check(data, line, &[to.map_or(text(line), |id| text_to(id, line))]);
}

#[test]
fn an_id_says_whom_a_message_is_for() {
    for (line, to) in [
        (r#"{"id":3}"#, Some(3)),
        (r#" { "x" : [1, {"id": 7}], "id" : 4294967295 } "#, Some(u32::MAX)),
        (r#"{"id":0,"x":1}"#, Some(0)),
        (r#"{"\u0069d":5}"#, Some(5)),
        (r#"{"id":1,"id":2}"#, Some(2)),
        (r#"{"id":1,"id":null}"#, None),
        (r#"{"id":"1","id":2}"#, Some(2)),
        (r#"{"_to":3}"#, None),
        (r#"{"id":4294967296}"#, None),
        (r#"{"id":-1}"#, None),
        (r#"{"id":1.0}"#, None),
        (r#"{"id":"1"}"#, None),
        (r#"{"id":true}"#, None),
        (r#"{"id":[1]}"#, None),
        (r#"{"id":{"id":1}}"#, None),
        (r#"{"id":1}x"#, None),
        (r#"{"id":1"#, None),
        (r#"{"id":1,"x":tru}"#, None),
        (r#"{"id":1} {"id":2}"#, None),
        ("[1]", None),
        ("1", None),
        ("text", None),
    ] {
        check_line(&ids(), line, to);
    }
}

#[test]
fn the_newer_keys_count_together() {
    for (line, to) in [
        (r#"{"_to":3}"#, Some(3)),
        (r#"{"id":3}"#, None),
        (r#"{"_to":3,"_meta":false,"_cache":false}"#, Some(3)),
        (r#"{"_to":3,"_cache":true}"#, Some(3)),
        (r#"{"_to":3,"_cache":null,"_meta":null}"#, Some(3)),
        (r#"{"_to":3,"_cache":1}"#, None),
        (r#"{"_to":3,"_meta":"true"}"#, None),
        (r#"{"_to":"3","_meta":true}"#, None),
        (r#"{"_to":-3,"_meta":true}"#, None),
        ("[3,true]", None),
    ] {
        check_line(&from_to(), line, to);
    }
}

#[test]
fn metadata_is_not_a_message() {
    let line = r#"{"b":[1],"_meta":true,"_to":3,"a":"x"}"#;
    let metadata = Heard::Metadata(json!({"a": "x", "b": [1], "_to": 3}));
    check(&from_to(), format!("{line}\nafter\n"), &[metadata.clone(), text("after")]);
    check(&DataConfig { split: Split::Binary, ..from_to() }, line, &[metadata]);
    check_line(&ids(), line, None);
}

#[test]
fn metadata_may_be_long() {
    let long = "x".repeat(1_000_000);
    let line = format!("{{\"_meta\":true,\"x\":\"{long}\"}}");
    let pieces: Vec<_> = line.as_bytes().chunks(5000).collect();
    assert_eq!(hear(&from_to(), None, &pieces).heard, [Heard::Metadata(json!({ "x": long }))]);
}

#[test]
fn only_messages_for_everybody_are_kept() {
    let kept = |heap: Heap| -> Vec<bool> {
        heap.heard.iter().map(|heard| matches!(heard, Heard::Message(_, _, true))).collect()
    };
    let spoken = ["{\"_cache\":true}\n{\"_cache\":true,\"_to\":1}\n{}\n{\"_to\":1}\n{\"_cache\":1}\n"];
    let tagged = CacheConfig { tagged: true, ..all(8) };
    assert_eq!(kept(hear(&from_to(), Some(all(8)), &spoken)), [true, false, true, false, true]);
    assert_eq!(kept(hear(&from_to(), Some(tagged), &spoken)), [true, false, false, false, false]);
}

#[test]
fn messages_for_the_same_member_are_together() {
    let heap = hear(&ids(), None, &["{\"id\":1}\n{\"id\":1}\n{\"id\":2}\n{}\nx\n{\"id\":2}\n"]);
    assert_eq!((heap.heard.len(), heap.batches), (6, 4));
}

#[test]
fn binary_chunks_are_routed_whole() {
    let data = DataConfig { split: Split::Binary, ..ids() };
    let to_two = Heard::Message(Recipient::One(2), Message::binary("{\"id\":\n2}\n"), false);
    check(&data, "{\"id\":\n2}\n", &[to_two]);
    check(&data, b"{\"id\":2,\"x\":\"\xff\"}", &[bytes(b"{\"id\":2,\"x\":\"\xff\"}")]);
}

#[test]
fn no_depth_is_too_deep() {
    let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for depth in [100, 200, 1_000_000] {
        let line = format!("{{\"x\":{},\"_to\":3}}", deep(depth));
        check_line(&from_to(), &line, Some(3));
        check_line(&from_to(), &format!("{{\"_to\":{}}}", deep(depth)), None);
        check_line(&from_to(), &deep(depth), None);
        check_line(&from_to(), &"{\"x\":".repeat(depth), None);
        check_line(&from_to(), &"{\"_to\":".repeat(depth), None);
    }
    // Metadata is read as a value, whose depth is bounded.
    check_line(&from_to(), &format!("{{\"x\":{},\"_meta\":true}}", deep(200)), None);
}
