//! The Ansys installation's own web pages: `/ansys/…` and `/ansys###/…`, over the files being served.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use crate::net::http::files::{Files, Folders, UrlPath};
use crate::net::http::request::Head;
use crate::net::http::response::Response;

const ANSYS: &str = "ansys";
const NEXUS: &str = "nexus";

/// All files that are served: those of the directory, and those of the installation laid over them.
#[derive(Debug)]
pub struct Site {
    directory: Files,
    /// `{root}/ansys`.
    plain: Option<Files>,
    /// `ansys###` folders by the digits of their names.
    numbered: BTreeMap<Release, Files>,
}

/// The digits behind a name, ordered as numbers. Kept as text too: `ansys0261` is not `ansys261`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Release(u32, String);

impl Site {
    /// Serves `directory`, and what there is now of web pages below `install_root`.
    ///
    /// # Errors
    /// A sentence that says why `directory` cannot be served. An installation without web pages is none.
    pub fn open(directory: &Path, install_root: Option<&Path>) -> Result<Self, String> {
        let directory = Files::new(directory)?;
        let Some(root) = install_root else {
            return Ok(Self { directory, plain: None, numbered: BTreeMap::new() });
        };
        Ok(Self { directory, plain: folder(&root.join(ANSYS)), numbered: numbered(root) })
    }

    /// Answers a request for a file, wherever it lies.
    pub fn answer(&self, head: &Head, allow_listing: bool) -> Response {
        let folders = if allow_listing { Folders::Listed } else { Folders::Secret };
        let path = UrlPath::parse(&head.path);
        let mounted = path.as_ref().and_then(|path| {
            let (first, below) = path.split_first();
            Some((self.tree(std::str::from_utf8(first).ok()?)?, below))
        });
        match mounted {
            Some((files, below)) => files.answer_at(head, &below, folders),
            None => self.directory.answer(head, &head.path, folders),
        }
    }

    /// The installation's tree behind the first segment of a path.
    fn tree(&self, first: &str) -> Option<&Files> {
        match first.strip_prefix(ANSYS)? {
            "" => self.plain.as_ref().or_else(|| self.numbered.values().next_back()),
            digits => self.numbered.get(&Release::parse(digits)?),
        }
    }
}

impl Release {
    fn parse(digits: &str) -> Option<Self> {
        let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        Some(Self(digits.parse().ok().filter(|_| all_digits)?, digits.to_owned()))
    }

    fn of(name: &OsStr, prefix: &str) -> Option<Self> {
        Self::parse(name.to_str()?.strip_prefix(prefix)?)
    }
}

/// Every `ansys###`: that in the root itself, else in the `nexus###` of the same number, else in the newest.
fn numbered(root: &Path) -> BTreeMap<Release, Files> {
    let mut found = folders(root, ANSYS);
    let nexus: Vec<_> = folders(root, NEXUS)
        .into_keys()
        .map(|nexus| (folders(&root.join(format!("{NEXUS}{}", nexus.1)), ANSYS), nexus))
        .collect();
    for (inside, nexus) in &nexus {
        if let Some(files) = inside.get(nexus) {
            found.entry(nexus.clone()).or_insert_with(|| files.clone());
        }
    }
    for (inside, _) in nexus.into_iter().rev() {
        for (release, files) in inside {
            found.entry(release).or_insert(files);
        }
    }
    found
}

/// The folders in `path` whose names are `prefix` and digits.
fn folders(path: &Path, prefix: &str) -> BTreeMap<Release, Files> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => {
            log::warn!("cannot look for web pages in {}: {error}", path.display());
            return BTreeMap::new();
        }
    };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| Some((Release::of(&entry.file_name(), prefix)?, folder(&entry.path())?)))
        .collect()
}

