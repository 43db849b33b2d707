//! A page of another site, in a real browser, with `fetch` and an `EventSource`.

use std::fs;

use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::ensight::{EnSight, Place, SECRET, Site, Transport};
use crate::support::http;
use crate::support::server::Server;
use crate::support::wait::{DEADLINE, eventually_some};
use crate::support::yard::Yard;

/// What the page knows: where the API is, and how to call it. It gives the status and what was answered.
const PAGE: &str = r"<!doctype html><title>another site</title><script>
async function call(method, url, token, body, type = 'application/json') {
    const headers = { 'Authorization': `Bearer ${token}`, 'Content-Type': type };
    const answer = await fetch(url, { method, headers, body: JSON.stringify(body) });
    return [answer.status, await answer.json().catch(() => null)];
}
</script>";

/// A page on one server, the API on another, and EnSight.
struct Sites {
    browser: Browser,
    page: Server,
    _yard: Yard,
    api: Site,
    _ensight: EnSight,
}

impl Sites {
    fn new(api: Site) -> Self {
        let (ensight, yard) = (api.place.start(&[]), Yard::new());
        fs::write(yard.file("page.html"), PAGE).unwrap();
        let page = yard.bare_server().start();
        let mut sites = Self { browser: Browser::start(), page, _yard: yard, api, _ensight: ensight };
        // Another name and another port: another site.
        let address = format!("http://localhost:{}/page.html", sites.page.http_port());
        sites.browser.open(&address);
        sites
    }

    /// The address of a call.
    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/ensight/v1/{path}", self.api.server.http_port())
    }

    /// Status and answer of a call that the page makes.
    fn call(&mut self, method: &str, path: &str, token: &str, body: &Value) -> Value {
        let url = self.url(path);
        self.browser.eval(&format!("call({}, {}, {}, {body})", json!(method), json!(url), json!(token)))
    }
}

#[test]
fn a_page_of_another_site_calls_with_the_token() {
    let mut sites = Sites::new(Place::new(Transport::Tcp).serve());
    let call = |sites: &mut Sites, path: &str, body| sites.call("PUT", path, SECRET, &body);
    assert_eq!(
        call(&mut sites, "session/eval", json!("[6 * 7, ensight.objs.core]")),
        json!([200, [42, "@ENSOBJ=220@"]])
    );
    assert_eq!(call(&mut sites, "session/exec", json!(["a = 1", "a += 1"]))[0], 200);
    assert_eq!(call(&mut sites, "ABC/eval?returns=DESCRIPTION", json!("ensight.objs.core"))[1], "global object");
    assert_eq!(call(&mut sites, "session/ensobjs/1022/VISIBLE", json!(false))[0], 200);
    // A page can read why it is refused.
    let failed = call(&mut sites, "session/eval", json!("1 / 0"));
    assert_eq!(failed[0], 400);
    assert!(failed[1]["error"].as_str().unwrap().contains("ZeroDivisionError"), "{failed}");
    assert_eq!(sites.call("PUT", "session/eval", "wrong", &json!("1"))[0], 401);
    // The header wins over the path.
    assert_eq!(sites.call("PUT", &format!("{SECRET}/eval"), "wrong", &json!("1"))[0], 401);
    let plain = json!(sites.url("session/eval"));
    assert_eq!(
        sites.browser.eval(&format!("call('PUT', {plain}, '{SECRET}', '6 * 7', 'text/plain')")),
        json!([200, 42])
    );
    let bare =
        format!("fetch({}).then(answer => answer.json())", json!(sites.url(&format!("{SECRET}/ensobjs/1022/VISIBLE"))));
    assert_eq!(sites.browser.eval(&bare), false);
}

#[test]
fn a_page_is_told_of_events() {
    let mut sites = Sites::new(Place::new(Transport::Tcp).serve());
    let url = json!(sites.url(&format!("{SECRET}/open_callback_stream")));
    sites.browser.eval(&format!(
        "window.seen = []; window.source = new EventSource({url}); source.onmessage = event => seen.push(event.data);
         new Promise(resolve => source.onopen = () => resolve(true))"
    ));
    let wish = json!({ "object": 1022, "attributes": ["VISIBLE"] });
    let number = sites.call("PUT", "session/register_event/mine", SECRET, &wish);
    assert!(number[0] == 200 && number[1].is_u64(), "{number}");
    let set = |sites: &mut Sites, object: u32, value| {
        let path = format!("session/ensobjs/{object}/VISIBLE");
        assert_eq!(sites.call("PUT", &path, SECRET, &json!(value))[0], 200);
    };
    // It may take a moment until EnSight's stream is open: what is set is set again until it is seen.
    let told = eventually_some(DEADLINE, || {
        set(&mut sites, 1078, false);
        set(&mut sites, 1022, false);
        sites.browser.eval("seen[0]").as_str().map(str::to_owned)
    });
    let told = told.expect("an event");
    assert!(told.ends_with("/mine?enum=VISIBLE&uid=1022"), "{told}");
    // Nothing once it is not asked for any more.
    let undo = format!("session/unregister_event/{}", number[1]);
    assert_eq!(sites.call("PUT", &undo, SECRET, &Value::Null)[0], 200);
    assert_eq!(sites.api.eval("len(ensight.objs._callbacks)"), 0);
    let other = json!({ "object": "ENS_PART", "attributes": ["OPAQUENESS"] });
    assert_eq!(sites.call("PUT", "session/register_event/other", SECRET, &other)[0], 200);
    assert_eq!(sites.call("PUT", "session/ensobjs/1078/OPAQUENESS", SECRET, &json!(0.5))[0], 200);
    sites.browser.wait_for("seen.at(-1).includes('/other?')", DEADLINE);
    // Nothing but what was asked for.
    let rest = sites.browser.eval("seen.filter(data => !data.endsWith('/mine?enum=VISIBLE&uid=1022'))");
    assert!(rest.as_array().is_some_and(|rest| rest.len() == 1), "{rest}");
    assert!(rest[0].as_str().unwrap().ends_with("/other?enum=OPAQUENESS&uid=1078"), "{rest}");
    assert_eq!(sites.browser.eval("source.readyState"), 1, "the stream is still open");
}

#[test]
fn a_stream_of_events_needs_the_token() {
    let site = Place::new(Transport::Tcp).serve();
    for session in ["session", "wrong"] {
        let target = format!("/ensight/v1/{session}/open_callback_stream");
        assert_eq!(http::get(site.server.http_port(), &target, &[]).status, 401);
    }
}

#[test]
fn without_a_token_a_page_of_another_site_is_refused() {
    let place = Place::new(Transport::Tcp);
    let server = place.yard.bare_server().args(&place.args()).start();
    let mut sites = Sites::new(Site { server, place });
    let url = json!(sites.url("session/eval"));
    let refused = sites.browser.try_eval(&format!("call('PUT', {url}, '', '1')"));
    assert!(refused.as_ref().is_err_and(|error| error.contains("Failed to fetch")), "{refused:?}");
}
