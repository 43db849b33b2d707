//! `/v1/status_view`: the status as a page for people, drawn by the server alone.

use std::fmt::Write;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::registry::{InstanceStatus, Phase};
use super::rest::services::state_name;
use crate::net::http::html::{escape, human_size};
use crate::net::http::response::Response;

const TEMPLATE: &str = include_str!("status_page.html");

/// A service's name and its slots.
pub(super) type Listed<'a> = (&'a str, &'a [InstanceStatus]);

/// Draws the page. `now` is in seconds since 1970; `nonce` names the page's own script and style.
pub(super) fn page(services: &[Listed<'_>], now: f64, nonce: &str) -> Response {
    let mut rows = String::new();
    for (name, instances) in services {
        service_rows(&mut rows, name, instances, now);
    }
    let slots = services.iter().flat_map(|(_, instances)| instances.iter());
    let (busy, all) = slots.fold((0, 0), |(busy, all), slot| (busy + usize::from(slot.phase != Phase::Free), all + 1));
    let summary = match services.len() {
        0 => "no services are configured".to_owned(),
        1 => format!("1 service, {busy} of {all} slots taken"),
        count => format!("{count} services, {busy} of {all} slots taken"),
    };
    // Values are put in last and in one pass each, so that none is searched for placeholders.
    let html = TEMPLATE.replace("NONCE", nonce).replacen("SUMMARY", &summary, 1).replacen("ROWS", &rows, 1);
    let policy = format!(
        "default-src 'none'; connect-src 'self'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; base-uri 'none'"
    );
    Response::html(200, html)
        .header("Content-Security-Policy", policy)
        .header("Cache-Control", "no-store")
        .header("X-Content-Type-Options", "nosniff")
        .header("Referrer-Policy", "no-referrer")
}

fn service_rows(rows: &mut String, name: &str, instances: &[InstanceStatus], now: f64) {
    let call = utf8_percent_encode(name, NON_ALPHANUMERIC);
    let _ = writeln!(
        rows,
        "<tr><th colspan=\"8\">{}</th><th><button hidden data-call=\"reserve/{call}\">reserve</button></th></tr>",
        escape(name)
    );
    for instance in instances {
        instance_row(rows, instance, now);
    }
}

fn instance_row(rows: &mut String, slot: &InstanceStatus, now: f64) {
    let state = state_name(slot.phase);
    let age = if slot.timestamp > 0.0 { duration(now - slot.timestamp) } else { String::new() };
    let left = slot.expires_in.map(|time| format!(", {} left", duration(time.as_secs_f64()))).unwrap_or_default();
    let mut options = String::new();
    for (key, value) in &slot.options {
        let _ = write!(options, "<code>{}={}</code> ", escape(key), escape(value));
    }
    let button = if slot.token.is_empty() {
        String::new()
    } else {
        format!("<button hidden data-call=\"release/{}\">release</button>", escape(&slot.token))
    };
    let _ = writeln!(
        rows,
        "<tr><td class=\"number\">{}</td><td><span class=\"state {state}\">{state}</span></td><td>{age}{left}</td>\
         <td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td>{options}</td>\
         <td class=\"error\">{}</td><td>{button}</td></tr>",
        slot.index,
        slot.connections,
        human_size(slot.bytes.0),
        human_size(slot.bytes.1),
        escape(slot.error.as_deref().unwrap_or_default()),
    );
}

/// `5 s`, `3 min`, `2 h`, `4 d`: one figure is enough for a person.
fn duration(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocketserver::registry::Options;

    fn slot(phase: Phase, token: &str, error: Option<&str>) -> InstanceStatus {
        InstanceStatus {
            index: 0,
            phase,
            token: token.to_owned(),
            timestamp: 1_000.0,
            options: Options::from([("size".to_owned(), "<b>".to_owned())]),
            expires_in: Some(Duration::from_secs(200)),
            connections: 1,
            bytes: (512, 3 << 20),
            error: error.map(str::to_owned),
        }
    }

    #[test]
    fn the_page_shows_services_and_escapes_what_comes_from_outside() {
        let slots = [slot(Phase::Active, "tok", Some("died: <script>")), slot(Phase::Free, "", None)];
        let response = page(&[("A & B ROWS", &slots)], 1_090.0, "abc");
        let html = String::from_utf8(response.body()).unwrap();
        for wanted in [
            "1 service, 1 of 2 slots taken",
            "A &amp; B ROWS",
            "data-call=\"reserve/A%20%26%20B%20ROWS\"",
            "data-call=\"release/tok\"",
            "died: &lt;script&gt;",
            "size=&lt;b&gt;",
            "90 s, 3 min left",
            "512 B",
            "3.0 MiB",
            "script nonce=\"abc\"",
        ] {
            assert!(html.contains(wanted), "{wanted} is not in {html}");
        }
        assert!(!html.contains("<b>") && !html.contains("NONCE"));
    }

    #[test]
    fn figures_are_short() {
        assert_eq!([0.4, 119.0, 121.0, 7_300.0, 200_000.0].map(duration), ["0 s", "119 s", "2 min", "2 h", "2 d"]);
        assert_eq!(duration(-3.0), "0 s");
    }
}
