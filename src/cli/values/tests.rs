use super::*;

/// Each text and what it means; `None` is a refusal.
fn check<T: PartialEq + std::fmt::Debug>(read: fn(&str) -> Result<T, String>, cases: &[(&str, Option<T>)]) {
    for (text, meaning) in cases {
        match (read(text), meaning) {
            (Ok(value), Some(meaning)) => assert_eq!(value, *meaning, "{text:?}"),
            (Err(_), None) => {}
            (result, _) => panic!("{text:?} gives {result:?}, not {meaning:?}"),
        }
    }
}

#[test]
fn ports_are_16_bits() {
    check(
        port,
        &[
            ("0", Some(0)),
            ("65535", Some(65535)),
            ("65536", None),
            ("-1", None),
            ("", None),
            ("80 ", None),
            ("1.0", None),
        ],
    );
}

#[test]
fn seconds_are_finite_and_not_negative() {
    let whole = Duration::from_secs;
    check(
        seconds,
        &[
            ("0", Some(whole(0))),
            ("2.5", Some(Duration::from_millis(2500))),
            (".5", Some(Duration::from_millis(500))),
            ("1000000000", Some(whole(1_000_000_000))),
            ("1000000001", None),
            ("-1", None),
            ("nan", None),
            ("inf", None),
            ("1e300", None),
            ("5s", None),
            ("", None),
        ],
    );
}

#[test]
fn counts_start_at_one() {
    check(
        at_least_one,
        &[("1", Some(1)), ("0", None), ("-1", None), ("many", None), ("99999999999999999999999", None)],
    );
}

#[test]
fn hosts_are_names_or_addresses_without_a_port() {
    let is = |host: &str| Some(host.to_owned());
    check(
        host,
        &[
            ("example.com", is("example.com")),
            ("10.0.0.1", is("10.0.0.1")),
            ("::1", is("::1")),
            ("[::1]", is("::1")),
            ("[fe80::1%eth0]", is("fe80::1%eth0")),
            ("fe80::1%", None),
            ("[localhost]", None),
            ("[::1", None),
            ("[::1]:80", None),
            ("[]", None),
            ("localhost:5900", None),
            ("http://localhost", None),
            ("user@host", None),
            ("a b", None),
            ("a\0b", None),
            ("", None),
        ],
    );
}

#[test]
fn addresses_are_numbers() {
    let is = |ip: &str| Some(ip.parse::<IpAddr>().unwrap());
    check(
        ip_address,
        &[
            ("127.0.0.1", is("127.0.0.1")),
            ("::1", is("::1")),
            ("[::1]", is("::1")),
            ("[1.2.3.4]", None),
            ("localhost", None),
            ("", None),
        ],
    );
}

#[test]
fn origins_are_written_as_browsers_write_them() {
    let is = |origin: &str| Some(origin.to_owned());
    check(
        origin,
        &[
            ("*", is("*")),
            ("https://example.com", is("https://example.com")),
            ("HTTPS://Example.COM:443", is("https://example.com")),
            ("http://example.com:80", is("http://example.com")),
            ("http://example.com:443", is("http://example.com:443")),
            ("http://127.0.0.1:8080", is("http://127.0.0.1:8080")),
            ("http://[::1]", is("http://[::1]")),
            ("http://[::1]:8080", is("http://[::1]:8080")),
            ("vscode-webview://abc", is("vscode-webview://abc")),
            ("https://example.com/", None),
            ("https://example.com/path", None),
            ("https://example.com:port", None),
            ("https://example.com:", None),
            ("https://*.example.com", None),
            ("https://user@example.com", None),
            ("http://[localhost]", None),
            ("://example.com", None),
            ("1a://example.com", None),
            ("https://", None),
            ("example.com", None),
            ("null", None),
            ("", None),
        ],
    );
}

#[test]
fn headers_are_split_at_the_first_equals_sign() {
    let is = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
    check(
        header,
        &[
            ("instance_name=pim-1", is("instance_name", "pim-1")),
            ("X-Query=a=b c", is("X-Query", "a=b c")),
            ("X-Empty=", is("X-Empty", "")),
            ("X!#$%&'*+-.^_`|~9=v", is("X!#$%&'*+-.^_`|~9", "v")),
            ("Connections=1", is("Connections", "1")),
            ("=value", None),
            ("name", None),
            ("", None),
            ("two words=1", None),
            ("colon:=1", None),
            ("naïve=1", None),
            ("name=é", None),
            ("name=a\r\nSet-Cookie: b", None),
            ("name=a\tb", None),
            ("name=a\u{7f}", None),
        ],
    );
}

#[test]
fn headers_that_frame_a_message_are_refused_with_the_reason() {
    for name in [
        "Content-Length",
        "transfer-encoding",
        "CONNECTION",
        "Upgrade",
        "Trailer",
        "Sec-WebSocket-Accept",
        "sec-websocket-x",
    ] {
        let error = header(&format!("{name}=x")).unwrap_err();
        assert!(error.contains(name) && error.contains("frames the message"), "{error}");
    }
}
