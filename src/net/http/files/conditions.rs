//! Validators of a file, and the request headers that compare them (RFC 9110 sections 8.8 and 13).

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::super::request::Head;

/// The last second that an HTTP date can say, 9999-12-31 23:59:59.
const LAST_SECOND: u64 = 253_402_300_799;

/// What tells one state of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Validators {
    /// Strong, with its quotes: every write moves the modification time, in nanoseconds.
    pub(super) etag: String,
    /// In whole seconds, as HTTP dates are.
    pub(super) modified: SystemTime,
}

/// What the conditions of a request make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Answer as if there were none.
    GoOn,
    /// 304: the client has this state.
    NotModified,
    /// 412: it is not the state that the client wants.
    Failed,
}

impl Validators {
    /// Of the file as it is now.
    pub(super) fn of(metadata: &Metadata) -> Self {
        let (seconds, nanos) = (metadata.mtime(), metadata.mtime_nsec());
        // A file from the future is as new as the answer (RFC 9110 section 8.8.2.1).
        let modified = date(seconds).min(whole_seconds(SystemTime::now()));
        Self { etag: format!("\"{seconds:x}.{nanos:x}-{:x}-{:x}\"", metadata.size(), metadata.ino()), modified }
    }

    /// Evaluates the conditions in the order of RFC 9110 section 13.2.2. A date that cannot be read is no condition.
    pub(super) fn check(&self, head: &Head) -> Verdict {
        let wanted = self.listed(head, "if-match", Strength::Strong).or_else(|| {
            let date = header_date(head, "if-unmodified-since")?;
            Some(self.modified <= date)
        });
        if wanted == Some(false) {
            return Verdict::Failed;
        }
        let known = self.listed(head, "if-none-match", Strength::Weak).or_else(|| {
            let date = header_date(head, "if-modified-since")?;
            Some(self.modified <= date)
        });
        if known == Some(true) { Verdict::NotModified } else { Verdict::GoOn }
    }

    /// Whether a range may be sent: there is no If-Range, or it names this state, by strong comparison or by the very
    /// date (RFC 9110 section 13.1.5).
    pub(super) fn allows_range(&self, head: &Head) -> bool {
        match head.header("if-range") {
            None => true,
            Some(value) if value.contains('"') => value.trim() == self.etag,
            Some(value) => httpdate::parse_http_date(value.trim()).is_ok_and(|date| date == self.modified),
        }
    }

    /// Whether the header's list has our entity tag; `None` without the header.
    fn listed(&self, head: &Head, name: &str, strength: Strength) -> Option<bool> {
        head.header(name)?;
        Some(head.headers(name).any(|value| list_has(value, &self.etag, strength)))
    }
}

/// RFC 9110 section 8.8.3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strength {
    Strong,
    Weak,
}

/// Whether a list of entity tags has `own`, a strong one; `*` has every one. What follows a malformed element is not read.
fn list_has(list: &str, own: &str, strength: Strength) -> bool {
    if list.trim() == "*" {
        return true;
    }
    let mut rest = list;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (weak, quoted) = match rest.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        // A comma may stand inside the quotes, so the list cannot be split at commas.
        let Some(length) = quoted.strip_prefix('"').and_then(|opaque| opaque.find('"')) else {
            return false;
        };
        let (tag, after) = quoted.split_at(length + 2);
        if tag == own && !(weak && strength == Strength::Strong) {
            return true;
        }
        rest = after;
    }
}

fn header_date(head: &Head, name: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(head.header(name)?.trim()).ok()
}

/// A time that an HTTP date can say: `httpdate` panics before 1970 and after 9999.
pub(super) fn date(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0).min(LAST_SECOND))
}

fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs().min(LAST_SECOND))
}

#[cfg(test)]
mod tests {
    use super::super::tests::head;
    use super::*;

    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const EXACT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn validators() -> Validators {
        Validators { etag: "\"a,b\"".to_owned(), modified: httpdate::parse_http_date(EXACT).unwrap() }
    }

    fn verdict(headers: &str) -> Verdict {
        validators().check(&head(&format!("GET / HTTP/1.1\nHost: h\n{headers}")))
    }

    #[test]
    fn lists_of_entity_tags_are_compared() {
        let table = [
            ("\"a,b\"", true, true),
            ("W/\"a,b\"", false, true),
            ("\"x\", W/\"y\",, \"a,b\"", true, true),
            ("\"x\"\t,W/\"a,b\" , \"z\"", false, true),
            ("*", true, true),
            (" * ", true, true),
            ("\"x\", *", false, false),
            ("\"a\"", false, false),
            ("a,b", false, false),
            ("\"a,b", false, false),
            ("junk, \"a,b\"", false, false),
            ("w/\"a,b\"", false, false),
            ("", false, false),
        ];
        for (list, strong, weak) in table {
            assert_eq!(list_has(list, "\"a,b\"", Strength::Strong), strong, "{list} strong");
            assert_eq!(list_has(list, "\"a,b\"", Strength::Weak), weak, "{list} weak");
        }
    }

    #[test]
    fn conditions_are_evaluated_in_the_order_of_the_rfc() {
        use Verdict::{Failed, GoOn, NotModified};
        let table = [
            (String::new(), GoOn),
            ("If-None-Match: \"a,b\"".to_owned(), NotModified),
            ("If-None-Match: W/\"a,b\"".to_owned(), NotModified),
            ("If-None-Match: \"x\"\nIf-None-Match: \"a,b\"".to_owned(), NotModified),
            ("If-None-Match: *".to_owned(), NotModified),
            (format!("If-None-Match: \"x\"\nIf-Modified-Since: {AFTER}"), GoOn),
            (format!("If-Modified-Since: {BEFORE}"), GoOn),
            (format!("If-Modified-Since: {EXACT}"), NotModified),
            (format!("If-Modified-Since: {AFTER}"), NotModified),
            ("If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT".to_owned(), NotModified),
            ("If-Modified-Since: yesterday".to_owned(), GoOn),
            ("If-Match: \"a,b\"".to_owned(), GoOn),
            ("If-Match: *".to_owned(), GoOn),
            ("If-Match: W/\"a,b\"".to_owned(), Failed),
            ("If-Match: \"x\"\nIf-None-Match: \"a,b\"".to_owned(), Failed),
            ("If-Match: \"a,b\"\nIf-None-Match: \"a,b\"".to_owned(), NotModified),
            (format!("If-Match: \"a,b\"\nIf-Unmodified-Since: {BEFORE}"), GoOn),
            (format!("If-Unmodified-Since: {BEFORE}"), Failed),
            (format!("If-Unmodified-Since: {EXACT}"), GoOn),
            ("If-Unmodified-Since: junk".to_owned(), GoOn),
        ];
        for (headers, expected) in table {
            assert_eq!(verdict(&headers), expected, "{headers}");
        }
    }

    #[test]
    fn a_range_needs_the_very_state_that_if_range_names() {
        let allows =
            |value: &str| validators().allows_range(&head(&format!("GET / HTTP/1.1\nHost: h\nIf-Range: {value}")));
        assert!(validators().allows_range(&head("GET / HTTP/1.1\nHost: h")));
        assert!(allows("\"a,b\"") && allows(EXACT));
        for value in ["W/\"a,b\"", "\"x\"", BEFORE, AFTER, "junk", "*", ""] {
            assert!(!allows(value), "{value}");
        }
    }

    #[test]
    fn times_that_http_cannot_say_are_brought_into_reach() {
        for (seconds, text) in [
            (-1, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (i64::MIN, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, EXACT),
            (i64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(httpdate::fmt_http_date(date(seconds)), text);
        }
    }
}
