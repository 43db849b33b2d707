//! Request paths, decoded and folded: the only form in which a path from outside reaches the file system.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// All but the unreserved characters of RFC 3986 section 2.3, so that a name can neither end a path segment nor be taken
/// for a scheme.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A path below some root: decoded once, without empty and dot segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlPath {
    /// Segments joined by single slashes, none in front and none behind; empty for the root.
    bytes: Vec<u8>,
    folder: bool,
}

impl UrlPath {
    /// Decodes and folds a path as it was sent. Slashes count after decoding, so that every spelling of a dot segment is
    /// one (RFC 3986 section 5.2.4); a backslash is an ordinary character. The empty path is the root.
    ///
    /// `None` is a path that cannot name anything: it leaves its root, holds a NUL, or begins without a slash.
    pub fn parse(encoded: &str) -> Option<Self> {
        if !encoded.is_empty() && !encoded.starts_with('/') {
            return None;
        }
        let mut bytes = Vec::with_capacity(encoded.len());
        let mut folder = true;
        let decoded: Vec<u8> = percent_decode_str(encoded).collect();
        if decoded.contains(&0) {
            return None;
        }
        for segment in decoded.split(|&byte| byte == b'/') {
            folder = matches!(segment, b"" | b"." | b"..");
            match segment {
                b"" | b"." => {}
                // Nothing above the root, not even on the way to something below it.
                b".." if bytes.is_empty() => return None,
                b".." => bytes.truncate(bytes.iter().rposition(|&byte| byte == b'/').unwrap_or(0)),
                _ => {
                    if !bytes.is_empty() {
                        bytes.push(b'/');
                    }
                    bytes.extend_from_slice(segment);
                }
            }
        }
        Some(Self { bytes, folder })
    }

    /// The first segment (empty for the root), and the path below it.
    pub fn split_first(&self) -> (&[u8], Self) {
        let slash = self.bytes.iter().position(|&byte| byte == b'/');
        let (first, rest) = match slash {
            Some(at) => (self.bytes.get(..at), self.bytes.get(at + 1..)),
            None => (Some(self.bytes.as_slice()), None),
        };
        let rest = Self { bytes: rest.unwrap_or_default().to_vec(), folder: self.folder || slash.is_none() };
        (first.unwrap_or_default(), rest)
    }

    /// Whether this is the root itself.
    pub fn is_root(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether only a folder can be meant, as behind a slash at the end.
    pub fn is_folder(&self) -> bool {
        self.folder
    }

    /// The same as a relative path of the file system.
    pub(super) fn relative(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.bytes))
    }

    /// The file of this name in this folder.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.relative().join(name)
    }

    /// For people: with a slash in front, and behind a folder.
    pub(super) fn display(&self) -> String {
        let behind = if self.folder && !self.is_root() { "/" } else { "" };
        format!("/{}{behind}", String::from_utf8_lossy(&self.bytes))
    }

    /// The URL path of this as a folder: one slash in front, one behind, never two.
    pub(super) fn to_folder_url(&self) -> String {
        let segments = self.bytes.split(|&byte| byte == b'/').filter(|segment| !segment.is_empty());
        let mut url = String::from("/");
        for segment in segments {
            url.extend(encode(segment));
            url.push('/');
        }
        url
    }
}

/// Percent-encodes one segment of a path.
pub(super) fn encode(segment: &[u8]) -> impl Iterator<Item = &str> {
    percent_encode(segment, SEGMENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folded(encoded: &str) -> Option<(String, bool)> {
        let path = UrlPath::parse(encoded)?;
        Some((String::from_utf8_lossy(&path.bytes).into_owned(), path.folder))
    }

    #[test]
    fn paths_are_decoded_once_and_folded() {
        let table = [
            ("", "", true),
            ("/", "", true),
            ("/a", "a", false),
            ("/a/b.txt", "a/b.txt", false),
            ("//a///b", "a/b", false),
            ("/a/", "a", true),
            ("/a%2Fb", "a/b", false),
            ("/a%2f", "a", true),
            ("/a/.", "a", true),
            ("/a/b/..", "a", true),
            ("/a/../b", "b", false),
            ("/a/b/../../c", "c", false),
            ("/a/%2e%2E/b", "b", false),
            ("/a%2f..%2fb", "b", false),
            ("/a%20b", "a b", false),
            ("/%252e%252e/b", "%2e%2e/b", false),
            ("/..%5c..%5cb", "..\\..\\b", false),
            ("/...", "...", false),
            ("/%zz%", "%zz%", false),
            ("/%ff", "\u{fffd}", false),
        ];
        for (encoded, bytes, folder) in table {
            assert_eq!(folded(encoded), Some((bytes.to_owned(), folder)), "{encoded}");
        }
    }

    #[test]
    fn paths_that_leave_the_root_are_none() {
        for encoded in [
            "/..",
            "/../a",
            "/a/../..",
            "/a/../../a",
            "/%2e%2e/a",
            "/.%2E/a",
            "/..%2fa",
            "/%2e%2e%2fa",
            "//../a",
            "/./../a",
            "/a%00b",
            "/%00",
            "*",
            "a",
        ] {
            assert_eq!(folded(encoded), None, "{encoded}");
        }
    }

    #[test]
    fn the_first_segment_comes_off() {
        let table = [("/a/b/c", "a", "b/c", false), ("/a", "a", "", true), ("/a/", "a", "", true), ("/", "", "", true)];
        for (encoded, first, rest, folder) in table {
            let path = UrlPath::parse(encoded).unwrap();
            let (name, below) = path.split_first();
            assert_eq!((name, below.bytes.as_slice(), below.folder), (first.as_bytes(), rest.as_bytes(), folder));
        }
    }

    #[test]
    fn folder_urls_are_encoded_and_never_begin_with_two_slashes() {
        let table = [
            ("/", "/"),
            ("///evil.example//x", "/evil.example/x/"),
            ("/%5cevil.example", "/%5Cevil.example/"),
            ("/%2f%2fevil.example", "/evil.example/"),
            ("/a%3fb%0d%0a c", "/a%3Fb%0D%0A%20c/"),
            ("/c:", "/c%3A/"),
        ];
        for (encoded, url) in table {
            assert_eq!(UrlPath::parse(encoded).unwrap().to_folder_url(), url);
        }
    }

    proptest! {
        #[test]
        fn no_spelling_keeps_a_dot_segment(encoded in "/(\\.|%2e|%2E|/|%2f|%5c|a|%00|%){0,24}") {
            if let Some(path) = UrlPath::parse(&encoded) {
                let plain = path.bytes.is_empty()
                    || path.bytes.split(|&byte| byte == b'/').all(|part| !matches!(part, b"" | b"." | b".."));
                prop_assert!(plain && !path.bytes.contains(&0), "{:?}", path);
                prop_assert_eq!(&UrlPath::parse(&path.to_folder_url()).unwrap().bytes, &path.bytes);
            }
        }
    }
}
