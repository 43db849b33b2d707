//! Static files over real sockets: what is served, what never is, and to whom.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::support::http::{self, Response};
use crate::support::random::{Digest, Random};
use crate::support::server::Server;
use crate::support::stream::Conn;
use crate::support::tls::Certificate;
use crate::support::wait::spawn;

mod confined;

/// A folder to serve, with something beside it that must never be served.
struct Site {
    folder: tempfile::TempDir,
    server: Server,
}

const OUTSIDE: &str = "outside the folder";

fn site_with(prepare: impl FnOnce(&Path), more: &[&str]) -> Site {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secret.txt"), OUTSIDE).unwrap();
    let web = folder.path().join("web");
    for name in ["index.html", "hello.txt", "sub/page.html", "with index/index.html", "sub/deep/x.txt"] {
        let file = web.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, format!("the text of {name}")).unwrap();
    }
    fs::write(folder.path().join("webby.txt"), OUTSIDE).unwrap();
    prepare(&web);
    let server = Server::builder().args(&["--http_directory", web.to_str().unwrap()]).args(more).start();
    Site { folder, server }
}

fn site() -> Site {
    site_with(|_| {}, &[])
}

impl Site {
    #[track_caller]
    fn get(&self, target: &str) -> Response {
        http::get(self.server.http_port(), target, &[])
    }

    #[track_caller]
    fn get_with(&self, target: &str, headers: &[(&str, &str)]) -> Response {
        http::get(self.server.http_port(), target, headers)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("web").join(name)
    }
}

#[test]
fn parts_are_served_as_they_are_asked_for() {
    let site = site();
    fs::write(site.path("digits"), "0123456789").unwrap();
    for (range, status, body, content_range) in [
        ("bytes=0-3", 206, "0123", "bytes 0-3/10"),
        ("bytes=7-", 206, "789", "bytes 7-9/10"),
        ("bytes=-2", 206, "89", "bytes 8-9/10"),
        ("bytes=-99", 206, "0123456789", "bytes 0-9/10"),
        ("bytes=5-999999999999999999999", 206, "56789", "bytes 5-9/10"),
        ("bytes=5-4", 200, "0123456789", ""),
        ("bytes=0-1,4-5", 200, "0123456789", ""),
        ("lines=1-2", 200, "0123456789", ""),
        ("bytes=x", 200, "0123456789", ""),
    ] {
        let answer = site.get_with("/digits", &[("Range", range)]);
        assert_eq!((answer.status, answer.text().as_str()), (status, body), "{range}");
        assert_eq!(answer.header("Content-Range").unwrap_or_default(), content_range, "{range}");
        assert_eq!(answer.header("Accept-Ranges"), Some("bytes"));
    }
    for range in ["bytes=10-", "bytes=10-20", "bytes=-0"] {
        let answer = site.get_with("/digits", &[("Range", range)]);
        assert_eq!((answer.status, answer.header("Content-Range")), (416, Some("bytes */10")), "{range}");
    }
    let whole = site.get("/digits");
    let (etag, modified) = (whole.header("ETag").unwrap(), whole.header("Last-Modified").unwrap());
    for (condition, status) in
        [(etag, 206), (modified, 206), ("\"another\"", 200), ("Sun, 06 Nov 1994 08:49:37 GMT", 200), ("junk", 200)]
    {
        let answer = site.get_with("/digits", &[("Range", "bytes=2-3"), ("If-Range", condition)]);
        assert_eq!(answer.status, status, "{condition}");
        assert_eq!(answer.body.len(), if status == 206 { 2 } else { 10 });
    }
    let mut conn = Conn::plain(site.server.http_port());
    let head = http::request(&mut conn, "HEAD", "/digits", &[("Range", "bytes=2-3")]).unwrap();
    assert_eq!((head.status, head.header("Content-Length")), (200, Some("10")), "Range is for GET only");
}

