//! Who may call the REST API, and the call that stops the server.

use crate::support::backend::Backend;
use crate::support::http;
use crate::support::server::Server;
use crate::support::stream::Conn;
use crate::support::tls::Certificate;
use crate::support::wait::DEADLINE;
use crate::support::ws::Ws;

const TOKEN: &str = "s3cret-HELLO";

/// A target and headers, and the status that they get with the token set.
type Case = (String, Vec<(&'static str, String)>, u16);

fn cases() -> Vec<Case> {
    let bearer = |text: &str| vec![("Authorization", text.to_owned())];
    vec![
        (format!("/v1/nothing?security_token={TOKEN}"), vec![], 404),
        (format!("/v1/nothing?a=b&security_token={TOKEN}&c=d"), vec![], 404),
        ("/v1/nothing?security_token=s3cret%2DHELL%4f".to_owned(), vec![], 404),
        ("/v1/nothing".to_owned(), bearer(&format!("Bearer {TOKEN}")), 404),
        ("/v1/nothing".to_owned(), bearer(&format!("bearer {TOKEN}")), 404),
        ("/v1/nothing".to_owned(), vec![], 401),
        ("/v1/stop".to_owned(), vec![], 401),
        ("//v1/stop".to_owned(), vec![], 401),
        ("/v1/".to_owned(), vec![], 401),
        ("/v1".to_owned(), vec![], 401),
        ("/v1/nothing?security_token=".to_owned(), vec![], 401),
        (format!("/v1/nothing?security_token={TOKEN}x"), vec![], 401),
        ("/v1/nothing?security_token=s3cret-HELL".to_owned(), vec![], 401),
        ("/v1/nothing?security_token=s3cret-hello".to_owned(), vec![], 401),
        (format!("/v1/nothing?Security_Token={TOKEN}"), vec![], 401),
        ("/v1/nothing".to_owned(), bearer("Bearer wrong"), 401),
        ("/v1/nothing".to_owned(), bearer("Bearer "), 401),
        ("/v1/nothing".to_owned(), bearer(&format!("Basic {TOKEN}")), 401),
        ("/v1/nothing".to_owned(), bearer(TOKEN), 401),
        ("/v1/nothing".to_owned(), vec![("Cookie", format!("security_token={TOKEN}"))], 401),
    ]
}

fn folder_args(folder: &tempfile::TempDir) -> [String; 2] {
    ["--http_directory".to_owned(), folder.path().to_str().unwrap().to_owned()]
}

#[test]
fn calls_need_the_security_token_and_the_log_never_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let backend = Backend::echo();
    for verbose in ["0", "1", "2", "3"] {
        let more = ["--verbose", verbose];
        let builder = Server::builder().args(&folder_args(&folder)).args(&backend.args()).args(&more);
        let (mut server, from) = if verbose == "2" {
            (builder.env("WEBSOCKETSERVER_SECURITY_TOKEN", TOKEN).start(), "environment")
        } else {
            (builder.args(&["--security_token", TOKEN]).start(), "flag")
        };
        for (target, headers, status) in cases() {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let answer = http::get(server.http_port(), &target, &headers);
            assert_eq!(answer.status, status, "{target} {headers:?} with the token from the {from}");
            let challenge = answer.header("WWW-Authenticate").is_some_and(|how| how.starts_with("Bearer"));
            assert_eq!(challenge, status == 401, "{target}");
            assert!(answer.json()["error"].is_string());
            assert!(!answer.text().contains(TOKEN), "{}", answer.text());
        }
        // Elsewhere it may be written too, and must not be shown either.
        let target = format!("/?security_token={TOKEN}");
        http::get(server.http_port(), &target, &[("Referer", &format!("http://h{target}"))]);
        http::get(server.ws_port(), &target, &[]);
        let absolute = format!("http://h/v1/nothing?security_token={TOKEN}");
        http::get(server.http_port(), &absolute, &[]);
        http::raw(server.http_port(), format!("GET {target}\0 HTTP/1.1\r\nHost: h\r\n\r\n"));
        drop(Ws::open(Conn::plain(server.http_port()), &format!("/?token=1&security_token={TOKEN}")));
        drop(Ws::open(Conn::plain(server.ws_port()), &target));
        let stop = http::get(server.http_port(), &format!("/v1/stop?security_token={TOKEN}"), &[]);
        assert_eq!(stop.status, 200);
        assert!(server.wait_exit(DEADLINE).success());
        assert!(!server.log().contains(TOKEN), "{}", server.log());
        assert!(!server.log().contains("s3cret"), "{}", server.log());
    }
}

#[test]
fn an_empty_token_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::builder()
        .args(&folder_args(&folder))
        .env("WEBSOCKETSERVER_SECURITY_TOKEN", "of the environment")
        .args(&["--security_token", ""])
        .start();
    assert_eq!(http::get(server.http_port(), "/v1/nothing", &[]).status, 404);
}

#[test]
fn the_flag_counts_before_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::builder()
        .args(&folder_args(&folder))
        .env("WEBSOCKETSERVER_SECURITY_TOKEN", "of-the-environment")
        .args(&["--security_token", TOKEN])
        .start();
    let status = |token: &str| http::get(server.http_port(), &format!("/v1/x?security_token={token}"), &[]).status;
    assert_eq!((status("of-the-environment"), status(TOKEN)), (401, 404));
}

#[test]
fn only_get_stops_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(&folder_args(&folder));
    let mut conn = Conn::plain(server.http_port());
    assert_eq!(http::request(&mut conn, "HEAD", "/v1/stop", &[]).unwrap().status, 200);
    for method in ["OPTIONS", "POST", "PUT", "get"] {
        http::raw(server.http_port(), format!("{method} /v1/stop HTTP/1.1\r\nHost: h\r\n\r\n"));
    }
    assert_eq!(http::get(server.http_port(), "/v1/nothing", &[]).status, 404, "it is still there");
    assert_eq!(http::get(server.http_port(), "/v1/stop", &[]).status, 200);
    assert!(server.wait_exit(DEADLINE).success());
}

#[test]
fn stop_completes_its_reply_and_says_goodbye_to_the_tunnels() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::ec();
    for tls in [false, true] {
        let backend = Backend::echo();
        let builder = Server::builder().args(&folder_args(&folder)).args(&backend.args());
        let mut server = if tls { builder.args(&certificate.args()).start() } else { builder.start() };
        let connect = |port| if tls { Conn::tls(port) } else { Conn::plain(port) };
        let mut tunnels = [server.ws_port(), server.http_port()].map(|port| Ws::open(connect(port), "/").unwrap());
        let mut idle = connect(server.http_port());
        assert_eq!(http::request(&mut idle, "GET", "/v1/nothing", &[]).unwrap().status, 404);
        let mut conn = connect(server.http_port());
        let answer = http::request(&mut conn, "GET", "/v1/stop", &[]).unwrap();
        assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("stopping")));
        assert!(conn.ends() && idle.ends());
        for ws in &mut tunnels {
            assert_eq!(ws.drain().1, 1001);
            ws.send(&crate::support::ws::Frame::close(1001, ""));
        }
        assert!(server.wait_exit(DEADLINE).success());
        backend.wait_ended(2);
    }
}
