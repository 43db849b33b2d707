//! Services for a group of users.

use serde_json::{Value, json};

use super::{application_entry, stage};
use crate::support::http;
use crate::support::server::Server;
use crate::support::wait::DEADLINE;

const SECRET: &str = "s3cret-HELLO";
const GROUP: &str = "gr0up-HELLO";

/// A service of a group with a token, one without, one for everybody.
fn services() -> Value {
    let service = |group: &str, token: Option<&str>| {
        let mut entry = application_entry(9);
        entry["options"]["group"] = json!(group);
        if let Some(token) = token {
            entry["group_token"] = json!(token);
        }
        entry
    };
    json!({"Guarded": service("cfd", Some(GROUP)), "Open": service("cfd", None), "All": application_entry(9)})
}

#[track_caller]
fn check(server: &Server, secret: Option<&str>, cases: &[(&str, Option<&str>, u16)]) {
    for (service, token, status) in cases {
        let by_query = token.map(|token| format!("?security_token={token}")).unwrap_or_default();
        let answer = http::get(server.http_port(), &format!("/v1/reserve/{service}{by_query}"), &[]);
        assert_eq!(answer.status, *status, "{service} with {token:?}, secret {secret:?}: {}", answer.text());
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|value| ("Authorization", value.as_str())).collect();
        let answer = http::get(server.http_port(), &format!("/v1/reserve/{service}"), &headers);
        assert_eq!(answer.status, *status, "{service} with {token:?} as a header, secret {secret:?}");
    }
}

#[test]
fn without_a_security_token_a_group_is_guarded_by_its_own() {
    let stage = stage(&services(), &[]);
    let cases = [
        ("Guarded", None, 403),
        ("Guarded", Some("wrong"), 403),
        ("Guarded", Some(GROUP), 200),
        ("Open", None, 200),
        ("All", None, 200),
        ("All", Some(GROUP), 200),
    ];
    check(&stage.server, None, &cases);
    assert_eq!(stage.call("status").json()[1]["common_options"]["group"], "cfd");
    assert!(!stage.call("status").text().contains(GROUP) && !stage.server.log().contains(GROUP));
}

#[test]
fn the_security_token_opens_every_group_and_a_group_token_its_own_only() {
    let stage = stage(&services(), &["--security_token", SECRET]);
    let cases = [
        ("Guarded", None, 401),
        ("Guarded", Some("wrong"), 401),
        ("Guarded", Some(GROUP), 200),
        ("Guarded", Some(SECRET), 200),
        ("Open", Some(GROUP), 401),
        ("Open", Some(SECRET), 200),
        ("All", Some(GROUP), 401),
        ("All", None, 401),
        ("All", Some(SECRET), 200),
    ];
    check(&stage.server, Some(SECRET), &cases);
    assert_eq!(stage.call(&format!("status?security_token={GROUP}")).status, 401);
}

#[test]
fn a_group_that_nothing_guards_is_warned_about() {
    let warned = |args: &[&str]| {
        let stage = stage(&services(), args);
        stage.server.wait_log("listening on http", DEADLINE);
        let log = stage.server.log();
        let about = |name: &str| log.lines().any(|line| line.contains("WARN") && line.contains(&format!("'{name}'")));
        (about("Guarded"), about("Open"), about("All"))
    };
    assert_eq!(warned(&[]), (false, true, false));
    assert_eq!(warned(&["--security_token", SECRET]), (false, false, false));
}
