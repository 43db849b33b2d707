//! The shared secret of the REST API.

use crate::net::http::query;
use crate::net::http::request::Head;

/// The name of the secret in a query.
pub(super) const SECURITY_TOKEN: &str = "security_token";

/// Whether a request carries `secret`, in its query or as a bearer token. Without a secret each does.
pub(super) fn is_authorised(head: &Head, secret: Option<&str>) -> bool {
    let Some(secret) = secret else {
        return true;
    };
    let pairs = query::parse(head.query.as_deref().unwrap_or_default());
    let given = query::get(&pairs, SECURITY_TOKEN);
    [given, bearer(head)].into_iter().flatten().any(|token| same(token, secret))
}

/// The token of `Authorization: Bearer` (RFC 6750 section 2.1).
pub(super) fn bearer(head: &Head) -> Option<&str> {
    let header = head.header("authorization")?;
    // Browsers strip the space behind which nothing stands.
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Compares without telling by its time how much is right. The length is no secret.
pub(super) fn same(given: &str, secret: &str) -> bool {
    let differing = given.bytes().zip(secret.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    given.len() == secret.len() && std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::http::request::head_for_test;

    #[test]
    fn the_secret_is_taken_from_query_or_header() {
        let cases = [
            ("/v1/status", "", false),
            ("/v1/status?security_token=HELLO", "", true),
            ("/v1/status?security_token=HELL%4F", "", true),
            ("/v1/status?security_token=HELL", "", false),
            ("/v1/status?security_token=HELLOO", "", false),
            ("/v1/status?security_token=hello", "", false),
            ("/v1/status", "Authorization: Bearer HELLO\r\n", true),
            ("/v1/status", "authorization: bearer HELLO\r\n", true),
            ("/v1/status", "Authorization: Basic HELLO\r\n", false),
            ("/v1/status", "Authorization: Bearer\r\n", false),
        ];
        for (target, header, wanted) in cases {
            let head = head_for_test(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n{header}\r\n"));
            assert_eq!(is_authorised(&head, Some("HELLO")), wanted, "{target} {header}");
            assert!(is_authorised(&head, None));
        }
        assert_eq!(bearer(&head_for_test("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer\r\n\r\n")), Some(""));
    }
}