#[test]
fn a_file_that_is_known_is_not_sent_again_until_it_changes() {
    let site = site();
    let first = site.get("/hello.txt");
    let etag = first.header("ETag").unwrap().to_owned();
    let modified = first.header("Last-Modified").unwrap().to_owned();
    assert_eq!(first.header("Cache-Control"), Some("no-cache"));
    assert_eq!(first.header("Content-Encoding"), None);
    let known = |name: &'static str, value: &str| site.get_with("/hello.txt", &[(name, value)]);
    for condition in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
        let answer = known("If-None-Match", &condition);
        assert_eq!((answer.status, answer.header("ETag")), (304, Some(etag.as_str())), "{condition}");
        assert!(answer.body.is_empty() && answer.header("Content-Length").is_none());
    }
    assert_eq!(known("If-Modified-Since", &modified).status, 304);
    assert_eq!(known("If-None-Match", "\"x\"").status, 200);
    assert_eq!(known("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT").status, 200);
    assert_eq!(
        site.get_with("/hello.txt", &[("If-None-Match", "\"x\""), ("If-Modified-Since", &modified)]).status,
        200
    );
    // Written in place, as simulations do: of another length, and of the same one.
    for text in ["another text", "ANOTHER TEXT"] {
        let before = site.get("/hello.txt").header("ETag").unwrap().to_owned();
        let time = fs::metadata(site.path("hello.txt")).unwrap().modified().unwrap();
        // Clocks of file systems tick every few milliseconds.
        while fs::metadata(site.path("hello.txt")).unwrap().modified().unwrap() == time {
            fs::write(site.path("hello.txt"), text).unwrap();
        }
        let answer = known("If-None-Match", &before);
        assert_eq!((answer.status, answer.text().as_str()), (200, text));
    }
    // Put in place under its name.
    let before = site.get("/hello.txt").header("ETag").unwrap().to_owned();
    fs::write(site.path("new"), "MORE OF IT..").unwrap();
    fs::rename(site.path("new"), site.path("hello.txt")).unwrap();
    assert_eq!(known("If-None-Match", &before).text(), "MORE OF IT..");
}

