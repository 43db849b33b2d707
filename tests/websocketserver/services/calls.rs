//! The calls of the REST API about services, to the letter.

use serde_json::{Value, json};

use super::{application, application_entry, greeting, stage};
use crate::support::backend::Backend;
use crate::support::http;
use crate::support::server::Server;
use crate::support::stream::Conn;
use crate::support::wait::{DEADLINE, eventually, spawn};
use crate::support::ws::{Frame, Ws};

const SECRET: &str = "s3cret-HELLO";

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_status_has_the_documented_shape_in_every_state() {
    let services = json!({
        "My App": {"command": super::application::command(), "count": 2, "options": {"mode": "listen", "sizes": [1, 2]}},
        "Other": application_entry(1),
    });
    let stage = stage(&services, &["--timeout", "100"]);
    let answer = stage.call("status");
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("application/json")));
    let free = |index: u32| {
        json!({"index": index, "token": "", "timestamp": 0.0, "options": {}, "state": "free", "connections": 0,
               "bytes_up": 0, "bytes_down": 0, "expires_in": null, "error": null})
    };
    let expected = json!([
        {"name": "My App", "instances": [free(0), free(1)], "common_options": {"mode": "listen", "sizes": [1, 2]}},
        {"name": "Other", "instances": [free(0)], "common_options": {"mode": "listen", "more": ""}},
    ]);
    assert_eq!(answer.json(), expected);

    let reserved = stage.call("reserve/My%20App?colour=dark%20red&empty=&mode=listen&security_token=nobodys");
    let reserved = reserved.json();
    assert_eq!(keys(&reserved), ["expires_in", "index", "service", "token"]);
    assert_eq!((&reserved["service"], &reserved["index"]), (&json!("My App"), &json!(0)));
    assert_eq!(reserved["expires_in"], 100.0);
    let token = reserved["token"].as_str().unwrap();
    let dashes: Vec<_> = token.match_indices('-').map(|(at, _)| at).collect();
    assert_eq!((token.len(), dashes.as_slice(), token.chars().nth(14)), (36, &[8, 13, 18, 23][..], Some('4')));

    let slot = stage.wait_state(0, "reserved");
    assert_eq!(slot["options"], json!({"colour": "dark red", "empty": "", "mode": "listen"}));
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!((now - slot["timestamp"].as_f64().unwrap()).abs() < 20.0);
    assert_eq!(stage.slots()[1], free(1));

    let mut ws = stage.open(token);
    let line = format!("pid {}\n", greeting(&mut ws));
    ws.send(&Frame::binary(*b"hello\n"));
    assert_eq!(ws.take_data(6), b"hello\n");
    let slot = stage.wait_state(0, "active");
    assert_eq!((keys(&slot), &slot["connections"]), (keys(&free(0)), &json!(1)));
    // A byte is counted once it is written, so it may be here before that.
    let bytes = || (stage.slots()[0]["bytes_up"].as_u64(), stage.slots()[0]["bytes_down"].as_u64());
    eventually(DEADLINE, "all bytes are counted", || bytes() == (Some(6), Some(line.len() as u64 + 6)));
    ws.close();
    stage.wait_clean();
    assert_eq!(stage.call("status").json(), expected);
}

#[test]
fn head_asks_and_changes_nothing() {
    let stage = stage(&application(1), &[]);
    let head = |path: &str| {
        let mut conn = Conn::plain(stage.server.http_port());
        http::request(&mut conn, "HEAD", &format!("/v1/{path}"), &[]).unwrap()
    };
    assert_eq!(head("status").status, 200);
    assert_eq!((head("reserve/App").status, stage.slots()[0]["state"].as_str()), (200, Some("free")));
    let token = stage.reserve("App");
    assert_eq!(head(&format!("release/{token}")).status, 200);
    assert_eq!(stage.wait_state(0, "reserved")["token"], *token);
}

