//! Commands.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

use serde_json::json;

use super::*;
use crate::sys::process::testing::runs;

#[test]
fn who_exits_at_once_says_how_and_why() {
    for (script, expected) in [
        ("echo one; echo two >&2; exit 3", "exited with code 3; it said last: one | two"),
        ("exit 0", "exited with code 0"),
        ("kill -SEGV $$", "killed by SIGSEGV"),
        ("printf 'no end of line'; kill -9 $$", "killed by SIGKILL; it said last: no end of line"),
        ("printf '\\033[1m\\377'; exit 1", "exited with code 1; it said last: \\u{1b}[1m\u{fffd}"),
    ] {
        let launch = shell(script);
        launch.started();
        assert_eq!(launch.exited(), expected);
        launch.gone();
    }
}

#[test]
fn what_cannot_be_run_is_never_started() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    fs::write(&plain, "").unwrap();
    for (program, cause) in [(plain, "permission denied"), (folder.path().join("none"), "no such file or directory")] {
        let expected = format!("cannot start {}: {cause}", program.display());
        let kind = Kind::Command(CommandSpec { program, arguments: Vec::new(), connect: Connect::Stdio });
        let launch = start_with(order(service(kind, Map::new())), graces(), tempfile::tempdir().unwrap());
        let reason = launch.exited();
        assert!(reason.starts_with(&expected), "{reason}");
        launch.gone();
    }
}

#[test]
fn who_never_listens_is_stopped_when_asked() {
    let launch = shell("echo $$ >$D/id; exec sleep 1000");
    let Endpoint::Tcp { host, port } = launch.started().default else { panic!() };
    assert_eq!(host, "127.0.0.1");
    assert!(TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), DEADLINE).is_err());
    let ids = launch.ids("id", 1);
    assert!(runs(ids[0]));
    assert!(launch.stop() < DEADLINE / 2);
    assert_gone(&ids);
}

#[test]
fn dropping_the_launch_stops_it() {
    let Launch { running, reports, folder } = shell("echo $$ >$D/id; exec sleep 1000");
    drop(running);
    let last = std::iter::from_fn(|| reports.recv_timeout(DEADLINE).ok()).last();
    assert!(matches!(last, Some(Report::Gone)), "{last:?}");
    drop(folder);
}

#[test]
fn who_ignores_sigterm_is_killed_after_the_grace() {
    let graces = Graces { program: GRACE, ..graces() };
    let launch = shell_with("trap '' TERM; echo $$ >$D/id; while :; do sleep 1000; done", graces);
    launch.started();
    let ids = launch.ids("id", 1);
    let time = launch.stop();
    assert!(time >= GRACE && time < DEADLINE, "{time:?}");
    assert_gone(&ids);
}

#[test]
fn the_tcp_port_is_ours_alone_and_leads_to_the_program() {
    let program = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1])));
while True: s.accept()[0].sendall(b'hello')";
    let launch = shell(&format!("exec python3 -c \"{program}\" $1"));
    let Endpoint::Tcp { port, .. } = launch.started().default else { panic!() };
    let mut stream =
        wait_for("it listens", || TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), DEADLINE).ok());
    let mut said = [0; 5];
    stream.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"hello");
    launch.stop();
}

#[test]
fn the_unix_socket_is_in_a_folder_of_its_own_that_goes_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let program = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen();
while True: s.accept()[0].sendall(b'hello')";
    let script = format!("exec python3 -c \"{program}\" $1");
    let launch = start_with(order(shell_spec(&script, Connect::Unix, folder.path())), graces(), folder);
    let Endpoint::Unix(path) = launch.started().default else { panic!() };
    let mut stream = wait_for("it listens", || UnixStream::connect(&path).ok());
    let mut said = [0; 5];
    stream.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"hello");
    let own = path.parent().unwrap();
    assert_eq!(fs::metadata(own).unwrap().permissions().mode() & 0o777, 0o700);
    launch.stop();
    assert!(!own.exists(), "{} was left", own.display());
}

#[test]
fn stdio_is_a_socket_that_is_given_once() {
    let folder = tempfile::tempdir().unwrap();
    let launch = start_with(order(shell_spec("echo log >&2; cat", Connect::Stdio, folder.path())), graces(), folder);
    let Endpoint::Given(given) = launch.started().default else { panic!() };
    let mut socket = UnixStream::from(given.clone().take().unwrap());
    assert!(given.take().is_none());
    socket.write_all(b"through").unwrap();
    let mut said = [0; 7];
    socket.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"through");
    drop(socket);
    assert_eq!(launch.exited(), "exited with code 0; it said last: log");
    launch.gone();
}

