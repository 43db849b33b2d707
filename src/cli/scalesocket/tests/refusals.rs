//! Lines that cannot be used, and what the message says.

use super::*;

/// The line is refused, in just these words.
#[track_caller]
fn check(line: &str, message: &str) {
    let args = if line.is_empty() { Vec::new() } else { words(line) };
    match parse(args) {
        Err(error) => assert_eq!(error.to_string(), message, "{line}"),
        other => panic!("{line} gives {other:?}"),
    }
}

#[test]
fn lines_without_one_command() {
    let missing = "<CMD> is missing: the command to run, before any --";
    check("", missing);
    check("--tcp", missing);
    check("-- cat", missing);
    check("cat foo", "unexpected 'foo' after <CMD> 'cat'; its arguments stand behind --");
    check("--frame json cat", "unexpected 'cat' after <CMD> 'json'; its arguments stand behind --");
}

#[test]
fn flags_that_are_not_written_as_they_should() {
    check("cat --stat", "unknown flag '--stat' (did you mean --stats?)");
    check("cat --client_frame=json", "unknown flag '--client_frame' (did you mean --client-frame?)");
    check("cat -json", "unknown flag '-json' (did you mean --json?)");
    check("cat --tcp=true", "--tcp takes no value");
    check("cat --client-frame json", "--client-frame expects a value, attached: --client-frame=MODE");
    check("cat --server-frame", "--server-frame expects a value, attached: --server-frame=MODE");
    check("cat --delimiters ;", "--delimiters expects a value, attached: --delimiters=CHARS");
    check(
        "cat --joinmsg -x",
        "--joinmsg expects a value (MSG) but '-x' follows; a value that starts with '-' is written --joinmsg=VALUE",
    );
    for flag in ["--staticdir", "--cert", "--key", "--log_file"] {
        check(&format!("cat {flag}="), &format!("{flag}: the value is empty"));
    }
}

#[test]
fn what_may_stand_once() {
    for flag in COMMAND.flags().filter(|flag| !matches!(flag.kind, Kind::Info)) {
        let given = format!("{}{}", flag.long, if matches!(flag.kind, Kind::Switch | Kind::Count) { "" } else { "=*" });
        let twice = parse(words(&format!("cat {given} {given}")));
        let refused = twice.is_err_and(|error| error.to_string() == format!("{} is given twice", flag.long));
        let may = ["-v", "--passenv", "--frame", "--allow_origin"].contains(&flag.long);
        assert_eq!(refused, !may, "{given}");
    }
    check("cat --delay 1 --cmd-attach-delay 1", "--cmd-attach-delay is given twice");
}

#[test]
fn flags_that_exclude_each_other() {
    check("cat --frame --client-frame=json", "--frame: cannot be used with --client-frame");
    check("cat --server-frame=json --strict=json", "--frame: cannot be used with --server-frame");
    check("cat -b --delimiters=;", "--binary: cannot be used with --delimiters");
    check("cat -b --null", "--binary: cannot be used with --null");
    check("cat --maxrooms 1 --tcpports 1:2", "--maxrooms: cannot be used with --tcpports");
    check("cat --json --log json", "--json: cannot be used with --log");
    check("cat --key k", "--key: needs the certificate, --cert");
    check("cat --cachepersist", "--cachepersist: needs --cache");
    let tagged =
        "--cache: tagged needs --json-keys from-to and JSON from the command, --frame=json or --server-frame=json";
    for flags in ["", "--json-keys from-to", "--frame=json", "--json-keys from-to --client-frame=json"] {
        check(format!("cat --cache tagged:1 {flags}").trim_end(), tagged);
    }
}

#[test]
fn values_that_make_no_sense() {
    for address in ["localhost:9000", ":9000", "9000", "1.2.3.4", "::1:80", "1.2.3.4:65536", ""] {
        check(
            &format!("cat --addr={address}"),
            &format!("--addr: '{address}' is not IP:PORT or [IPv6]:PORT, in numbers"),
        );
    }
    for ports in ["", "1", "1:", ":1", "1:2:3", "1:65536", "a:b", "1-2"] {
        check(&format!("cat --tcpports={ports}"), &format!("--tcpports: '{ports}' is not START:END, two ports"));
    }
    for flag in ["--frame", "--client-frame", "--server-frame"] {
        for mode in ["", "JSON", "gwsocket"] {
            check(&format!("cat {flag}={mode}"), &format!("{flag}: '{mode}' is neither binary nor json"));
        }
    }
    check("cat --strict=x --frame=json", "--frame: 'x' is neither binary nor json");
    for flag in ["--cmd-attach-delay", "--heartbeat"] {
        check(&format!("cat {flag}=-1"), &format!("{flag}: '-1' is not a number of seconds (0 to 1000000000)"));
    }
    for flag in ["--maxrooms", "--max_connections"] {
        check(&format!("cat {flag} 0"), &format!("{flag}: '0' is not a whole number of at least 1"));
    }
    check("cat --json-keys to-from", "--json-keys: 'to-from' is neither id nor from-to");
    check("cat --byte-order network", "--byte-order: 'network' is neither little nor big");
    check("cat --slow never", "--slow: 'never' is neither close, block nor drop");
    check("cat --mailbox 65535", "--mailbox: '65535' is not a number of bytes of at least 65536");
    check("cat --mailbox 1M", "--mailbox: '1M' is not a number of bytes of at least 65536");
    check("cat --log xml", "--log: 'xml' is neither text nor json");
    check("cat --cache 5", "--cache: '5' does not end with 1, 8 or 64 messages");
    check("cat --cache all:", "--cache: 'all:' does not end with 1, 8 or 64 messages");
    check("cat --cache all:08", "--cache: 'all:08' does not end with 1, 8 or 64 messages");
    check("cat --cache some:8", "--cache: 'some' is neither all nor tagged");
    check("cat --delimiters=", "--delimiters: the value is empty");
    check("cat --delimiters=;é", "--delimiters: 'é' is not an ASCII character");
    check("cat --rooms a,", "--rooms: '' cannot be the path of a room");
    check("cat --rooms a/b", "--rooms: 'a/b' cannot be the path of a room");
    check("cat --rooms 'a, b'", "--rooms: ' b' cannot be the path of a room");
    check("cat --allow_origin a.b", "--allow_origin: 'a.b' is neither * nor scheme://host or scheme://host:port");
}

#[test]
fn text_that_is_not_utf8() {
    for flag in COMMAND.flags().filter(|flag| matches!(flag.kind, Kind::Value | Kind::Attached | Kind::Optional(_))) {
        let mut word = OsString::from(format!("{}=", flag.long));
        word.push(OsString::from_vec(b"\xff".to_vec()));
        let error = parse(vec!["cat".into(), word]).err().map(|error| error.to_string());
        let any_bytes = ["--cert", "--staticdir", "--passenv", "--log_file"].contains(&flag.long);
        let expected = match flag.long {
            "--key" => Some("--key: needs the certificate, --cert".to_owned()),
            long => (!any_bytes).then(|| format!("{long}: the value is not valid UTF-8")),
        };
        assert_eq!(error, expected, "{}", flag.long);
    }
}
