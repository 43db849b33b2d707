use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::super::request::head_for_test;
use super::*;

/// A head from its lines.
pub(super) fn head(lines: &str) -> Head {
    head_for_test(&format!("{}\r\n\r\n", lines.trim_end().replace('\n', "\r\n")))
}

/// A folder to be served, and around it what must never be.
struct Site {
    all: tempfile::TempDir,
    files: Files,
}

impl Site {
    fn new() -> Self {
        let all = tempfile::tempdir().unwrap();
        let root = all.path().join("root");
        fs::create_dir_all(root.join("sub/deep")).unwrap();
        fs::create_dir_all(root.join("page")).unwrap();
        fs::create_dir_all(root.join("odd/index.html")).unwrap();
        fs::write(all.path().join("secret"), "SECRET").unwrap();
        fs::create_dir(all.path().join("root2")).unwrap();
        fs::write(all.path().join("root2/secret"), "SECRET").unwrap();
        fs::write(root.join("digits.txt"), "0123456789").unwrap();
        fs::write(root.join("empty"), "").unwrap();
        fs::write(root.join("a b%.js"), "js").unwrap();
        fs::write(root.join("back\\slash"), "backslash").unwrap();
        fs::write(root.join("sub/deep/file"), "deep").unwrap();
        fs::write(root.join("page/index.html"), "<p>").unwrap();
        fs::write(root.join("big"), vec![7; 40_000]).unwrap();
        symlink("..", root.join("up")).unwrap();
        symlink("../secret", root.join("out")).unwrap();
        symlink("/", root.join("slash")).unwrap();
        symlink("sub", root.join("link")).unwrap();
        let files = Files::new(&root).unwrap();
        Self { all, files }
    }

    fn ask(&self, request: &str) -> Response {
        let mut lines = request.splitn(2, '\n');
        let (first, rest) = (lines.next().unwrap(), lines.next().unwrap_or_default());
        let head = head(&format!("{first} HTTP/1.1\nHost: h\n{rest}"));
        self.files.answer(&head, &head.path, Folders::Listed)
    }

    fn get(&self, path: &str) -> (u16, String) {
        let response = self.ask(&format!("GET {path}"));
        (response.status, String::from_utf8_lossy(&response.body()).into_owned())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.all.path().join("root").join(name)
    }
}

#[test]
fn a_root_that_cannot_be_served_is_named() {
    let site = Site::new();
    let table = [("nowhere", "there is no such directory"), ("empty", "it is not a directory")];
    for (name, cause) in table {
        let path = site.path(name);
        assert_eq!(Files::new(&path), Err(format!("cannot serve {}: {cause}", path.display())));
    }
    assert_eq!(Files::new(&site.path("empty/x")).unwrap_err().rsplit(": ").next(), Some("it is not a directory"));
    assert_eq!(Files::new(&site.path("link")).unwrap().root, site.path("sub").canonicalize().unwrap());
}

#[test]
fn paths_find_files_in_every_harmless_spelling() {
    let site = Site::new();
    let table = [
        ("/digits.txt", "0123456789"),
        ("//digits.txt", "0123456789"),
        ("/digits.txt?token=x/../y", "0123456789"),
        ("/%64igits%2Etxt", "0123456789"),
        ("/sub/../digits.txt", "0123456789"),
        ("/nowhere/../digits.txt", "0123456789"),
        ("/a%20b%25.js", "js"),
        ("/back%5cslash", "backslash"),
        ("/sub//deep/./file", "deep"),
        ("/sub%2fdeep%2ffile", "deep"),
        ("/link/deep/file", "deep"),
        ("/page/", "<p>"),
        ("//page//", "<p>"),
        ("/empty", ""),
    ];
    for (path, text) in table {
        assert_eq!(site.get(path), (200, text.to_owned()), "{path}");
    }
}

#[test]
fn what_is_not_inside_is_not_there() {
    let site = Site::new();
    for path in [
        "/../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/sub/../../secret",
        "/..%5csecret",
        "/../root2/secret",
        "/out",
        "/up/secret",
        "/up/",
        "/slash/etc/passwd",
        "/%00",
        "/digits.txt%00.html",
        "/digits.txt/",
        "/digits.txt%2f",
        "/digits.txt/x",
        "/nowhere",
        "/nowhere/",
        "*",
    ] {
        let (status, text) = site.get(path);
        assert_eq!(status, 404, "{path}: {text}");
    }
    let long = format!("/{}", "n".repeat(4_000));
    assert_eq!(site.get(&long).0, 404);
    assert_eq!(site.get(&"/n".repeat(3_000)).0, 404);
}

#[test]
fn only_get_and_head_are_answered() {
    let site = Site::new();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "get", "PROPFIND"] {
        let response = site.ask(&format!("{method} /digits.txt"));
        assert_eq!((response.status, response.value("allow")), (405, Some("GET, HEAD")), "{method}");
    }
}

