//! What a command is told about the websocket that opened its room: the environment, and our own messages to it.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{env, fs};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::net::http::query;

/// Where programs are looked for when the command gets no PATH.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// What stays as it is in a parameter's value: the unreserved characters of RFC 3986 section 2.3.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One websocket's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Visit {
    /// The room, as it stands in the path.
    pub(super) room: String,
    /// What follows the `?`, as sent.
    pub(super) query: String,
    /// Who asks.
    pub(super) peer: SocketAddr,
}

/// The whole environment of a command: what is passed on from ours, and what its first websocket says.
pub(super) fn environment(pass: &[OsString], visit: &Visit, port: Option<u16>) -> Vec<(OsString, OsString)> {
    let passed = pass.iter().filter_map(|name| Some((name.clone(), env::var_os(name)?)));
    let mut all: Vec<(OsString, OsString)> = passed.collect();
    all.push(("QUERY_STRING".into(), visit.query.clone().into()));
    all.push(("REMOTE_ADDR".into(), visit.peer.to_string().into()));
    all.push(("ROOM".into(), visit.room.clone().into()));
    all.extend(port.map(|port| ("PORT".into(), port.to_string().into())));
    all
}

/// The program that `command` names in the light of the PATH it will have (`execvp(3)`). What cannot be found stays as
/// it is: starting it says why.
pub(super) fn find_program(command: &OsStr, environment: &[(OsString, OsString)]) -> PathBuf {
    if command.is_empty() || command.as_bytes().contains(&b'/') {
        return command.into();
    }
    let path = environment.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
    let folders = env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH)));
    // An empty entry is the working directory.
    let candidates = folders.map(|folder| if folder.as_os_str().is_empty() { ".".into() } else { folder });
    candidates.map(|folder| folder.join(command)).find(|path| is_program(path)).unwrap_or_else(|| command.into())
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// `--joinmsg` or `--leavemsg` with everything put in that is known of one member.
///
/// The longest name that fits counts, in one pass, so what is put in is never looked at again. With `json` a value is
/// written so that it can stand between the quotes of a JSON string.
pub(super) fn fill_in(template: &str, id: u32, visit: &Visit, json: bool) -> String {
    let values = values(id, visit);
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find('#') {
        let (before, after) = rest.split_at(at);
        text.push_str(before);
        let name = after.get(1..).unwrap_or_default();
        if let Some((length, value)) = longest(&values, name) {
            text.push_str(&if json { escaped(value) } else { value.to_owned() });
            rest = name.get(length..).unwrap_or_default();
        } else {
            text.push('#');
            rest = name;
        }
    }
    text.push_str(rest);
    text
}

/// Everything that can be put in, by name.
fn values(id: u32, visit: &Visit) -> HashMap<String, String> {
    let parameters = query::parse(&visit.query).into_iter();
    let mut values: HashMap<String, String> = parameters
        .map(|(name, value)| {
            (format!("QUERY_{}", name.to_uppercase()), utf8_percent_encode(&value, ESCAPED).to_string())
        })
        .collect();
    // These names count before a parameter called `string`.
    values.insert("QUERY_STRING".to_owned(), visit.query.clone());
    values.insert("REMOTE_ADDR".to_owned(), visit.peer.to_string());
    values.insert("ROOM".to_owned(), visit.room.clone());
    values.insert("ID".to_owned(), id.to_string());
    values
}

fn longest<'v>(values: &'v HashMap<String, String>, text: &str) -> Option<(usize, &'v str)> {
    let fitting = values.iter().filter(|(name, _)| text.starts_with(name.as_str()));
    fitting.max_by_key(|(name, _)| name.len()).map(|(name, value)| (name.len(), value.as_str()))
}

/// `text` as it stands inside the quotes of a JSON string.
fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(room: &str, query: &str) -> Visit {
        Visit { room: room.to_owned(), query: query.to_owned(), peer: "127.0.0.1:5000".parse().unwrap() }
    }

    #[test]
    fn names_are_replaced_in_one_pass() {
        let cases = [
            ("hello #ID", "a=1", "hello 7"),
            ("#IDX", "", "7X"),
            ("##ID#", "", "#7#"),
            ("#QUERY_STRING|#REMOTE_ADDR|#ROOM", "a=1&b", "a=1&b|127.0.0.1:5000|r"),
            ("#QUERY_NAME #QUERY_NOPE", "name=J%C3%B6rg+X%21", "J%C3%B6rg%20X%21 #QUERY_NOPE"),
            ("#QUERY_FOOBAR #QUERY_FOO", "foo=1&foobar=2", "2 1"),
            ("#QUERY_X", "x=1&X=2", "2"),
            ("#QUERY_STRING", "string=evil", "string=evil"),
            ("#QUERY_A", "a=%23ID", "%23ID"),
            ("no names", "", "no names"),
            ("ünï#IDcode", "", "ünï7code"),
        ];
        for (template, query, wanted) in cases {
            assert_eq!(fill_in(template, 7, &visit("r", query), false), wanted, "{template} {query}");
        }
    }

    #[test]
    fn a_value_cannot_leave_its_json_string() {
        let visit = visit("q\"},{\\", "");
        let text = fill_in(r##"{"room":"#ROOM","id":#ID}"##, 7, &visit, true);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value, serde_json::json!({"room": "q\"},{\\", "id": 7}));
        assert_eq!(fill_in("#ROOM", 7, &visit, false), "q\"},{\\");
    }

    #[test]
    fn what_is_known_of_the_websocket_counts_before_what_is_passed_on() {
        let pass: Vec<OsString> = ["PATH".into(), "NO_SUCH_VARIABLE".into()].into();
        let all = environment(&pass, &visit("r", "a=1"), Some(9001));
        let names: Vec<_> = all.iter().map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(names, ["PATH", "QUERY_STRING", "REMOTE_ADDR", "ROOM", "PORT"]);
        assert_eq!(all[1].1, "a=1");
        assert_eq!(all[4].1, "9001");
        assert_eq!(environment(&[], &visit("r", ""), None).len(), 3);
    }

    #[test]
    fn a_program_is_looked_for_where_the_command_would_look() {
        let with = |path: &str| vec![("PATH".into(), path.into())];
        assert!(find_program("sh".as_ref(), &with("/nowhere:/bin:/usr/bin")).is_absolute());
        assert_eq!(find_program("sh".as_ref(), &with("/nowhere")), Path::new("sh"));
        assert!(find_program("sh".as_ref(), &[]).is_absolute());
        assert_eq!(find_program("./sh".as_ref(), &with("/bin")), Path::new("./sh"));
        assert_eq!(find_program("etc".as_ref(), &with("/")), Path::new("etc"), "a directory is no program");
    }
}
