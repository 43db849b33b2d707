//! What the command is told.

use super::*;

/// Member 7 says it, in these words.
#[track_caller]
fn check_tag(data: &DataConfig, kind: Kind, message: &[u8], expected: &[u8]) {
    let told = Tagger::new(data).tag(7, kind, message.to_vec());
    assert_eq!(told.as_deref(), Ok(expected), "{}", String::from_utf8_lossy(message));
}

#[test]
fn messages_become_lines_but_in_binary_mode() {
    for data in [lines(), split(Split::At(vec![0]))] {
        check_tag(&data, Kind::Text, b"a\nb", b"a\nb\n");
        check_tag(&data, Kind::Binary, b"\xff\n", b"\xff\n\n");
        check_tag(&data, Kind::Text, b"", b"\n");
        assert_eq!(Tagger::new(&data).plain("hi".into()), b"hi\n");
    }
    check_tag(&split(Split::Binary), Kind::Text, b"a", b"a");
    assert_eq!(Tagger::new(&split(Split::Binary)).plain("hi".into()), b"hi");
}

#[test]
fn json_is_tagged_with_the_members_id() {
    let data = framed(Split::Lines, FrameMode::Json);
    for (message, told) in [
        ("{}", r#"{"id":7}"#),
        (r#" {"b" : 1, "a": {"z": [], "y": 2}} "#, r#"{"a":{"y":2,"z":[]},"b":1,"id":7}"#),
        (r#"{"id":"mine","é":1,"Z":1}"#, r#"{"Z":1,"id":7,"é":1}"#),
        (r#"{"a":1,"a":2}"#, r#"{"a":2,"id":7}"#),
        (
            r#"{"a":1e3,"b":-0,"c":1.50,"d":18446744073709551615}"#,
            r#"{"a":1000.0,"b":-0.0,"c":1.5,"d":18446744073709551615,"id":7}"#,
        ),
        (r#"{"a":"\u00e9\/\n\u0001"}"#, r#"{"a":"é/\n\u0001","id":7}"#),
    ] {
        for kind in [Kind::Text, Kind::Binary] {
            check_tag(&data, kind, message.as_bytes(), format!("{told}\n").as_bytes());
            let bare = framed(Split::Binary, FrameMode::Json);
            check_tag(&bare, kind, message.as_bytes(), told.as_bytes());
        }
    }
    check_tag(
        &DataConfig { json_keys: JsonKeys::FromTo, ..data },
        Kind::Text,
        b"{\"id\":1}",
        b"{\"_from\":7,\"id\":1}\n",
    );
}

#[test]
fn what_is_no_json_object_is_not_told() {
    let tagger = Tagger::new(&framed(Split::Lines, FrameMode::Json));
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for message in ["", "x", "{", "{}x", "{\"a\":1E400}", &deep] {
        let complaint = tagger.tag(1, Kind::Text, message.into()).unwrap_err();
        assert_eq!(complaint.0, "message is not valid JSON", "{message:.20}");
    }
    for message in ["[]", "1", "null", "\"x\""] {
        let complaint = tagger.tag(1, Kind::Text, message.into()).unwrap_err();
        assert_eq!(complaint.0, "message is not a JSON object", "{message}");
    }
    assert!(tagger.tag(1, Kind::Binary, b"{\"a\":\"\xff\"}".to_vec()).is_err());
    assert_eq!(tagger.plain("{\"id\": #".into()), b"{\"id\": #\n");
}

#[test]
fn binary_framing_is_the_same_both_ways() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        for split in [Split::Lines, Split::Binary] {
            let data = DataConfig { byte_order: order, ..framed(split.clone(), FrameMode::Binary) };
            let tagger = Tagger::new(&data);
            let told = [tagger.tag(7, Kind::Text, b"a\n".into()), tagger.tag(10, Kind::Binary, b"".into())];
            let told = told.map(Result::unwrap).concat();
            let ids: Vec<_> = hear(&data, None, &[told]).heard;
            let is = |id, payload: &str| match split {
                Split::Binary => Heard::Message(Recipient::One(id), Message::binary(payload.to_owned()), false),
                _ => text_to(id, payload),
            };
            assert_eq!(ids, [is(7, "a\n"), is(10, "")]);
        }
    }
}

#[test]
fn the_binary_header_is_id_type_and_length() {
    let data = framed(Split::Lines, FrameMode::Binary);
    check_tag(&data, Kind::Text, b"hi", b"\x07\0\0\0\x01\0\0\0\x02\0\0\0hi\n");
    let data = DataConfig { byte_order: ByteOrder::Big, ..framed(Split::Binary, FrameMode::Binary) };
    check_tag(&data, Kind::Binary, b"hi", b"\0\0\0\x07\0\0\0\x02\0\0\0\x02hi");
}
