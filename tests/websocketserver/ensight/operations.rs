//! What each operation answers, beyond what the real clients ask (see ../../ensight/drive.py).

use serde_json::{Value, json};

use crate::support::ensight::{EnSight, Place, SECRET, Site, Transport};
use crate::support::http::{self, Response};
use crate::support::stream::Conn;

fn site() -> (Site, EnSight) {
    let site = Place::new(Transport::Tcp).serve();
    let ensight = site.place.start(&[]);
    (site, ensight)
}

/// The text of an error of Python's.
#[track_caller]
fn error(answer: &Response) -> String {
    assert_eq!(answer.status, 400, "{}", answer.text());
    answer.json()["error"].as_str().expect("a text").to_owned()
}

#[test]
fn a_list_of_statements_ends_at_the_first_that_fails() {
    let (site, _ensight) = site();
    let answer = site.put("/exec", &json!(["first = 1", "for _ in range(3):\n    first += 1", "1 / 0", "last = 1"]));
    assert!(error(&answer).contains("ZeroDivisionError"), "{}", answer.text());
    assert_eq!(site.eval("[first, 'last' in globals()]"), json!([4, false]));
    assert_eq!(site.put("/exec", &json!([])).status, 200);
    assert_eq!(site.put("/exec", &json!("")).status, 200);
}

#[test]
fn expressions_of_every_shape_have_a_value() {
    let (site, _ensight) = site();
    for (expression, value) in [
        (" 1 +\n 2", json!(3)),
        ("6 * 7 # with a comment", json!(42)),
        ("1, 'two', (3.5, None)", json!([1, "two", [3.5, null]])),
        ("{1: True, 'a': {2.5}}", json!({ "1": true, "a": [2.5] })),
        ("'ü\\u2028\\U0001f600\\x00\"\\\\'", json!("ü\u{2028}\u{1f600}\0\"\\")),
        ("ensight.objs.core.PARTS", json!(["@ENSOBJ=1022@", "@ENSOBJ=1078@"])),
        ("{'part': [[ensight.objs.wrap_id(1022)]]}", json!({ "part": [["@ENSOBJ=1022@"]] })),
        ("ensight.objs.core.find", Value::Null),
        ("__import__('enum').IntEnum('Shade', 'DARK').DARK", json!(1)),
        ("2 ** 70", serde_json::from_str("1180591620717411303424").unwrap()),
    ] {
        if value.is_null() {
            error(&site.put("/eval", &json!(expression)));
        } else {
            assert_eq!(site.eval(expression), value, "{expression}");
        }
    }
    // What JSON has no word for is an error, or nothing; never an answer that is no JSON.
    assert_eq!(site.eval("[float('nan'), float('inf')]"), json!([null, null]));
    for expression in ["object()", "b'bytes'", "len", "", "a = 1", "1)", "(1", "(", "import os"] {
        error(&site.put("/eval", &json!(expression)));
    }
}

#[test]
fn objects_are_answered_as_asked() {
    let (site, _ensight) = site();
    let parts = |returns: &str| site.put(&format!("/eval?returns={returns}"), &json!("ensight.objs.core.PARTS")).json();
    assert_eq!(parts("ENSOBJ"), json!(["@ENSOBJ=1022@", "@ENSOBJ=1078@"]));
    assert_eq!(parts("__OBJID__"), json!([1022, 1078]));
    assert_eq!(parts("DESCRIPTION,ENSOBJ"), json!([["Sphere", "@ENSOBJ=1022@"], ["engine block", "@ENSOBJ=1078@"]]));
    assert_eq!(site.put("/eval?returns=__OBJID__", &json!("ensight.objs.core")).json(), 220);
    // An object that is the value of an attribute is a reference.
    assert_eq!(
        site.put("/eval?returns=PARTS", &json!("ensight.objs.core")).json(),
        json!(["@ENSOBJ=1022@", "@ENSOBJ=1078@"])
    );
    error(&site.put("/eval?returns=NOTHING", &json!("ensight.objs.core")));
    let all = site.put("/ensobjs/getattrs?returns=__OBJID__,ENSOBJ", &json!(["ensight.objs.core", 1022, "1078"]));
    let found = json!({ "ensight.objs.core": [220, "@ENSOBJ=220@"], "1022": [1022, "@ENSOBJ=1022@"], "1078": [1078, "@ENSOBJ=1078@"] });
    assert_eq!(all.json(), found);
    let suppressed =
        site.put("/ensobjs/getattrs?returns=OPAQUENESS&suppress_errors=true", &json!(["ensight.objs.core", 1022]));
    assert_eq!(suppressed.json(), json!({ "1022": [1.0] }));
    error(&site.put("/ensobjs/getattrs?returns=OPAQUENESS&suppress_errors=false", &json!(["ensight.objs.core", 1022])));
}

