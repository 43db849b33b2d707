//! A page of another site, in a real browser, with `fetch` and an `EventSource`.

use std::fs;

use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::ensight::{EnSight, Place, SECRET, Site, Transport};
use crate::support::server::Server;
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
    let plain = format!("call('PUT', {}, '', 'a', 'text/plain')", json!(sites.url(&format!("{SECRET}/eval"))));
    // An empty Bearer is one too, and it wins.
    assert_eq!(sites.browser.eval(&plain)[0], 401);
    let bare =
        format!("fetch({}).then(answer => answer.json())", json!(sites.url(&format!("{SECRET}/ensobjs/1022/VISIBLE"))));
    assert_eq!(sites.browser.eval(&bare), false);
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
