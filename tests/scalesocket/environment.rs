//! What a command knows of its first member and of the server: its environment, its streams, its folder.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use rustix::process::Signal;

use crate::members::{join, next_text, rest};
use crate::support::server::{Builder, Server};
use crate::support::wait::DEADLINE;

/// Everything in the environment of `env`, behind which the shell puts nothing of its own.
fn environment(builder: Builder, path: &str) -> (BTreeMap<String, String>, u16) {
    let server = builder.args(&["/usr/bin/env"]).start();
    let ws = join(&server, path);
    let ours = ws.conn.socket().local_addr().unwrap().port();
    let (lines, code, _) = rest(ws);
    assert_eq!(code, 1000, "{lines:?}");
    let pair = |line: &String| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
    (lines.iter().map(pair).collect(), ours)
}

fn names(environment: &BTreeMap<String, String>) -> Vec<&str> {
    environment.keys().map(String::as_str).collect()
}

#[test]
fn the_environment_is_exactly_this() {
    let builder =
        Server::scalesocket_builder().env("SECRET", "x").env("QUERY_STRING", "ours").env("REMOTE_ADDR", "ours");
    let (found, ours) = environment(builder, "/my%20room?a=1&b=%20c");
    assert_eq!(names(&found), ["BERTH_INSTANCE", "PATH", "PORT", "QUERY_STRING", "REMOTE_ADDR", "ROOM"]);
    assert_eq!(found["PATH"], std::env::var("PATH").unwrap());
    assert_eq!(found["PORT"], "9001");
    assert_eq!(found["QUERY_STRING"], "a=1&b=%20c");
    assert_eq!(found["REMOTE_ADDR"], format!("127.0.0.1:{ours}"));
    assert_eq!(found["ROOM"], "my%20room");
}

#[test]
fn variables_are_passed_by_name_and_the_websocket_counts_more() {
    let builder = || Server::scalesocket_builder().env("ONE", "1").env("TWO", "2").env("ROOM", "ours").env("PORT", "1");
    let (found, _) = environment(builder().args(&["--passenv", "ONE,ROOM", "--passenv=TWO,PORT,MISSING"]), "/r");
    assert_eq!(names(&found), ["BERTH_INSTANCE", "ONE", "PORT", "QUERY_STRING", "REMOTE_ADDR", "ROOM", "TWO"]);
    assert_eq!((found["ROOM"].as_str(), found["PORT"].as_str(), found["QUERY_STRING"].as_str()), ("r", "9001", ""));
    let (found, _) = environment(builder().args(&["--passenv="]), "/r");
    assert_eq!(names(&found), ["BERTH_INSTANCE", "PORT", "QUERY_STRING", "REMOTE_ADDR", "ROOM"]);
    // Blanks belong to the name.
    let (found, _) = environment(builder().args(&["--passenv", "ONE, TWO"]), "/r");
    assert!(!found.contains_key("TWO"), "{found:?}");
}

#[test]
fn a_variable_that_is_not_utf8_is_passed_on_and_breaks_nothing() {
    let odd = OsStr::from_bytes(b"a\xff\xfez");
    let builder = Server::scalesocket_builder().env("ODD", odd).env(OsStr::from_bytes(b"N\xff"), "x");
    let server =
        builder.args(&["--binary", "--passenv", "PATH,ODD", "sh", "--", "-c", "printf %s \"$ODD\"; cat"]).start();
    let mut ws = join(&server, "/r");
    assert_eq!(ws.take_data(4), odd.as_bytes());
    assert_eq!(ws.close().0, 1000);
}

#[test]
fn only_the_first_member_is_in_the_environment() {
    let server = Server::scalesocket(&["sh", "--", "-c", "while read line; do echo \"$QUERY_STRING\"; done"]);
    let mut first = join(&server, "/r?who=first");
    let mut second = join(&server, "/r?who=second");
    assert_eq!(crate::members::ask(&mut second, "?"), "who=first");
    assert_eq!(next_text(&mut first), "who=first");
}

#[test]
fn each_room_has_the_lowest_port_that_is_free() {
    let server = Server::scalesocket(&["--tcpports", "7001:7003", "sh", "--", "-c", "echo \"port $PORT\"; exec cat"]);
    let mut a = join(&server, "/a");
    assert_eq!(next_text(&mut a), "port 7001");
    let mut b = join(&server, "/b");
    assert_eq!(next_text(&mut b), "port 7002");
    // Without --tcp a room needs none.
    let mut c = join(&server, "/c");
    assert_eq!(next_text(&mut c), "port ");
    a.close();
    server.wait_children(2);
    server.wait_rest();
    let mut again = join(&server, "/d");
    assert_eq!(next_text(&mut again), "port 7001");
}

#[test]
fn standard_error_and_the_folder_are_the_servers() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("here"), "").unwrap();
    let script = "echo to the server >&2; ls; echo \"$0\"; ps -o sid= -p $$ 2>/dev/null";
    let server = Server::scalesocket_builder().args(&["sh", "--", "-c", script, "zero"]).cwd(folder.path()).start();
    let (lines, ..) = rest(join(&server, "/r"));
    assert_eq!(lines[..2], ["here", "zero"].map(str::to_owned));
    server.wait_log("\nto the server\n", DEADLINE);
}

#[test]
fn signals_are_as_they_are_by_default() {
    let server = Server::scalesocket(&["grep", "--", "-E", "^Sig(Blk|Ign):", "/proc/self/status"]);
    let (lines, code, _) = rest(join(&server, "/r"));
    assert_eq!((lines.len(), code), (2, 1000));
    // The C library keeps two more for itself.
    let hex =
        |line: &str| u64::from_str_radix(line.split_ascii_whitespace().nth(1).unwrap(), 16).unwrap() & 0x7FFF_FFFF;
    // What was ignored before the server was started stays so; what Rust ignores does not.
    let ours = std::fs::read_to_string("/proc/self/status").unwrap();
    let ours = hex(ours.lines().find(|line| line.starts_with("SigIgn")).unwrap()) & !(1 << (Signal::PIPE.as_raw() - 1));
    assert_eq!((hex(&lines[0]), hex(&lines[1]) & !ours), (0, 0), "{lines:?}");
}

#[test]
fn a_command_is_found_by_the_path_that_it_gets() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("a-program-of-this-test");
    // A link, since a copy would be "busy" while another test forks.
    std::os::unix::fs::symlink("/usr/bin/env", &program).unwrap();
    let path = format!("/nonexistent:{}", folder.path().display());
    let server = Server::scalesocket_builder().env("PATH", &path).args(&["a-program-of-this-test"]).start();
    let (lines, code, _) = rest(join(&server, "/r"));
    assert_eq!(code, 1000);
    assert!(lines.contains(&format!("PATH={path}")), "{lines:?}");
    // Without a PATH the system's own folders count.
    let server = Server::scalesocket(&["--passenv=", "env"]);
    assert_eq!(rest(join(&server, "/r")).1, 1000);
}