#[test]
fn a_closed_output_is_no_end() {
    let launch = shell("exec >&- 2>&-; echo $$ >$D/id; exec sleep 1000");
    launch.started();
    let ids = launch.ids("id", 1);
    assert!(launch.stop() < DEADLINE / 2);
    assert_gone(&ids);
}

#[test]
fn a_flood_is_read_to_its_end_and_only_its_end_is_kept() {
    let launch =
        shell("yes 0123456789abcdef | head -c 20000000 >&2; head -c 3000000 /dev/zero; echo; echo last; exit 4");
    launch.started();
    let reason = launch.exited();
    assert!(reason.starts_with("exited with code 4; it said last: 0123456789abcdef | "), "{reason}");
    assert!(reason.ends_with("… | last") && reason.len() < 8_000, "{reason}");
    launch.gone();
}

#[test]
fn a_flood_does_not_keep_a_stop_waiting() {
    let launch = shell("echo $$ >$D/id; exec yes");
    launch.started();
    let ids = launch.ids("id", 1);
    assert!(launch.stop() < DEADLINE / 2);
    assert_gone(&ids);
}

#[test]
fn what_it_leaves_behind_is_ended_before_it_is_gone() {
    let leavings = "sleep 1000 & echo $! >>$D/ids; setsid sleep 1000 & echo $! >>$D/ids
        (setsid sh -c 'trap \"\" TERM; echo $$ >>$0/ids; while :; do sleep 1000; done' $D &)";
    let wait = "while [ $(wc -l <$D/ids) -lt 3 ]; do sleep 0.01; done";
    let graces = Graces { program: GRACE, ..graces() };
    // It ends by itself, and its daemons hold its output open.
    let launch = shell_with(&format!("{leavings}; {wait}; exit 3"), graces);
    launch.started();
    assert_eq!(launch.exited(), "exited with code 3");
    let ids = launch.ids("ids", 3);
    launch.gone();
    assert_gone(&ids);
    // It is stopped.
    let launch = shell_with(&format!("{leavings}; wait"), graces);
    launch.started();
    let ids = launch.ids("ids", 3);
    assert!(launch.stop() >= GRACE);
    assert_gone(&ids);
}

#[test]
fn options_of_the_reservation_take_the_place_of_defaults() {
    let words = ["-c", "echo \"$*\"; exit 1", "sh", "{index}", "{token}", "a{size}b", "{depth}"];
    let arguments = words.iter().map(|text| Template::parse(text).unwrap()).collect();
    let kind = Kind::Command(CommandSpec { program: "/bin/sh".into(), arguments, connect: Connect::Stdio });
    let Value::Object(options) = json!({"size": "1x1", "depth": 24}) else { panic!() };
    let spec = Arc::new(service(kind, options));
    let order = |options: &[(&str, &str)]| Order {
        launch: 1,
        spec: Arc::clone(&spec),
        index: 3,
        token: "a-token".to_owned(),
        options: options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    };
    // Standard output is the socket in this one.
    let said = |order| {
        let launch = start_with(order, graces(), tempfile::tempdir().unwrap());
        let Endpoint::Given(given) = launch.started().default else { panic!() };
        let mut text = String::new();
        UnixStream::from(given.take().unwrap()).read_to_string(&mut text).unwrap();
        launch.exited();
        launch.gone();
        text
    };
    assert_eq!(said(order(&[])), "3 a-token a1x1b 24\n");
    assert_eq!(said(order(&[("size", "-$(id) 2"), ("other", "x")])), "3 a-token a-$(id) 2b 24\n");
    let launch = start_with(order(&[("depth", "-1")]), graces(), tempfile::tempdir().unwrap());
    assert_eq!(launch.exited(), "option 'depth' must not begin with '-'");
    launch.gone();
}

#[test]
fn the_servers_secret_is_nobodys_to_see() {
    let folder = tempfile::tempdir().unwrap();
    let order = order(shell_spec("", Connect::Tcp, folder.path()));
    let plan = plan::plan(&order, &context(graces())).unwrap();
    assert_eq!(plan.spawn.unset, ["WEBSOCKETSERVER_SECURITY_TOKEN"]);
}