#[test]
fn a_listing_shows_names_and_never_runs_them() {
    let evil = "<img src=x onerror=alert(1)>&\"'.txt";
    let names = [evil, "a b%20c#d?e.txt", "ünïcode", "javascript:alert(1)", "two\nlines"];
    let site = site_with(
        |web| {
            fs::create_dir(web.join("list")).unwrap();
            for name in names {
                fs::write(web.join("list").join(name), "x").unwrap();
            }
            symlink("../../secret.txt", web.join("list/out")).unwrap();
            mknodat(CWD, web.join("list/fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        },
        &[],
    );
    let listing = site.get("/list/?x=%22%3E%3Cscript%3E\"><script>alert(1)</script>");
    assert_eq!((listing.status, listing.header("Content-Type")), (200, Some("text/html; charset=utf-8")));
    let page = listing.text();
    assert!(!page.contains("<img") && !page.contains("<script") && !page.contains("href=\"javascript:"), "{page}");
    assert!(page.contains("&lt;img") && page.contains("ünïcode"), "{page}");
    assert!(!page.contains(">out<") && !page.contains("fifo"), "what is not served is not listed: {page}");
    // Every link leads to its file.
    let links: Vec<_> = page.split("<a href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let files: Vec<_> = links.iter().filter(|link| !link.starts_with('?') && !link.starts_with("../")).collect();
    assert_eq!(files.len(), names.len(), "{links:?}");
    for link in files {
        let answer = site.get(&format!("/list/{link}"));
        assert_eq!((answer.status, answer.text().as_str()), (200, "x"), "{link}");
    }
    let shouting = site.get("/%3Cscript%3Ealert(1)%3C/script%3E/");
    assert!(shouting.status == 404 && !shouting.text().contains("<script"), "{}", shouting.text());
}

#[test]
fn with_a_security_token_only_listings_ask_for_it() {
    let site = site_with(|_| {}, &["--security_token", "T"]);
    let statuses = |target: &str| site.get(target).status;
    assert_eq!(statuses("/sub/"), 401);
    assert_eq!(statuses("/sub/?security_token=t"), 401);
    assert_eq!(statuses("/sub/?security_token=T"), 200);
    assert_eq!(site.get_with("/sub/", &[("Authorization", "Bearer T")]).status, 200);
    assert!(!site.get("/sub/").text().contains("page.html"));
    for target in ["/", "/hello.txt", "/sub/page.html", "/with%20index/"] {
        assert_eq!(statuses(target), 200, "{target}");
    }
}

#[test]
fn types_are_those_that_browsers_need() {
    let site = site();
    for (name, kind) in [
        ("a.html", "text/html; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.wasm", "application/wasm"),
        ("a.png", "image/png"),
        ("a.svg", "image/svg+xml"),
        ("a.glb", "model/gltf-binary"),
        ("a.avz", "application/octet-stream"),
        ("a.js.gz", "application/gzip"),
        ("noextension", "application/octet-stream"),
    ] {
        fs::write(site.path(name), "x").unwrap();
        let answer = site.get_with(&format!("/{name}"), &[("Accept-Encoding", "gzip, br")]);
        assert_eq!((answer.header("Content-Type"), answer.header("Content-Encoding")), (Some(kind), None), "{name}");
    }
}

#[test]
fn large_files_are_exact_while_another_client_reads_slowly() {
    let length = 24_000_001;
    let certificate = Certificate::ec();
    let args = certificate.args();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    for tls in [false, true] {
        let site = site_with(|_| {}, if tls { &args } else { &[] });
        fs::write(site.path("large.bin"), Random::new(7).vec(length)).unwrap();
        let port = site.server.http_port();
        let connect = move || if tls { Conn::tls(port) } else { Conn::plain(port) };
        let ask = |conn: &mut Conn| {
            let head = http::head(conn, "GET", "/large.bin", &[]);
            conn.send(head.as_bytes());
            assert_eq!(http::read_head(conn).unwrap().header("Content-Length"), Some(length.to_string().as_str()));
        };
        let expected = Digest::of_random(7, length as u64);
        let mut slow = connect();
        ask(&mut slow); // and reads nothing while the others do
        let readers = [(); 2].map(|()| {
            spawn("reader", move || {
                let mut conn = connect();
                let whole = http::request(&mut conn, "GET", "/large.bin", &[]).unwrap();
                let rest = http::request(&mut conn, "GET", "/large.bin", &[("Range", "bytes=1000001-")]).unwrap();
                (Digest::of(&whole.body), whole.body[1_000_001..] == rest.body)
            })
        });
        for reader in readers {
            assert_eq!(reader.join().unwrap(), (expected, true), "TLS: {tls}");
        }
        assert_eq!(Digest::of(&slow.take(length).unwrap()), expected, "TLS: {tls}");
        assert!(site.server.rss_kib() < 60 * 1024, "{} KiB", site.server.rss_kib());
    }
}

#[test]
fn pages_of_the_installation_are_found_through_the_launchers_script() {
    let folder = tempfile::tempdir().unwrap();
    let script = "CEI/nexus261/nexus_launcher/websocketserver.py";
    for name in [script, "CEI/ansys261/nexus/viewer.js", "CEI/ansys251/nexus/old.js", "CEI/secret.txt", "web/hello.txt"]
    {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, name).unwrap();
    }
    let [script, web] = [script, "web"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
    let args = [&script, "--http_directory", &web, "--http_port", "0", "--bind_address", "127.0.0.1", "0"];
    let server = Server::start_exactly(&args, 2);
    for (target, text) in [
        ("/ansys261/nexus/viewer.js", "CEI/ansys261/nexus/viewer.js"),
        ("/ansys/nexus/viewer.js", "CEI/ansys261/nexus/viewer.js"),
        ("//ansys//nexus/viewer.js?x", "CEI/ansys261/nexus/viewer.js"),
        ("/ansys251/nexus/old.js", "CEI/ansys251/nexus/old.js"),
        ("/hello.txt", "web/hello.txt"),
    ] {
        assert_eq!(http::get(server.http_port(), target, &[]).text(), text, "{target}");
    }
    for target in
        ["/ansys/../../CEI/secret.txt", "/ansys/%2e%2e/secret.txt", "/ansys261/../secret.txt", "/CEI/secret.txt"]
    {
        assert_eq!(http::get(server.http_port(), target, &[]).status, 404, "{target}");
    }
}

#[test]
fn reserved_names_are_never_files() {
    let site = site_with(
        |web| {
            for name in ["v1/status", "v2/x.txt", "ensight/v1/x.txt", "v1x/x.txt", "version/x.txt"] {
                let file = web.join(name);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, "a file").unwrap();
            }
        },
        &[],
    );
    for target in ["/v2/x.txt", "//v2/x.txt", "/v1/status", "/v2", "/v1/", "/ensight/v1/x.txt"] {
        assert_ne!(site.get(target).text(), "a file", "{target}");
    }
    for target in ["/v1x/x.txt", "/version/x.txt"] {
        assert_eq!(site.get(target).text(), "a file", "{target}");
    }
}