#[test]
fn a_file_comes_with_its_headers_for_get_and_head() {
    let site = Site::new();
    for (name, length, kind) in [
        ("digits.txt", 10, "text/plain; charset=utf-8"),
        ("big", 40_000, "application/octet-stream"),
        ("empty", 0, "application/octet-stream"),
    ] {
        let when = SystemTime::UNIX_EPOCH + Duration::new(784_111_777, 123_456_789);
        File::options().write(true).open(site.path(name)).unwrap().set_modified(when).unwrap();
        let (get, head) = (site.ask(&format!("GET /{name}")), site.ask(&format!("HEAD /{name}")));
        for response in [&get, &head] {
            assert_eq!((response.status, response.length()), (200, length));
            assert_eq!(response.value("content-type"), Some(kind));
            assert_eq!(response.value("last-modified"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
            assert_eq!(response.value("accept-ranges"), Some("bytes"));
            assert_eq!(response.value("cache-control"), Some("no-cache"));
            assert_eq!(response.value("x-content-type-options"), Some("nosniff"));
            assert_eq!(response.value("content-encoding"), None);
        }
        assert_eq!(get.value("etag"), head.value("etag"));
        assert_eq!(get.body(), fs::read(site.path(name)).unwrap());
    }
}

#[test]
fn an_entity_tag_lasts_as_long_as_the_state() {
    let site = Site::new();
    let tag = || site.ask("GET /digits.txt").value("etag").unwrap().to_owned();
    let first = tag();
    assert_eq!(first, tag());
    assert!(first.starts_with('"') && first.ends_with('"') && first.len() > 2, "{first}");
    assert_eq!(site.ask(&format!("GET /digits.txt\nIf-None-Match: W/{first}")).status, 304);
    // Rewritten in place with as many bytes, a nanosecond later.
    let file = File::options().write(true).open(site.path("digits.txt")).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    file.set_modified(modified + Duration::from_nanos(1)).unwrap();
    assert_ne!(tag(), first);
    file.set_modified(modified).unwrap();
    assert_eq!(tag(), first);
    file.set_len(11).unwrap();
    file.set_modified(modified).unwrap();
    assert_ne!(tag(), first);
    assert_eq!(site.ask(&format!("GET /digits.txt\nIf-None-Match: {first}")).status, 200);
    assert_eq!(site.ask(&format!("GET /digits.txt\nIf-Match: {first}")).status, 412);
}

#[test]
fn not_modified_has_its_tag_and_no_body() {
    let site = Site::new();
    for method in ["GET", "HEAD"] {
        let response = site.ask(&format!("{method} /digits.txt\nIf-None-Match: *\nRange: bytes=99-"));
        assert_eq!((response.status, response.length()), (304, 0));
        assert!(response.value("etag").is_some() && response.value("content-range").is_none());
        assert_eq!(response.value("cache-control"), Some("no-cache"));
    }
}

#[test]
fn files_of_any_age_have_a_date() {
    let site = Site::new();
    let file = File::options().write(true).open(site.path("empty")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH - Duration::from_secs(9)).unwrap();
    assert_eq!(site.ask("GET /empty").value("last-modified"), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
    file.set_modified(SystemTime::now() + Duration::from_hours(240)).unwrap();
    let date = site.ask("GET /empty").value("last-modified").map(httpdate::parse_http_date);
    assert!(date.is_some_and(|date| date.is_ok_and(|date| date <= SystemTime::now())));
    assert_eq!(site.get("/").0, 200);
}

#[test]
fn ranges_are_cut_out_of_small_and_large_files() {
    let site = Site::new();
    let etag = site.ask("GET /digits.txt").value("etag").unwrap().to_owned();
    let table = [
        ("Range: bytes=2-4".to_owned(), 206, "234", Some("bytes 2-4/10")),
        ("Range: bytes=-1".to_owned(), 206, "9", Some("bytes 9-9/10")),
        ("Range: bytes=0-".to_owned(), 206, "0123456789", Some("bytes 0-9/10")),
        ("Range: bytes=10-".to_owned(), 416, "", Some("bytes */10")),
        ("Range: bytes=0-1,3-4".to_owned(), 200, "0123456789", None),
        ("Range: bytes=0-1\nRange: bytes=0-1".to_owned(), 200, "0123456789", None),
        ("Range: junk".to_owned(), 200, "0123456789", None),
        (format!("Range: bytes=1-1\nIf-Range: {etag}"), 206, "1", Some("bytes 1-1/10")),
        ("Range: bytes=1-1\nIf-Range: \"x\"".to_owned(), 200, "0123456789", None),
        ("Range: bytes=10-\nIf-Range: \"x\"".to_owned(), 200, "0123456789", None),
    ];
    for (headers, status, text, range) in table {
        let response = site.ask(&format!("GET /digits.txt\n{headers}"));
        assert_eq!((response.status, response.value("content-range")), (status, range), "{headers}");
        if status != 416 {
            assert_eq!(response.body(), text.as_bytes(), "{headers}");
            assert!(response.value("etag") == Some(&etag) && response.value("content-type").is_some());
        }
    }
    let head = site.ask("HEAD /digits.txt\nRange: bytes=2-4");
    assert_eq!((head.status, head.length(), head.value("content-range")), (200, 10, None));
    let large = site.ask("GET /big\nRange: bytes=1-39998");
    assert_eq!((large.status, large.body().len()), (206, 39_998));
    assert_eq!(site.ask("GET /empty\nRange: bytes=0-").value("content-range"), Some("bytes */0"));
}

#[test]
fn a_folder_gets_its_slash() {
    let site = Site::new();
    let table = [
        ("/sub", "/sub/"),
        ("/sub?a=//b", "/sub/?a=//b"),
        ("//sub", "/sub/"),
        ("/link/deep", "/link/deep/"),
        ("//evil.example/..//sub", "/sub/"),
        ("/sub/.", "/sub/"),
        ("/sub/deep%2f", "/sub/deep/"),
        ("/sub/..", "/"),
        ("/page", "/page/"),
    ];
    for (path, location) in table {
        let response = site.ask(&format!("GET {path}"));
        assert_eq!((response.status, response.value("location")), (301, Some(location)), "{path}");
    }
}

#[test]
fn a_folder_is_its_index_or_its_listing_or_a_secret() {
    let site = Site::new();
    let head = head("GET /sub/ HTTP/1.1\nHost: h");
    let secret = site.files.answer(&head, "/sub/", Folders::Secret);
    assert_eq!((secret.status, secret.value("www-authenticate")), (401, Some("Bearer")));
    assert!(String::from_utf8(secret.body()).unwrap().contains("needs the security token"));
    assert_eq!(site.files.answer(&head, "/page/", Folders::Secret).status, 200);
    assert_eq!(site.files.answer(&head, "/nowhere/", Folders::Secret).status, 404);
    assert_eq!(site.files.answer(&head, "/page/", Folders::Hidden).status, 200);
    assert_eq!(site.files.answer(&head, "/sub/", Folders::Hidden).status, 404);
    let page = site.ask("GET /page/");
    assert_eq!((page.value("content-type"), page.body().as_slice()), (Some("text/html; charset=utf-8"), &b"<p>"[..]));
    let (status, text) = site.get("/sub/");
    assert!(status == 200 && text.contains("<h1>/sub/</h1>") && text.contains("href=\"deep/\""), "{text}");
    assert!(text.contains("href=\"../\""));
    assert!(site.get("/odd/").1.contains("href=\"index.html/\""));
    let (_, root) = site.get("/");
    assert!(!root.contains("../") && root.contains("href=\"a%20b%25.js\"") && !root.contains("\"out\""), "{root}");
}

#[test]
fn a_file_that_may_not_be_read_is_403() {
    use std::os::unix::fs::PermissionsExt;
    let table = [
        (Errno::ACCESS, 403, None),
        (Errno::MFILE, 503, Some("1")),
        (Errno::NFILE, 503, Some("1")),
        (Errno::NAMETOOLONG, 404, None),
        (Errno::LOOP, 404, None),
        (Errno::NOTDIR, 404, None),
        (Errno::NXIO, 404, None),
        (Errno::IO, 500, None),
    ];
    for (errno, status, retry) in table {
        let response = refuse(&errno.into());
        assert_eq!((response.status, response.value("retry-after")), (status, retry), "{errno}");
    }
    let site = Site::new();
    fs::set_permissions(site.path("empty"), fs::Permissions::from_mode(0o000)).unwrap();
    // root may read everything.
    let status = if rustix::process::geteuid().is_root() { 200 } else { 403 };
    assert_eq!(site.get("/empty").0, status);
}

#[test]
fn a_pipe_does_not_hold_the_thread() {
    let site = Site::new();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, site.path("fifo"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    symlink("fifo", site.path("pipe")).unwrap();
    let begin = std::time::Instant::now();
    assert_eq!((site.get("/fifo").0, site.get("/pipe").0, site.get("/fifo/").0), (404, 404, 404));
    assert!(begin.elapsed() < Duration::from_secs(5));
}

const PATHS: &str = "/(/|//|\\.\\.|\\.|%2e|%2E%2e|%2f|%5c|\\\\|%00|%252e|up|out|slash|link|sub|deep|root2|secret|root|\
                     etc/passwd|digits\\.txt|tmp|proc/self/environ){0,12}";

#[test]
fn no_path_leads_outside() {
    let site = Site::new();
    let outside = fs::read("/etc/passwd").unwrap();
    proptest!(ProptestConfig::with_cases(3_000), |(path in PATHS, slash in proptest::bool::ANY)| {
        let slash = if slash { "/" } else { "" };
        let response = site.ask(&format!("GET {path}{slash}"));
        prop_assert!(matches!(response.status, 200 | 301 | 404), "{} for {}", response.status, path);
        let body = response.body();
        prop_assert!(!body.starts_with(b"SECRET") && body != outside, "{}", path);
        // A listing of anything else would show what lies beside the root.
        prop_assert!(!String::from_utf8_lossy(&body).contains("href=\"root2/\""), "{}", path);
        if let Some(location) = response.value("location") {
            prop_assert!(location.starts_with('/') && !location.starts_with("//"), "{}", location);
        }
    });
}