#[test]
fn functions_find_what_they_were_promised() {
    let (site, _ensight) = site();
    let define = |path: &str, source: &str| site.put(&format!("/def_func/{path}"), &json!(source));
    let source = "def f(a, *, part, deep):\n    return [type(a) is SimpleNamespace, part.__OBJID__, deep[0]['x'].DESCRIPTION, os.path.sep, ensight.version('suffix')]\n";
    assert_eq!(define("mine/f?imports=os.path,json", source).status, 200);
    let arguments = json!({ "part": "@ENSOBJ=220@", "deep": [{ "x": "@ENSOBJ=1022@" }] });
    assert_eq!(site.put("/call_func/mine/f", &arguments).json(), json!([true, 220, "Sphere", "/", "261"]));
    // The namespace is the application's own, and is given to who wants it.
    for (app, source) in [
        ("one", "def f(app):\n    app.seen = 1\n    return 1\n"),
        ("two", "def f(app):\n    return hasattr(app, 'seen')\n"),
    ] {
        assert_eq!(define(&format!("{app}/f"), source).status, 200);
    }
    assert_eq!(site.put("/call_func/one/f", &json!({})).json(), 1);
    assert_eq!(site.put("/call_func/two/f", &json!({})).json(), false);
    assert_eq!(site.put("/call_func/two/f", &json!({ "app": 7 })).json(), false);
    // A new definition takes the place of the old one, and a bad one does not.
    assert_eq!(define("one/f", "def f():\n    return 'new'\n").status, 200);
    for bad in ["def g():\n    pass\n", "def f(:\n", "", "raise KeyError('here')"] {
        error(&define("one/f", bad));
    }
    error(&define("one/f?imports=no_such_module", "def f():\n    return 'worse'\n"));
    assert_eq!(site.put("/call_func/one/f", &json!({})).json(), "new");
    assert!(error(&site.put("/call_func/one/f", &json!({ "unknown": 1 }))).contains("unknown"));
}

#[test]
fn tokens_are_looked_at_in_their_order() {
    let (site, _ensight) = site();
    let ask = |session: &str, bearer: Option<&str>| {
        let headers = bearer.map(|bearer| ("Authorization", bearer));
        let target = format!("/ensight/v1/{session}/ensobjs/1022/DESCRIPTION");
        http::get(site.server.http_port(), &target, headers.as_slice()).status
    };
    let good = format!("Bearer {SECRET}");
    for session in [SECRET, "session", "ABC", "%2e%2e", "%ff"] {
        let wanted = if session == "%ff" { [404, 404] } else { [200, 401] };
        assert_eq!([ask(session, Some(&good)), ask(session, Some("Bearer wrong"))], wanted, "{session}");
    }
    assert_eq!(ask(SECRET, None), 200);
    for stranger in ["session", "wrong", &format!("{SECRET}x"), &SECRET.to_uppercase(), &SECRET[1..]] {
        assert_eq!(ask(stranger, None), 401, "{stranger}");
    }
    assert!(!site.server.log().contains(SECRET), "{}", site.server.log());
}

#[test]
fn what_is_no_call_is_told_so() {
    let (site, _ensight) = site();
    for (method, path, status, allowed) in [
        ("GET", "/exec", 405, Some("PUT")),
        ("POST", "/eval", 405, Some("PUT")),
        ("DELETE", "/ensobjs/1022/VISIBLE", 405, Some("GET")),
        ("PUT", "/open_callback_stream", 405, Some("GET")),
        ("PUT", "/", 404, None),
        ("PUT", "/execute", 404, None),
        ("PUT", "/ensobjs/1022", 404, None),
        ("GET", "/ensobjs/1022/VISIBLE/more", 404, None),
    ] {
        let answer = site.send(method, path, "");
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(answer.json()["error"].is_string());
        assert_eq!(
            answer.header("Allow").is_some_and(|all| all.contains(allowed.unwrap_or("none"))),
            allowed.is_some()
        );
    }
    let other = http::get(site.server.http_port(), &format!("/ensight/v2/{SECRET}/exec"), &[]);
    assert_eq!(other.status, 404);
    assert_eq!(site.send("HEAD", "/ensobjs/1022/VISIBLE", "").status, 200);
}

#[test]
fn one_connection_serves_call_after_call() {
    let (site, _ensight) = site();
    let mut conn = Conn::plain(site.server.http_port());
    let target = format!("/ensight/v1/{SECRET}/eval");
    for number in 0..50 {
        let body = json!(format!("{number} + 1")).to_string();
        let answer = http::request_with(&mut conn, "PUT", &target, &[], body.as_bytes()).expect("an answer");
        assert_eq!((answer.status, answer.json()), (200, json!(number + 1)));
    }
}
