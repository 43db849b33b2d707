use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::*;
use crate::cli::table::Kind;
use crate::cli::testing::words;
use crate::net::tls::TlsFiles;

mod any_line;
mod help;
mod refusals;

/// What the line `cat` means.
fn plain() -> Config {
    Config {
        command: "cat".into(),
        args: Vec::new(),
        address: "0.0.0.0:9000".parse().unwrap(),
        tls: None,
        data: DataConfig {
            split: Split::Lines,
            client_frame: None,
            server_frame: None,
            byte_order: ByteOrder::Little,
            json_keys: JsonKeys::Id,
        },
        join_message: None,
        leave_message: None,
        pass_env: vec!["PATH".into(), "DYLD_LIBRARY_PATH".into()],
        tcp: false,
        tcp_ports: 9001..9999,
        attach_delay: Duration::ZERO,
        oneshot: false,
        rooms: None,
        max_rooms: None,
        cache: None,
        slow: SlowPolicy::Close,
        mailbox: 16 * 1024 * 1024,
        static_dir: None,
        stats: false,
        api: false,
        metrics: false,
        heartbeat: Some(Duration::from_secs(30)),
        max_connections: None,
        allow_origins: Vec::new(),
        log: LogConfig { verbosity: 1, file: None, format: LogFormat::Text },
    }
}

/// A line means the plain configuration with these changes.
#[track_caller]
fn check(line: &str, change: impl FnOnce(&mut Config)) {
    let mut expected = plain();
    change(&mut expected);
    match parse(words(line)) {
        Ok(Parsed::Run(config)) => assert_eq!(*config, expected, "{line}"),
        other => panic!("{line} gives {other:?}"),
    }
}

#[test]
fn the_command_is_one_word_and_its_arguments_stand_behind_two_dashes() {
    check("cat", |_| {});
    check("cat --", |_| {});
    check("''", |c| c.command = "".into());
    check("./no/such", |c| c.command = "./no/such".into());
    check("cat -- a --tcp -- -v ''", |c| c.args = words("a --tcp -- -v ''"));
    check("cat --oneshot -- a", |c| {
        c.oneshot = true;
        c.max_rooms = Some(1);
        c.args = vec!["a".into()];
    });
    check("--frame cat", |c| {
        c.data.client_frame = Some(FrameMode::Binary);
        c.data.server_frame = Some(FrameMode::Binary);
    });
}

#[test]
fn a_command_may_be_any_bytes() {
    let odd = || OsString::from_vec(b"c\xff".to_vec());
    let Ok(Parsed::Run(config)) = parse(vec![odd(), "--".into(), odd()]) else { panic!("no configuration") };
    assert_eq!((config.command, config.args), (odd(), vec![odd()]));
}

#[test]
fn listening() {
    check("cat --addr 127.0.0.1:0", |c| c.address = "127.0.0.1:0".parse().unwrap());
    check("cat --addr=[::1]:80", |c| c.address = "[::1]:80".parse().unwrap());
    check("cat --cert a.pem", |c| c.tls = Some(TlsFiles { cert: "a.pem".into(), key: None }));
    check("cat --cert a.pem --key b.pem", |c| {
        c.tls = Some(TlsFiles { cert: "a.pem".into(), key: Some("b.pem".into()) });
    });
    check("cat --heartbeat 0", |c| c.heartbeat = None);
    check("cat --heartbeat 2.5", |c| c.heartbeat = Some(Duration::from_millis(2500)));
    for long in ["--max_connections", "--max-connections"] {
        check(&format!("cat {long} 5"), |c| c.max_connections = Some(5));
    }
    check("cat --allow_origin * --allow-origin HTTPS://a.b", |c| {
        c.allow_origins = vec!["*".into(), "https://a.b".into()];
    });
}

#[test]
fn framing() {
    use FrameMode::{Binary, Json};
    for (line, client, server) in [
        ("cat --frame", Some(Binary), Some(Binary)),
        ("cat --frame=binary", Some(Binary), Some(Binary)),
        ("cat --frame=json", Some(Json), Some(Json)),
        ("cat --strict=json", Some(Json), Some(Json)),
        ("cat --strict", Some(Binary), Some(Binary)),
        ("cat --frame=json --frame", Some(Binary), Some(Binary)),
        ("cat --strict --frame=json", Some(Json), Some(Json)),
        ("cat --client-frame=json", Some(Json), None),
        ("cat --clientframe=binary", Some(Binary), None),
        ("cat --server-frame=json", None, Some(Json)),
        ("cat --serverframe=json --client-frame=binary", Some(Binary), Some(Json)),
    ] {
        check(line, |c| {
            c.data.client_frame = client;
            c.data.server_frame = server;
        });
    }
    check("cat --json-keys from-to", |c| c.data.json_keys = JsonKeys::FromTo);
    check("cat --json-keys=id", |_| {});
    check("cat --byte-order big", |c| c.data.byte_order = ByteOrder::Big);
    check("cat --byte-order little", |_| {});
}

