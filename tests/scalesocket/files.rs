//! `--staticdir`.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use crate::members::{ask, join};
use crate::support::http::{self, Response};
use crate::support::server::Server;
use crate::support::stream::Conn;

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::create_dir(folder.path().join("bare")).unwrap();
    file("index.html", "<p>index</p>");
    file("sub/index.html", "<p>sub</p>");
    file("page.js", "0123456789");
    file("style.css", "");
    file("data", "bytes");
    file(".dot", "dot");
    file("with space.txt", "space");
    file("health", "never seen");
    file("metrics", "a file");
    file("room", "a file");
    symlink("data", folder.path().join("link")).unwrap();
    folder
}

fn server(folder: &TempDir, more: &[&str]) -> Server {
    let args = ["--staticdir", folder.path().to_str().unwrap(), "cat"];
    Server::scalesocket_builder().args(more).args(&args).start()
}

#[track_caller]
fn get(server: &Server, target: &str) -> Response {
    http::get(server.room_port(), target, &[])
}

#[test]
fn files_are_served_with_their_types() {
    let folder = folder();
    let server = server(&folder, &[]);
    let cases = [
        ("/", "<p>index</p>", "text/html"),
        ("/index.html", "<p>index</p>", "text/html"),
        ("/page.js", "0123456789", "javascript"),
        ("/style.css", "", "text/css"),
        ("/data", "bytes", "application/octet-stream"),
        ("/.dot", "dot", "application/octet-stream"),
        ("/link", "bytes", "application/octet-stream"),
        ("/with%20space.txt", "space", "text/plain"),
        ("/sub/", "<p>sub</p>", "text/html"),
        ("/metrics", "a file", "application/octet-stream"),
        ("/health", r#"{"status":"ok"}"#, "application/json"),
    ];
    for (target, body, kind) in cases {
        let answer = get(&server, target);
        assert_eq!((answer.status, answer.text().as_str()), (200, body), "{target}");
        let found = answer.header("Content-Type").unwrap();
        assert!(found.contains(kind), "{target}: {found}");
    }
    let name = folder.path().file_name().unwrap().to_str().unwrap();
    let outside = [format!("/../{name}/data"), format!("/%2e%2e/{name}/data"), format!("/sub/..%2f../{name}/data")];
    let missing = ["/nothing", "/data/", "/bare/", "/bare", "/a/b"].map(str::to_owned);
    for missing in missing.iter().chain(&outside) {
        assert_eq!(get(&server, missing).status, 404, "{missing}");
    }
}

#[test]
fn a_folder_needs_no_slash_at_its_end() {
    let folder = folder();
    let server = server(&folder, &[]);
    let answer = get(&server, "/sub");
    assert_eq!((answer.status, answer.text().as_str()), (200, "<p>sub</p>"));
}

#[test]
fn parts_and_what_is_known_already() {
    let folder = folder();
    let server = server(&folder, &[]);
    let mut conn = Conn::plain(server.room_port());
    let mut ask =
        |method: &str, headers: &[(&str, &str)]| http::request(&mut conn, method, "/page.js", headers).unwrap();
    let whole = ask("HEAD", &[]);
    assert_eq!(
        (whole.status, whole.header("Content-Length"), whole.header("Accept-Ranges")),
        (200, Some("10"), Some("bytes"))
    );
    let modified = whole.header("Last-Modified").unwrap();
    assert_eq!(ask("GET", &[("If-Modified-Since", modified)]).status, 304);
    let part = ask("GET", &[("Range", "bytes=2-4")]);
    assert_eq!((part.status, part.text().as_str(), part.header("Content-Range")), (206, "234", Some("bytes 2-4/10")));
    assert_eq!(ask("GET", &[("Range", "bytes=10-")]).status, 416);
    assert_eq!(ask("POST", &[]).status, 405);
}

#[test]
fn changes_are_seen_at_once() {
    let folder = folder();
    let server = server(&folder, &[]);
    assert_eq!(get(&server, "/late").status, 404);
    fs::write(folder.path().join("late"), "now").unwrap();
    assert_eq!(get(&server, "/late").text(), "now");
    fs::write(folder.path().join("late"), "changed").unwrap();
    assert_eq!(get(&server, "/late").text(), "changed");
}

#[test]
fn metrics_hide_a_file_and_websockets_see_none() {
    let folder = folder();
    let server = server(&folder, &["--metrics"]);
    assert_ne!(get(&server, "/metrics").text(), "a file");
    assert_eq!(get(&server, "/room").text(), "a file");
    assert_eq!(ask(&mut join(&server, "/room"), "hello"), "hello");
}
