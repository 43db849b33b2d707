//! Command lines, as far as the process that gets them shows what it makes of them. What each flag means is tested where
//! it matters.

use std::net::TcpListener;

use crate::members::{expect_texts, goodbye, join, next_text, rest};
use crate::support::server::Server;
use crate::support::stream::Conn;
use crate::support::wait::DEADLINE;
use crate::support::ws::Ws;

/// What is said about a command line that cannot be used.
#[track_caller]
fn refused(args: &[&str], code: i32) -> String {
    let ended = Server::run_scalesocket(args);
    assert_eq!(ended.status.code(), Some(code), "{args:?}: {}", ended.stderr);
    assert_eq!(ended.stdout, "", "{args:?}");
    assert!(ended.stderr.starts_with("error: "), "{args:?}: {}", ended.stderr);
    ended.stderr
}

#[test]
fn help_and_version_are_on_standard_output() {
    for flag in ["-h", "--help"] {
        let ended = Server::run_scalesocket(&[flag]);
        assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""));
        for part in ["<CMD>", "--addr", "0.0.0.0:9000", "--cmd-attach-delay", "9001:9999", "PATH,DYLD_LIBRARY_PATH"] {
            assert!(ended.stdout.contains(part), "{part}");
        }
    }
    for flag in ["-V", "--version"] {
        let ended = Server::run_scalesocket(&[flag]);
        assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""));
        assert!(ended.stdout.starts_with("scalesocket "), "{}", ended.stdout);
    }
}

#[test]
fn lines_that_the_original_refuses_are_usage_errors() {
    let lines = [
        "",
        "-- cat",
        "cat foo",
        "--frame json cat",
        "--frame= cat",
        "--frame=JSON cat",
        "--client-frame cat",
        "--client-frame json cat",
        "--server-frame cat",
        "--frame=json --client-frame=json cat",
        "--frame --server-frame=json cat",
        "--stat cat",
        "--tcp=true cat",
        "--tcp --tcp cat",
        "--joinmsg -x cat",
        "--joinmsg a --joinmsg b cat",
        "--addr localhost:9000 cat",
        "--addr :9000 cat",
        "--addr 9000 cat",
        "--tcpports 1 cat",
        "--tcpports 1:65536 cat",
        "--cmd-attach-delay x cat",
        "--cache 5 cat",
        "--maxrooms 2 --tcpports 1:2 cat",
        "-b --delimiters=; cat",
        "--delimiters ; cat",
    ];
    for line in lines {
        refused(&line.split_ascii_whitespace().collect::<Vec<_>>(), 2);
    }
}

#[test]
fn lines_that_the_original_takes_are_taken() {
    let lines = [
        "cat --oneshot",
        "--frame cat",
        "--frame=json --frame=json cat",
        "--strict=json --frame=binary cat",
        "--client-frame=json --server-frame=binary cat",
        "-vvv cat",
        "-v cat -v",
        "-bv cat",
        "--joinmsg=-x cat",
        "--leavemsg= cat",
        "--tcpports 5:2 cat",
        "--tcp --cmd-attach-delay 0 --tcpports 9001:9002 cat",
        "--passenv= --passenv A,B --passenv=C cat",
        "/nonexistent/program",
        "cat -- -- -v --oneshot cat",
    ];
    for line in lines {
        drop(Server::scalesocket(&line.split_ascii_whitespace().collect::<Vec<_>>()));
    }
    drop(Server::scalesocket(&["--joinmsg", "", ""]));
}

#[test]
fn what_follows_the_dashes_goes_to_the_command_as_it_is() {
    let server = Server::scalesocket(&[
        "sh",
        "--joinmsg",
        "x",
        "--",
        "-c",
        "printf '%s\\n' \"$@\"",
        "zero",
        "-v",
        "--",
        "--oneshot",
        "",
        "a b",
    ]);
    let (texts, code, _) = rest(join(&server, "/r"));
    assert_eq!((texts.as_slice(), code), (["-v", "--", "--oneshot", "", "a b"].map(str::to_owned).as_slice(), 1000));
}

#[test]
fn a_command_that_does_not_exist_is_noticed_when_it_is_needed() {
    for command in ["", "/nonexistent/program", "no-such-program-anywhere"] {
        let server = Server::scalesocket(&[command]);
        for _ in 0..2 {
            let (code, reason) = goodbye(join(&server, "/r"));
            assert_eq!(code, 1011, "{reason}");
            assert!(reason.contains("no such file"), "{reason}");
        }
        server.wait_log("Failed to spawn process due to `No such file or directory (os error 2)`", DEADLINE);
    }
}

#[test]
fn a_file_that_is_no_program_is_refused_by_the_system_and_the_server_lives_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("program");
    std::fs::write(&file, "\0\0\0").unwrap();
    let server = Server::scalesocket(&[file.to_str().unwrap()]);
    let (code, reason) = goodbye(join(&server, "/r"));
    assert_eq!(code, 1011);
    assert!(reason.contains("permission denied"), "{reason}");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (code, reason) = goodbye(join(&server, "/r"));
    assert_eq!(code, 1011);
    assert!(reason.contains("exec format error"), "{reason}");
}

#[test]
fn an_address_that_is_taken_is_one_sentence_and_exit_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = refused(&["--addr", &address, "cat"], 1);
    assert!(said.contains(&address) && said.lines().count() == 1 && !said.contains("panic"), "{said}");
}

#[test]
fn a_folder_or_a_certificate_that_is_not_there_is_noticed_at_start() {
    let said = refused(&["--addr", "127.0.0.1:0", "--staticdir", "/nonexistent", "cat"], 1);
    assert!(said.contains("/nonexistent"), "{said}");
    let said = refused(&["--addr", "127.0.0.1:0", "--cert", "/nonexistent", "cat"], 1);
    assert!(said.contains("/nonexistent"), "{said}");
}

#[test]
fn the_log_names_the_port_that_the_system_chose() {
    let server = Server::scalesocket(&["cat"]);
    assert_ne!(server.room_port(), 0);
    assert!(server.log().contains(&format!("listening at 127.0.0.1:{}", server.room_port())), "{}", server.log());
    let mut ws = join(&server, "/r");
    ws.send(&crate::members::text("here"));
    expect_texts(&mut ws, &["here"]);
}

#[test]
fn addresses_of_both_families_are_listened_at_and_told_to_the_command() {
    let script = "echo \"$REMOTE_ADDR\"; cat";
    let cases = [
        ("[::1]:0", "[::1]", "[::1]:"),
        ("[::]:0", "127.0.0.1", "[::ffff:127.0.0.1]:"),
        ("127.0.0.1:0", "127.0.0.1", "127.0.0.1:"),
    ];
    for (address, host, told) in cases {
        let server = Server::scalesocket_builder().replace_args(&["--addr", address, "sh", "--", "-c", script]).start();
        let to: std::net::SocketAddr = format!("{host}:{}", server.room_port()).parse().unwrap();
        let conn = Conn::plain_to(to);
        let ours = conn.socket().local_addr().unwrap().port();
        let mut ws = Ws::open_with(conn, "/r", &[]).unwrap();
        assert_eq!(next_text(&mut ws), format!("{told}{ours}"));
    }
}