#[test]
fn what_ends_a_message() {
    for (line, split) in [
        ("cat -b", Split::Binary),
        ("cat --binary", Split::Binary),
        ("cat --delimiters=;,", Split::At(b";,".to_vec())),
        ("cat --delimiters=\n", Split::At(b"\n".to_vec())),
        ("cat --null", Split::At(vec![0])),
        ("cat --null --delimiters=\n", Split::At(b"\n\0".to_vec())),
        ("cat --delimiters== --null", Split::At(b"=\0".to_vec())),
    ] {
        check(line, |c| c.data.split = split);
    }
}

#[test]
fn what_the_command_is_told_and_given() {
    check("cat --joinmsg hi --leavemsg=-bye", |c| {
        c.join_message = Some("hi".into());
        c.leave_message = Some("-bye".into());
    });
    check("cat --joinmsg '' --leavemsg '{\"t\": \"Leave\"}'", |c| {
        c.join_message = Some(String::new());
        c.leave_message = Some("{\"t\": \"Leave\"}".into());
    });
    for (flags, names) in [
        ("--passenv=", ""),
        ("--passenv HOME", "HOME"),
        ("--passenv HOME,LANG --passenv PATH", "HOME LANG PATH"),
        ("--passenv=A,,B, --passenv=", "A B"),
        ("--passenv 'A, B'", "A ' B'"),
    ] {
        check(&format!("cat {flags}"), |c| c.pass_env = if names.is_empty() { vec![] } else { words(names) });
    }
}

#[test]
fn tcp() {
    let second = Duration::from_secs(1);
    check("cat --tcp", |c| (c.tcp, c.attach_delay) = (true, second));
    check("cat --tcp --cmd-attach-delay 0", |c| c.tcp = true);
    check("cat --tcp --delay 5", |c| (c.tcp, c.attach_delay) = (true, 5 * second));
    check("cat --delay=0.5", |c| c.attach_delay = second / 2);
    check("cat --tcpports 1:65535", |c| c.tcp_ports = 1..65535);
    check("cat --tcpports 7:7", |c| c.tcp_ports = 7..7);
    let Ok(Parsed::Run(reversed)) = parse(words("cat --tcpports 9:5")) else { panic!("no configuration") };
    assert!(reversed.tcp_ports.is_empty());
}

#[test]
fn rooms_and_members() {
    check("cat --oneshot", |c| (c.oneshot, c.max_rooms) = (true, Some(1)));
    check("cat --oneshot --maxrooms 5", |c| (c.oneshot, c.max_rooms) = (true, Some(1)));
    check("cat --maxrooms 5", |c| c.max_rooms = Some(5));
    check("cat --maxforks 5", |c| c.max_rooms = Some(5));
    check("cat --rooms a,b%20c", |c| c.rooms = Some(vec!["a".into(), "b%20c".into()]));
    for (slow, policy) in [("close", SlowPolicy::Close), ("block", SlowPolicy::Block), ("drop", SlowPolicy::Drop)] {
        check(&format!("cat --slow {slow}"), |c| c.slow = policy);
    }
    check("cat --mailbox 65536", |c| c.mailbox = 65536);
}

#[test]
fn cache() {
    let cache = |size, tagged, persist| Some(CacheConfig { size, tagged, persist });
    check("cat --cache 8", |c| c.cache = cache(8, false, false));
    check("cat --cache all:64", |c| c.cache = cache(64, false, false));
    check("cat --cachepersist --cache=all:1", |c| c.cache = cache(1, false, true));
    for flag in ["--frame=json", "--server-frame=json"] {
        let line = format!("cat --cache tagged:8 --json-keys from-to {flag}");
        check(&line, |c| {
            c.cache = cache(8, true, false);
            c.data.json_keys = JsonKeys::FromTo;
            c.data.server_frame = Some(FrameMode::Json);
            c.data.client_frame = Some(FrameMode::Json).filter(|_| flag == "--frame=json");
        });
    }
}

#[test]
fn http_and_logs() {
    check("cat --staticdir web --stats --api --metrics", |c| {
        c.static_dir = Some(PathBuf::from("web"));
        (c.stats, c.api, c.metrics) = (true, true, true);
    });
    for (line, verbosity) in [("cat -v", 2), ("cat -vv", 3), ("cat -v -v", 3), ("cat -vvvv", 3)] {
        check(line, |c| c.log.verbosity = verbosity);
    }
    check("cat -bv", |c| (c.data.split, c.log.verbosity) = (Split::Binary, 2));
    check("cat --json", |c| c.log.format = LogFormat::Json);
    check("cat --log json", |c| c.log.format = LogFormat::Json);
    check("cat --log text", |_| {});
    check("cat --log_file l", |c| c.log.file = Some("l".into()));
    check("cat --log-file=-", |_| {});
}
