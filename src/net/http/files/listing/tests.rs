use std::os::unix::fs::symlink;

use super::super::tests::head;
use super::*;

fn entry(name: &str, folder: bool, size: u64, modified: i64) -> Entry {
    Entry { name: name.as_bytes().to_vec(), folder, size, modified }
}

fn sorted(query: &str) -> String {
    let mut entries = [
        entry("b", false, 1, 3),
        entry("z", true, 0, 9),
        entry("a", false, 2, 2),
        entry("y", true, 7, 8),
        entry("c", false, 2, 1),
    ];
    Order::asked(query).sort(&mut entries);
    entries.iter().map(|entry| String::from_utf8_lossy(&entry.name)).collect()
}

#[test]
fn folders_come_first_in_every_order() {
    let table = [
        ("", "yzabc"),
        ("sort=name", "yzabc"),
        ("sort=junk", "yzabc"),
        ("order=desc", "zycba"),
        ("sort=size", "yzbac"),
        ("sort=size&order=desc", "yzacb"),
        ("sort=time", "yzcab"),
        ("x=1&sort=time&order=desc", "zybac"),
    ];
    for (query, names) in table {
        assert_eq!(sorted(query), names, "{query}");
    }
}

#[test]
fn sizes_are_for_people() {
    let table = [
        (0, "0 B"),
        (1_023, "1023 B"),
        (1_024, "1.0 KiB"),
        (1_536, "1.5 KiB"),
        (1_048_575, "1023.9 KiB"),
        (3 << 30, "3.0 GiB"),
        (u64::MAX, "15.9 EiB"),
    ];
    for (bytes, text) in table {
        assert_eq!(human_size(bytes), text);
    }
}

#[test]
fn nothing_in_a_name_or_a_query_becomes_markup() {
    let evil = "\"><script>alert('x')</script>&amp;";
    let page = print(&[entry(evil, false, 1, 0), entry(evil, true, 0, 0)], Order::asked(""), evil, evil, true);
    assert!(!page.contains("<script") && !page.contains("'x'"), "{page}");
    assert_eq!(page.matches("<h1>&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;</h1>").count(), 1);
    assert_eq!(page.matches("href=\"%22%3E%3Cscript%3Ealert%28%27x%27%29%3C%2Fscript%3E%26amp%3B").count(), 2);
}

#[test]
fn links_lead_to_the_very_name() {
    let names = ["a b", "100%", "c:", "q?#", "..hidden", "ünï", "back\\slash", "//"];
    for name in names {
        let page = print(&[entry(name, true, 0, 0)], Order::asked(""), "", "/", false);
        let link = page.split("<tr><td><a href=\"").nth(1).unwrap().split('"').next().unwrap();
        let decoded = percent_encoding::percent_decode_str(link.strip_suffix('/').unwrap()).decode_utf8().unwrap();
        assert_eq!(decoded, name);
        assert!(!link.contains([':', '?', '#', '\\', ' ']) && !link.contains("//"), "{link}");
    }
}

#[test]
fn headers_sort_and_links_to_folders_keep_the_query() {
    let query = "security_token=a%26b&sort=size&order=desc";
    let page = print(&[entry("d", true, 0, 0), entry("f", false, 0, 0)], Order::asked(query), query, "/", true);
    for expected in [
        "<a href=\"?security_token=a%26b&amp;sort=name\">Name</a></th>",
        "aria-sort=\"descending\"><a href=\"?security_token=a%26b&amp;sort=size\">Size</a> ↓",
        "<a href=\"d/?security_token=a%26b&amp;sort=size&amp;order=desc\">",
        "<a href=\"../?security_token=a%26b&amp;sort=size&amp;order=desc\">../</a>",
        "<a href=\"f\">",
    ] {
        assert!(page.contains(expected), "{expected}\n{page}");
    }
    let page = print(&[], Order::asked("sort=time"), "sort=time", "/", false);
    assert!(page.contains("aria-sort=\"ascending\"><a href=\"?sort=time&amp;order=desc\">") && !page.contains("../"));
}

#[test]
fn only_what_would_be_served_is_listed() {
    let all = tempfile::tempdir().unwrap();
    let root = all.path().canonicalize().unwrap().join("root");
    fs::create_dir(&root).unwrap();
    fs::write(all.path().join("secret"), "").unwrap();
    fs::write(root.join("file"), "12345").unwrap();
    fs::create_dir(root.join("folder")).unwrap();
    for (target, link) in [
        ("file", "near"),
        ("folder", "also"),
        ("../secret", "out"),
        ("..", "up"),
        ("gone", "dangling"),
        ("fifo", "pipe"),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(rustix::fs::CWD, root.join("fifo"), FileType::Fifo, mode, 0).unwrap();
    let (mut entries, complete) = read(&root, &root, &File::open(&root).unwrap()).unwrap();
    Order::asked("").sort(&mut entries);
    let seen: Vec<_> =
        entries.iter().map(|e| (String::from_utf8_lossy(&e.name), e.folder, e.folder || e.size == 5)).collect();
    let expected = [("also", true), ("folder", true), ("file", false), ("near", false)];
    assert_eq!(seen, expected.map(|(name, folder)| (name.into(), folder, true)));
    assert!(complete);
}

#[test]
fn a_huge_folder_is_listed_in_part() {
    let root = tempfile::tempdir().unwrap();
    let head = head("GET / HTTP/1.1\nHost: h");
    let list = || page(root.path(), root.path(), &File::open(root.path()).unwrap(), &head, "/").unwrap();
    for number in 0..MAX_ENTRIES {
        File::create(root.path().join(number.to_string())).unwrap();
    }
    assert!(!list().contains("there are more"));
    File::create(root.path().join("one-more")).unwrap();
    let page = list();
    assert!(page.contains("there are more") && page.ends_with("</html>\n"));
    assert_eq!(page.matches("<tr><td>").count(), MAX_ENTRIES);
}
