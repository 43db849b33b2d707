//! Names and values that try to become code. The stand-in keeps a list of what was really executed.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::support::ensight::{EnSight, Place, Site, Transport};

/// Executed anywhere, it leaves a mark.
const EVIL: &str = "ensight.calls.append('EVIL')";

fn site() -> (Site, EnSight) {
    let site = Place::new(Transport::Tcp).serve();
    let ensight = site.place.start(&[]);
    (site, ensight)
}

/// Attempts to break out of wherever a name might be put in a line of Python.
fn attempts() -> Vec<String> {
    let mut attempts: Vec<String> = [
        "EVIL",
        "x;EVIL",
        "x\nEVIL\n",
        "x\r\nEVIL",
        "x)+EVIL+(",
        "x);EVIL#",
        "x]+[EVIL]+[",
        "x'+str(EVIL)+'",
        "x\"+str(EVIL)+\"",
        "'''+str(EVIL)+'''",
        "\"\"\"+str(EVIL)+\"\"\"",
        "\\",
        "\\'+str(EVIL)+'",
        "\\\"+str(EVIL)+\"",
        "\\\\\"+str(EVIL)+\"",
        "x\\\nEVIL",
        "{EVIL}",
        "{0.__class__}",
        "%s",
        "x\u{2028}EVIL",
        "x\u{85}EVIL",
        "x\0EVIL",
        "x\u{c}EVIL",
        "lambda: EVIL",
        "[EVIL for _ in 'x'][0]",
        "(x := EVIL)",
        "ensight.objs.wrap_id(EVIL)",
        "ensight.objs.core if EVIL else 0",
        "ensight.objs.core.__class__",
        "ensight.objs.core\nEVIL",
        "1022 or EVIL",
        "1022,EVIL",
        "__import__('os').getpid()",
        "@ENSOBJ=1022@",
        "@ENSOBJ=EVIL@",
        "@ENSOBJ=1022);EVIL;(@",
        "@ENSOBJ=1022\n@EVIL",
        "ensight.calls.append",
        "０x1022",
    ]
    .map(|text| text.replace("EVIL", EVIL))
    .to_vec();
    attempts.push(format!("x\u{feff}{EVIL}"));
    attempts
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

impl Site {
    /// Nothing of the attempts has been executed.
    #[track_caller]
    fn check_unmarked(&self, what: &str) {
        assert_eq!(self.eval("[call for call in ensight.calls if call == 'EVIL']"), json!([]), "{what}");
    }

    #[track_caller]
    fn check_objects_refused(&self, name: &str) {
        self.check_refused("GET", &format!("/ensobjs/{name}/VISIBLE"), &Value::Null);
        self.check_refused("PUT", &format!("/ensobjs/{name}/VISIBLE"), &json!(true));
        self.check_refused("PUT", &format!("/ensobjs/{name}/methods/unit_system"), &json!({}));
    }

    /// A call with an attempt in its path is refused, as a bad request or as one for nobody.
    #[track_caller]
    fn check_refused(&self, method: &str, path: &str, body: &Value) {
        let answer = self.send(method, path, &body.to_string());
        let refused = [400, 401, 404].contains(&answer.status);
        assert!(refused && answer.json()["error"].is_string(), "{method} {path}: {} {}", answer.status, answer.text());
        self.check_unmarked(path);
    }
}

#[test]
fn the_mark_is_seen_when_code_runs() {
    let (site, _ensight) = site();
    site.exec(EVIL);
    assert_eq!(site.eval("ensight.calls"), json!(["EVIL"]));
}

#[test]
fn names_in_paths_are_names_and_nothing_else() {
    let (site, _ensight) = site();
    site.exec("before = dict(vars(ensight.objs.core)['_values'])");
    for attempt in attempts() {
        let name = encoded(&attempt);
        // An object may be given by its reference: as an object this one is no attempt.
        if attempt != "@ENSOBJ=1022@" {
            site.check_objects_refused(&name);
        }
        site.check_refused("GET", &format!("/ensobjs/1022/{name}"), &Value::Null);
        site.check_refused("PUT", &format!("/ensobjs/1022/{name}"), &json!(true));
        site.check_refused("PUT", &format!("/ensobjs/1022/methods/{name}"), &json!({}));
        site.check_refused("PUT", &format!("/cmd/{name}"), &json!([]));
        site.check_refused("PUT", &format!("/cmd/ensight.part.{name}"), &json!([]));
        site.check_refused("PUT", &format!("/call_func/{name}/f"), &json!({}));
        site.check_refused("PUT", &format!("/call_func/mine/{name}"), &json!({}));
        site.check_refused("PUT", &format!("/def_func/{name}/f"), &json!("def f():\n    pass\n"));
        site.check_refused("PUT", &format!("/def_func/mine/{name}"), &json!("def f():\n    pass\n"));
        site.check_refused("PUT", &format!("/def_func/mine/f?imports={name}"), &json!("def f():\n    pass\n"));
    }
    assert_eq!(site.eval("vars(ensight.objs.core)['_values'] == before"), json!(true));
}

#[test]
fn names_in_queries_and_bodies_are_names_and_nothing_else() {
    let (site, _ensight) = site();
    // An object may be given by its reference: that is no attempt.
    for attempt in attempts().into_iter().filter(|attempt| attempt != "@ENSOBJ=1022@") {
        let query = format!("?returns={}", encoded(&attempt));
        site.check_refused("PUT", &format!("/eval{query}"), &json!("ensight.objs.core"));
        site.check_refused("GET", &format!("/ensobjs/ensight.objs.core/PARTS{query}"), &Value::Null);
        site.check_refused("PUT", &format!("/ensobjs/getattrs{query}"), &json!([1022]));
        site.check_refused("PUT", "/ensobjs/getattrs?returns=VISIBLE", &json!([attempt]));
        site.check_refused("PUT", "/ensobjs/setattrs", &json!({ "objects": [attempt], "values": { "VISIBLE": true } }));
        site.check_refused(
            "PUT",
            "/ensobjs/setattrs",
            &json!({ "objects": [1022], "values": { attempt.as_str(): true } }),
        );
        let event = |object: &str, attribute: &str| json!({ "object": object, "attributes": [attribute] });
        site.check_refused("PUT", "/register_event/tag", &event(&attempt, "VISIBLE"));
        site.check_refused("PUT", "/register_event/tag", &event("ENS_PART", &attempt));
        let tag = encoded(&attempt);
        site.check_refused("PUT", &format!("/register_event/{tag}"), &event("ENS_PART", "VISIBLE"));
        site.check_refused("PUT", &format!("/unregister_event/{tag}"), &Value::Null);
    }
}

#[test]
fn values_arrive_as_they_are() {
    let (site, _ensight) = site();
    let returned = "def same(value):\n    return value\n";
    assert_eq!(site.put("/def_func/mine/same", &json!(returned)).status, 200);
    for attempt in attempts().into_iter().filter(|attempt| attempt != "@ENSOBJ=1022@") {
        let nested = json!([attempt, { attempt.clone(): [attempt, 1.5, null, true, -3] }]);
        let answer = site.put("/call_func/mine/same", &json!({ "value": nested }));
        assert_eq!((answer.status, answer.json()), (200, nested), "{attempt:?}");
        assert_eq!(site.put("/ensobjs/1022/DESCRIPTION", &json!(attempt)).status, 200, "{attempt:?}");
        assert_eq!(site.get("/ensobjs/1022/DESCRIPTION").json(), json!(attempt));
        assert_eq!(site.put("/cmd/ensight.part.select_byname", &json!([attempt])).status, 200, "{attempt:?}");
        assert_eq!(site.eval("ensight.calls.pop()"), json!(["part.select_byname", [attempt], {}]));
        site.check_unmarked(&attempt);
    }
    // The names of arguments are data too.
    site.check_refused("PUT", "/call_func/mine/same", &json!({ "value=0)\nensight.calls.append('EVIL')#": 1 }));
    // Python's numbers go further than most; JSON knows no others.
    let large = json!([u64::MAX, i64::MIN, 1e300, 5e-324]);
    assert_eq!(site.put("/call_func/mine/same", &json!({ "value": large })).json(), large);
}

#[test]
fn what_is_not_json_is_refused() {
    let (site, _ensight) = site();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies = [
        "",
        "ensight.calls.append('EVIL')",
        "{",
        "[1,",
        "\"\\ud800\"",
        "NaN",
        "1e999",
        "\"a\" \"b\"",
        "\"a\nb\"",
        deep.as_str(),
    ];
    let paths = [
        "/exec",
        "/eval",
        "/def_func/a/f",
        "/call_func/a/f",
        "/cmd/ensight.part.x",
        "/ensobjs/1022/VISIBLE",
        "/ensobjs/setattrs",
        "/ensobjs/getattrs?returns=VISIBLE",
        "/ensobjs/1022/methods/unit_system",
    ];
    for path in paths {
        for body in bodies {
            let answer = site.send("PUT", path, body);
            let shown: String = body.chars().take(40).collect();
            // Without arguments no body is needed.
            let called = ["call_func", "methods", "cmd"].iter().any(|call| path.contains(call));
            let may_be_empty = body.is_empty() && called;
            assert!(answer.status == 400 || may_be_empty, "{path} {shown}: {} {}", answer.status, answer.text());
            site.check_unmarked(path);
        }
    }
}