#[test]
fn what_cannot_be_reserved_is_refused_with_a_reason() {
    let stage = stage(
        &json!({"App": application_entry(1), "Number": {
            "command": ["cat", "{port}", "{size}", "x{word}"], "count": 1,
            "options": {"size": 3, "word": "w", "on": true}}}),
        &[],
    );
    let long = format!("reserve/Number?word={}", "x".repeat(4_097));
    let cases = [
        ("reserve/Nothing", 404, "no service of this name"),
        ("reserve/app", 404, "no service of this name"),
        ("reserve/App%00", 404, "no service of this name"),
        ("reserve/%ff", 404, "no service of this name"),
        ("reserve/App/more", 404, "no service of this name"),
        ("reserve", 404, "no such call"),
        ("reserve/", 404, "no such call"),
        ("release/", 404, "no such call"),
        ("release/00000000-0000-4000-8000-000000000000", 404, "unknown, expired or released"),
        ("reserve/Number?size=big", 400, "'size' must be a number"),
        ("reserve/Number?size=NaN", 400, "'size' must be a number"),
        ("reserve/Number?size=-1", 400, "must not begin with '-'"),
        ("reserve/Number?on=yes", 400, "'on' must be true or false"),
        ("reserve/Number?word=a%0Ab", 400, "'word' must be text without control characters"),
        ("reserve/Number?word=a%00b", 400, "NUL"),
        (long.as_str(), 400, "longer than 4096 bytes"),
    ];
    for (path, status, told) in cases {
        let answer = stage.call(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert_eq!(keys(&answer.json()), ["error"]);
        assert!(answer.json()["error"].as_str().unwrap().contains(told), "{path}: {}", answer.text());
        assert_eq!(answer.reason, answer.json()["error"].as_str().unwrap(), "{path}: viewers show the reason phrase");
    }
    for service in 0..2 {
        assert_eq!(stage.slots_of(service)[0]["state"], "free", "a refusal takes no slot");
    }
    assert_eq!(stage.call("reserve/Number?size=-.5e1").status, 400);
    assert_eq!(stage.call("reserve/Number?size=2.5&word=-w&unknown=-x").status, 200);
}

#[test]
fn the_security_token_is_asked_for_and_never_kept_or_shown() {
    let stage = stage(&application(2), &["--security_token", SECRET, "--verbose", "3"]);
    let bearer = format!("Bearer {SECRET}");
    let with = |path: &str| http::get(stage.server.http_port(), path, &[("Authorization", &bearer)]);
    for path in ["status", "status_view", "reserve/App", "release/x", "reserve/App?security_token=wrong"] {
        assert_eq!(stage.call(path).status, 401, "{path}");
    }
    let reserved = stage.call(&format!("reserve/App?security_token={SECRET}&colour=red&security_token=again"));
    assert_eq!(reserved.status, 200);
    assert_eq!(with("/v1/reserve/App?x=1").status, 200);
    let status = with("/v1/status");
    assert_eq!(status.json()[0]["instances"][0]["options"], json!({"colour": "red"}));
    assert_eq!(status.json()[0]["instances"][1]["options"], json!({"x": "1"}));
    // A reservation's token is a proof of its own.
    let mut ws = stage.open(reserved.json()["token"].as_str().unwrap());
    let pid = greeting(&mut ws);
    let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let shown = [status.text(), with("/v1/status_view").text(), stage.server.log()];
    for text in shown.into_iter().chain([String::from_utf8_lossy(&environ).into_owned()]) {
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[test]
fn reservations_at_the_stop_get_a_token_or_the_reason() {
    let mut stage = stage(&application(900), &[]);
    let port = stage.server.http_port();
    let ask = move || {
        let mut conn = Conn::plain(port);
        std::iter::from_fn(|| http::request(&mut conn, "GET", "/v1/reserve/App", &[])).take(100_000).collect()
    };
    let clients: Vec<_> = (0..4).map(|_| spawn("client", ask)).collect();
    eventually(DEADLINE, "some have reservations", || stage.slots()[9]["state"] == "reserved");
    assert_eq!(stage.call("stop").json(), json!({"status": "stopping"}));
    let answers: Vec<http::Response> =
        clients.into_iter().flat_map(|client| -> Vec<_> { client.join().unwrap() }).collect();
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        let told = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(
            answer.status == 503 && (told == "the server is stopping" || told.starts_with("all 900")),
            "{answer:?}"
        );
    }
    assert!(stage.server.wait_exit(DEADLINE).success());
}

#[test]
fn tokens_come_by_query_or_cookie_and_the_fixed_target_works_beside_services() {
    let backend = Backend::echo();
    let args = backend.args();
    let stage = stage(&application(1), &args.each_ref().map(String::as_str));
    let token = stage.reserve("App");
    let open = |port, path: &str, cookie: &str| {
        Ws::open_with(Conn::plain(port), path, &[("Cookie", cookie), ("Sec-WebSocket-Protocol", "binary")])
    };
    let cookie = format!("a=b; token={token}; c=d");
    let mut pids = Vec::new();
    let mut kept = Vec::new();
    for port in [stage.server.ws_port(), stage.server.http_port()] {
        for (path, cookie) in [("/any/path".to_owned(), cookie.as_str()), (format!("/?x=1&token={token}"), "token=old")]
        {
            let mut ws = open(port, &path, cookie).unwrap();
            pids.push(greeting(&mut ws));
            kept.push(ws);
        }
    }
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
    for path in ["/", "/?token="] {
        let mut ws = open(stage.server.ws_port(), path, "token=left-over").unwrap();
        ws.send(&Frame::binary(*b"fixed"));
        assert_eq!(ws.take_data(5), b"fixed");
    }
    let refusal = open(stage.server.ws_port(), "/?token=unknown", &cookie).unwrap_err();
    assert_eq!((refusal.status, refusal.reason.as_str()), (403, "the token is unknown, expired or released"));
}

#[test]
fn services_that_cannot_be_reserved_for_want_of_an_http_port_are_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("services.json");
    std::fs::write(&config, application(1).to_string()).unwrap();
    let server = Server::start(&["--remote_session_config".as_ref(), config.as_os_str()]);
    server.wait_log("without --http_directory", DEADLINE);
}