fn folder(path: &Path) -> Option<Files> {
    Files::new(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::http::request::head_for_test;

    /// Makes `files` below a new folder, each holding its own name.
    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for name in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        root
    }

    fn get(site: &Site, path: &str) -> (u16, String) {
        let head = head_for_test(&format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let response = site.answer(&head, true);
        let text = match response.status {
            200 => String::from_utf8(response.body()).unwrap(),
            _ => response.value("location").unwrap_or_default().to_owned(),
        };
        (response.status, text)
    }

    /// Which file of an installation answers for a path.
    fn check(installation: &[&str], table: &[(&str, &str)]) {
        let root = tree(installation);
        let directory = tree(&["ansys/f", "ansys252/f", "ansys999/f", "nexus261/f", "f"]);
        let site = Site::open(directory.path(), Some(root.path())).unwrap();
        for &(path, file) in table {
            let expected = if file.is_empty() { (404, String::new()) } else { (200, file.to_owned()) };
            assert_eq!(get(&site, path), expected, "{path} in {installation:?}");
        }
    }

    #[test]
    fn web_pages_come_from_the_installation_first() {
        check(
            &["ansys/p", "ansys251/o", "ansys261/n", "nexus271/ansys271/x"],
            &[
                ("/ansys/p", "ansys/p"),
                ("/ansys/n", ""),
                ("/ansys/f", ""),
                ("/ansys251/o", "ansys251/o"),
                ("/ansys261/n", "ansys261/n"),
                ("//ansys261//n", "ansys261/n"),
                ("/ansys%32%361/n", "ansys261/n"),
                ("/x/../ansys261/n", "ansys261/n"),
                ("/ansys271/x", "nexus271/ansys271/x"),
                ("/ansys252/f", "ansys252/f"),
                ("/ansys999/f", "ansys999/f"),
                ("/ansys0261/n", ""),
                ("/ansys261/../f", "f"),
                ("/ansys261/../../f", ""),
                ("/nexus261/f", "nexus261/f"),
                ("/f", "f"),
            ],
        );
    }

    #[test]
    fn without_a_plain_folder_the_newest_number_answers() {
        check(&["ansys99/f", "ansys251/f", "ansys1000/g"], &[("/ansys/g", "ansys1000/g"), ("/ansys/f", "")]);
        check(&["ansys251/f"], &[("/ansys/f", "ansys251/f")]);
        check(&["ansys251/f", "nexus261/ansys261/g"], &[("/ansys/g", "nexus261/ansys261/g")]);
    }

    #[test]
    fn folders_one_level_down_are_found() {
        let same = "nexus251/ansys251/f";
        check(&[same, "nexus261/ansys251/f"], &[("/ansys251/f", same), ("/ansys/f", same)]);
        check(&["nexus252/ansys251/f", "nexus261/ansys251/g"], &[("/ansys251/g", "nexus261/ansys251/g")]);
        check(&["ansys251/g", same], &[("/ansys251/g", "ansys251/g"), ("/ansys251/f", "")]);
    }

    #[test]
    fn without_web_pages_the_directory_answers() {
        let table = [("/ansys/f", "ansys/f"), ("/ansys252/f", "ansys252/f")];
        check(&["bin/ensight", "ansysx/f", "ansys-261/f", "nexus261/ansys/f", "ansys99999999999/f"], &table);
        let directory = tree(&["ansys/f"]);
        for root in [None, Some(Path::new("/nowhere"))] {
            let site = Site::open(directory.path(), root).unwrap();
            assert_eq!(get(&site, "/ansys/f"), (200, "ansys/f".to_owned()));
        }
        assert!(Site::open(Path::new("/nowhere"), None).unwrap_err().contains("/nowhere"));
    }

    #[test]
    fn redirects_keep_the_prefix() {
        let root = tree(&["ansys261/nexus/f"]);
        let site = Site::open(root.path(), Some(root.path())).unwrap();
        for (path, location) in [
            ("/ansys261", "/ansys261/"),
            ("/ansys", "/ansys/"),
            ("/ansys/nexus?a=b", "/ansys/nexus/?a=b"),
            ("//ansys261//nexus", "/ansys261/nexus/"),
        ] {
            assert_eq!(get(&site, path), (301, location.to_owned()));
        }
        let (status, page) = get(&site, "/ansys/");
        assert!(status == 200 && page.contains("nexus/") && !page.contains("../"), "{page}");
    }
}
