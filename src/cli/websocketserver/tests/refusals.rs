//! Lines that cannot be used, and what the message says.

use super::*;

/// The line is refused, in just these words.
fn check(line: &str, message: &str) {
    let args = if line.is_empty() { Vec::new() } else { words(line) };
    match parse(args, &[]) {
        Err(error) => assert_eq!(error.to_string(), message, "{line}"),
        other => panic!("{line} gives {other:?}"),
    }
}

#[test]
fn ports_that_are_none() {
    check("", "ws_server_port is missing: the port for websockets, or -1 for none");
    check("--add_header a=b", "ws_server_port is missing: the port for websockets, or -1 for none");
    check("x", "ws_server_port: 'x' is not a port (0 to 65535)");
    check("65536", "ws_server_port: '65536' is not a port (0 to 65535)");
    check("-2 --http_directory d", "ws_server_port: '-2' is not a port (0 to 65535)");
    check("4 5", "unexpected '5' after ws_server_port '4'");
    check("--add_header a=b 4 --metrics 5", "unexpected '5' after ws_server_port '4'");
    check("4 websocketserver.py", "unexpected 'websocketserver.py' after ws_server_port '4'");
    for flag in ["--http_port", "--client_port", "--grpc_port"] {
        check(&format!("4 {flag} 99999"), &format!("{flag}: '99999' is not a port (0 to 65535)"));
        check(&format!("4 {flag} x {flag} 5"), &format!("{flag}: 'x' is not a port (0 to 65535)"));
    }
}

#[test]
fn listeners_that_cannot_be() {
    check("-1", "ws_server_port: with -1 and no --http_directory there is nothing to listen on");
    check(
        "9090 --http_directory d",
        "ws_server_port: 9090 is --http_port too; give another, or -1, since the HTTP port takes websockets as well",
    );
    check("4 --key k", "--key: needs the certificate, --cert");
    check("4 --bind_address localhost", "--bind_address: 'localhost' is not an IP address");
}

#[test]
fn flags_without_their_values() {
    check("4 --client_port", "--client_port expects a value (PORT)");
    check(
        "--security_token -s 4",
        "--security_token expects a value (TOKEN) but '-s' follows; a value that starts with '-' is written --security_token=VALUE",
    );
    check("4 --metrics=1", "--metrics takes no value");
    for flag in ["--http_directory", "--cert", "--log_file", "--python", "--install_root", "--remote_session_config"] {
        check(&format!("4 {flag}="), &format!("{flag}: the value is empty"));
    }
}

#[test]
fn flags_that_nobody_knows() {
    check("4 --htp_port 5", "unknown flag '--htp_port' (did you mean --http_port?)");
    check("4 --locall_session x", "unknown flag '--locall_session' (did you mean --local_session?)");
    check("4 --xyz", "unknown flag '--xyz'");
    check("4 --client 5", "'--client' is ambiguous: it fits --client_hostname, --client_port");
}

#[test]
fn values_that_make_no_sense() {
    let seconds = "is not a number of seconds (0 to 1000000000)";
    for flag in ["--timeout", "--heartbeat", "--launch_timeout", "--reconnect_grace", "--grpc_timeout"] {
        check(&format!("4 {flag} -1"), &format!("{flag}: '-1' {seconds}"));
        check(&format!("4 {flag} inf"), &format!("{flag}: 'inf' {seconds}"));
    }
    check("4 --max_connections 0", "--max_connections: '0' is not a whole number of at least 1");
    check("4 --verbose -1", "--verbose: '-1' is not a level (0 to 3)");
    check("4 --log_format xml", "--log_format: 'xml' is neither text nor json");
    check(
        "4 --client_hostname a:5",
        "--client_hostname: 'a:5' is not a host name or an IP address (a port does not belong here)",
    );
    check(
        "4 --allow_origin https://a/b",
        "--allow_origin: 'https://a/b' is neither * nor scheme://host or scheme://host:port",
    );
}

#[test]
fn sessions_of_no_application() {
    check("4 --local_session adr 5", "--local_session: 'adr' is neither ensight nor envision");
    check("--local_session envision 1001 4", "--local_session: '1001' is not a number of instances (0 to 1000)");
    check("--local_session envision -1 4", "--local_session: '-1' is not a number of instances (0 to 1000)");
    check("--local_session envision five 4", "--local_session: 'five' is not a number of instances (0 to 1000)");
    check("4 --local_session 'envision 5 6'", "--local_session: 'envision 5 6' is not APP COUNT");
    check("4 --local_session envision", "--local_session expects a value (APP COUNT)");
}

#[test]
fn headers_that_cannot_be() {
    check("4 --add_header abc", "--add_header: 'abc' is not NAME=VALUE");
    check("4 --add_header a=1 5", "--add_header: '5' is not NAME=VALUE");
    check(
        "4 --add_header Connection=close",
        "--add_header: 'Connection' cannot be set: it frames the message, which is the server's part",
    );
}

#[test]
fn text_that_is_not_utf8() {
    let odd = || OsString::from_vec(b"\xff".to_vec());
    let message = |args: Vec<OsString>| parse(args, &[]).unwrap_err().to_string();
    for flag in COMMAND.flags().map(|flag| flag.long) {
        let takes_text = [
            "--http_port",
            "--bind_address",
            "--client_hostname",
            "--client_port",
            "--heartbeat",
            "--timeout",
            "--grpc_port",
            "--security_token",
            "--allow_origin",
            "--add_header",
            "--verbose",
            "--max_connections",
            "--log_format",
        ];
        if takes_text.contains(&flag) {
            let args = vec!["4".into(), flag.into(), odd()];
            assert_eq!(message(args), format!("{flag}: the value is not valid UTF-8"));
        }
    }
    assert_eq!(message(vec![odd()]), "ws_server_port: the value is not valid UTF-8");
    let variable = "WEBSOCKETSERVER_SECURITY_TOKEN";
    let error = parse(words("4"), &[(variable.into(), odd())]).unwrap_err();
    assert_eq!(error.to_string(), format!("{variable}: the value is not valid UTF-8"));
}

#[test]
fn a_word_is_quoted_on_one_line_and_in_part() {
    check("4 'a\nb'", "unexpected 'a\\nb' after ws_server_port '4'");
    check(&format!("4 {}", "x".repeat(200)), &format!("unexpected '{}…' after ws_server_port '4'", "x".repeat(100)));
}
