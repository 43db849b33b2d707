//! Which pages may talk to this server. Browsers tell where a page comes from; other clients are trusted.

use super::request::{Head, without_port};

/// How a browser describes where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// No browser, or a page of this host (its port may differ).
    Same,
    /// A page of an origin that `--allow_origin` names.
    Allowed,
    /// A page of another site.
    Foreign,
}

/// Judges the caller by `Origin`, and by `Sec-Fetch-Site` where a browser sends no origin.
#[inline(never)] // off the stack when a target is chosen
pub fn caller(head: &Head, allowed: &[String]) -> Caller {
    match head.header("origin") {
        Some(origin) if is_named(origin, allowed) => Caller::Allowed,
        Some(origin) if is_same_host(origin, head.host()) => Caller::Same,
        Some(_) => Caller::Foreign,
        None if head.header("sec-fetch-site") == Some("cross-site") => {
            if allowed.iter().any(|origin| origin == "*") {
                Caller::Allowed
            } else {
                Caller::Foreign
            }
        }
        None => Caller::Same,
    }
}

fn is_named(origin: &str, allowed: &[String]) -> bool {
    allowed.iter().any(|name| name == "*" || name.eq_ignore_ascii_case(origin))
}

fn is_same_host(origin: &str, host: Option<&str>) -> bool {
    let origin_host = origin.split_once("://").map(|(_, authority)| without_port(authority));
    match (origin_host, host) {
        (Some(origin), Some(host)) => origin.eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// The origin to name in `Access-Control-Allow-Origin`, if the request has one.
pub fn named(head: &Head) -> Option<&str> {
    head.header("origin")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::http::request::head_for_test;

    #[test]
    fn callers_are_told_apart() {
        let named = vec!["https://adr.example".to_owned()];
        let any = vec!["*".to_owned()];
        let cases: &[(&str, &[String], Caller)] = &[
            ("", &[], Caller::Same),
            ("Origin: http://here:9000\r\n", &[], Caller::Same),
            ("Origin: http://HERE\r\n", &[], Caller::Same),
            ("Origin: http://there:8000\r\n", &[], Caller::Foreign),
            ("Origin: http://here.evil\r\n", &[], Caller::Foreign),
            ("Origin: null\r\n", &[], Caller::Foreign),
            ("Origin: null\r\n", &any, Caller::Allowed),
            ("Origin: https://adr.example\r\n", &named, Caller::Allowed),
            ("Origin: https://adr.example:444\r\n", &named, Caller::Foreign),
            ("Origin: http://there\r\n", &any, Caller::Allowed),
            ("Sec-Fetch-Site: cross-site\r\n", &[], Caller::Foreign),
            ("Sec-Fetch-Site: cross-site\r\n", &any, Caller::Allowed),
            ("Sec-Fetch-Site: same-site\r\n", &[], Caller::Same),
            ("Sec-Fetch-Site: none\r\n", &[], Caller::Same),
        ];
        for (headers, allowed, wanted) in cases {
            let head = head_for_test(&format!("GET / HTTP/1.1\r\nHost: here:8000\r\n{headers}\r\n"));
            assert_eq!(caller(&head, allowed), *wanted, "{headers}");
        }
    }

    #[test]
    fn an_ipv6_host_is_compared_with_its_brackets() {
        let head = head_for_test("GET / HTTP/1.1\r\nHost: [::1]:8000\r\nOrigin: http://[::1]:9\r\n\r\n");
        assert_eq!(caller(&head, &[]), Caller::Same);
        let other = head_for_test("GET / HTTP/1.1\r\nHost: [::1]:8000\r\nOrigin: http://[::2]:9\r\n\r\n");
        assert_eq!(caller(&other, &[]), Caller::Foreign);
    }
}
