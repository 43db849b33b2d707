//! Python source in which whatever a client gave is data.

use std::fmt::Write as _;

use serde_json::Value;

/// The class that answers in EnSight, as source.
pub(super) const HELPER: &str = include_str!("helper.py");
/// Its name.
pub(super) const HELPER_NAME: &str = "_wss_rest_v1";

/// Whether `text` is a name in Python: ASCII letters, digits and underscores, not beginning with a digit.
pub(super) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && text.len() <= 200
}

/// Whether `text` is names with dots between them.
pub(super) fn is_dotted(text: &str) -> bool {
    text.split('.').all(is_name)
}

/// Whether `text` is something below `ensight` that is not Python's own machinery.
pub(super) fn is_ensight_name(text: &str) -> bool {
    text.starts_with("ensight.") && text.split('.').all(is_public_name)
}

/// Whether `text` is a name of EnSight's: Python's own begin with an underscore.
pub(super) fn is_public_name(text: &str) -> bool {
    is_name(text) && !text.starts_with('_')
}

/// Whether `text` may be an attribute of an object.
pub(super) fn is_attribute(text: &str) -> bool {
    is_public_name(text) || text == "__OBJID__"
}

/// A Python string literal: JSON's escapes are Python's too, but for characters beyond the first plane, which Python does
/// not put together from halves. Those must not be in `text`.
pub(super) fn literal(text: &str) -> String {
    let mut quoted = Value::from(text).to_string();
    // JSON leaves it as it is, and a terminal that shows the source should not have to.
    if quoted.contains('\u{7f}') {
        quoted = quoted.replace('\u{7f}', "\\u007f");
    }
    quoted
}

/// A list of names as Python source, or `None`. Each must be a name.
pub(super) fn names(names: &[String]) -> String {
    if names.is_empty() {
        return "None".to_owned();
    }
    let quoted: Vec<String> = names.iter().map(|name| literal(name)).collect();
    format!("[{}]", quoted.join(","))
}

/// `True` or `False`.
pub(super) fn truth(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// An expression whose value is that of a JSON text: the text in ASCII, as a literal, read in EnSight.
pub(super) fn json(text: &str) -> String {
    format!("{HELPER_NAME}.js({})", literal(&ascii(text)))
}

/// An expression for a string that a client gave. Unlike [`json`] it never becomes an object.
pub(super) fn text(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    format!("__import__(\"json\").loads({})", literal(&ascii(&quoted)))
}

/// A JSON text without characters beyond ASCII. They stand in strings only, where an escape means the same.
fn ascii(json: &str) -> String {
    if json.is_ascii() {
        return json.to_owned();
    }
    let mut escaped = String::with_capacity(json.len() * 2);
    for letter in json.chars() {
        if letter.is_ascii() {
            escaped.push(letter);
        } else {
            for half in letter.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{half:04x}");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_everything_else() {
        for good in ["a", "_b", "VISIBLE", "__OBJID__", "a1_2"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "1a", "a.b", "a b", "a\n", "a)", "é", "a'", "a\"", &"a".repeat(201)] {
            assert!(!is_name(bad), "{bad}");
        }
        assert!(is_attribute("VISIBLE") && is_attribute("__OBJID__") && !is_attribute("__class__"));
        assert!(is_ensight_name("ensight.objs.core") && is_dotted("numpy.linalg"));
        for bad in [
            "ensight",
            "ensight.",
            "ensight..a",
            "ensight.a.",
            "ensight.a()",
            "ensight.__class__",
            "os.system",
            "ensightx.a",
            ".a",
        ] {
            assert!(!is_ensight_name(bad), "{bad}");
        }
    }

    #[test]
    fn literals_are_ascii_on_one_line_and_cannot_be_left() {
        let tricky = "\"'\\\n\r\t\0\u{7f}\u{8}{}%s\u{2028}é\u{1f600}\"); import os #";
        for source in [text(tricky), json(&Value::from(tricky).to_string()), names(&["a\"b".to_owned()])] {
            assert!(source.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{source}");
        }
        assert_eq!(json("{\"a\": \"\u{1f600}\"}"), r#"_wss_rest_v1.js("{\"a\": \"\\ud83d\\ude00\"}")"#);
        assert_eq!(text("é"), r#"__import__("json").loads("\"\\u00e9\"")"#);
        assert_eq!(names(&[]), "None");
        assert_eq!(names(&["A".to_owned(), "B".to_owned()]), r#"["A","B"]"#);
    }
}
