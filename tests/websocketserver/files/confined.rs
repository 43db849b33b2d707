//! No path leads out of the folder, however it is spelled, and no redirect to another host.

use std::fs;
use std::os::unix::fs::symlink;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{OUTSIDE, site, site_with};
use crate::support::http;
use crate::support::stream::Conn;

#[test]
fn no_spelling_of_a_path_leaves_the_folder() {
    let site = site();
    let ups = [
        "..",
        "%2e%2e",
        ".%2e",
        "%2E.",
        "%2e%2E",
        "%252e%252e",
        "..%00",
        "..\\",
        "..%5c",
        "%c0%ae%c0%ae",
        "...",
        ".%20.",
    ];
    let slashes = ["/", "%2f", "%2F", "//", "/./", "\\", "%5c", "%252f", "%c0%af"];
    let mut conn = Conn::plain(site.server.http_port());
    let mut tried = 0;
    for up in ups {
        for slash in slashes {
            for prefix in ["/", "/sub/../", "/sub/", "//", "/./", "/hello.txt/", "/nothing/"] {
                for name in ["secret.txt", "web/../secret.txt", "../../../../../etc/passwd"] {
                    let target = format!("{prefix}{up}{slash}{up}{slash}{name}");
                    let answer = http::request(&mut conn, "GET", &target, &[]).unwrap();
                    assert_eq!(answer.status, 404, "{target}: {}", answer.text());
                    assert!(!answer.text().contains(OUTSIDE) && !answer.text().contains("root:"), "{target}");
                    tried += 1;
                }
            }
        }
    }
    for target in ["/..", "/../", "/../web/hello.txt", "/sub/../../web/hello.txt", "/../webby.txt", "/.../secret.txt"] {
        assert_eq!(http::request(&mut conn, "GET", target, &[]).unwrap().status, 404, "{target}");
    }
    for target in ["/hello.txt%00", "/hello.txt%00.html", "/%00", "/sub%00/page.html", "/hello.txt/"] {
        assert_eq!(http::request(&mut conn, "GET", target, &[]).unwrap().status, 404, "{target}");
    }
    assert!(tried > 1_000);
    assert_eq!(site.get("/hello.txt").text(), "the text of hello.txt");
}

#[test]
fn spellings_of_what_is_inside_are_folded() {
    let site = site();
    for target in [
        "/hello.txt",
        "//hello.txt",
        "/./hello.txt",
        "/sub/../hello.txt",
        "/sub/deep/../../hello.txt",
        "/%68ello%2Etxt",
        "/hello.txt?version=3",
        "/hello.txt?/../../x",
        "//sub//..//hello.txt",
    ] {
        let answer = site.get(target);
        assert_eq!((answer.status, answer.text().as_str()), (200, "the text of hello.txt"), "{target}");
    }
    assert_eq!(site.get("/").text(), "the text of index.html");
    assert_eq!(site.get("/with%20index/").text(), "the text of with index/index.html");
}

#[test]
fn links_out_of_the_folder_and_what_is_no_file_are_not_there() {
    let site = site_with(
        |web| {
            symlink("../secret.txt", web.join("out.txt")).unwrap();
            symlink("/etc", web.join("etc")).unwrap();
            symlink("..", web.join("up")).unwrap();
            symlink("/dev/zero", web.join("zero")).unwrap();
            symlink("round", web.join("round")).unwrap();
            symlink("hello.txt", web.join("inside.txt")).unwrap();
            symlink("sub", web.join("inside")).unwrap();
            mknodat(CWD, web.join("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
            std::os::unix::net::UnixListener::bind(web.join("socket")).unwrap();
        },
        &[],
    );
    for target in ["/out.txt", "/etc/passwd", "/etc/", "/up/secret.txt", "/up/", "/zero", "/round", "/fifo", "/socket"]
    {
        let answer = site.get(target);
        assert_eq!(answer.status, 404, "{target}");
        assert!(!answer.text().contains(OUTSIDE), "{target}");
    }
    assert_eq!(site.get("/inside.txt").text(), "the text of hello.txt");
    assert_eq!(site.get("/inside/page.html").text(), "the text of sub/page.html");
}

#[test]
fn folders_are_redirected_to_and_never_to_another_host() {
    let site = site_with(|web| fs::create_dir_all(web.join("evil.example/sub")).unwrap(), &[]);
    for (target, location) in [
        ("/sub", "/sub/"),
        ("/sub?a=b&c=%20", "/sub/?a=b&c=%20"),
        ("//sub", "/sub/"),
        ("/with%20index", "/with%20index/"),
        ("//evil.example/sub", "/evil.example/sub/"),
        ("///evil.example", "/evil.example/"),
        ("/%2fevil.example", "/evil.example/"),
        ("/.//evil.example", "/evil.example/"),
        ("/%2e/%2Fevil.example", "/evil.example/"),
    ] {
        let answer = site.get(target);
        assert_eq!((answer.status, answer.header("Location")), (301, Some(location)), "{target}");
    }
    for target in
        ["//evil.example/..", "/\\evil.example", "/%5cevil.example", "//evil.example/%2e%2e", "/sub%0d%0aX-Evil:1"]
    {
        let answer = site.get(target);
        let location = answer.header("Location").unwrap_or("/");
        assert!(!location.starts_with("//") && !location.starts_with("/\\"), "{target}: {location}");
        assert_eq!(answer.header("X-Evil"), None, "{target}");
    }
}
