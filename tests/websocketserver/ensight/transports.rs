//! The ways to EnSight, and what happens when it is away, late, slow, deaf or new.

use serde_json::json;

use crate::support::ensight::{Place, SECRET, Site, Transport, certificates};
use crate::support::http;
use crate::support::stream::Conn;
use crate::support::wait::{DEADLINE, eventually, eventually_some};

const TRANSPORTS: [Transport; 3] = [Transport::Tcp, Transport::Unix, Transport::MutualTls];

#[test]
fn each_transport_reaches_ensight() {
    for transport in TRANSPORTS {
        let site = Place::new(transport).serve();
        let _ensight = site.place.start(&[]);
        assert_eq!(site.eval("6 * 7"), 42, "{transport:?}");
        assert_eq!(site.put("/cmd/ensight.part.select_all", &json!([])).json(), 0);
        assert_eq!(site.eval("ensight.calls"), json!([["part.select_all", [], {}]]));
        let refused = site.put("/eval", &json!("nothing_of_that_name"));
        assert_eq!(refused.status, 400);
        assert!(refused.json()["error"].as_str().unwrap().contains("nothing_of_that_name"), "{}", refused.text());
    }
}

#[test]
fn an_ensight_that_starts_again_is_found_again() {
    for transport in TRANSPORTS {
        let site = Place::new(transport).serve();
        let first = site.place.start(&[]);
        site.exec("mark = 1");
        assert_eq!(site.eval("mark"), 1);
        drop(first);
        let _second = site.place.start(&[]);
        // It is another one, which has seen neither the name nor what the server sends once.
        assert_eq!(site.put("/eval", &json!("mark")).status, 400, "{transport:?}");
        assert_eq!(site.eval("6 * 7"), 42, "{transport:?}");
    }
}

#[test]
fn a_request_that_comes_early_waits_for_ensight() {
    for transport in TRANSPORTS {
        let site = Place::new(transport).serve();
        let early = std::thread::scope(|scope| {
            let early = scope.spawn(|| site.eval("6 * 7"));
            // It has come in: the server has tried, and goes on trying.
            eventually(DEADLINE, "the request is there", || site.connections() > 0);
            let _ensight = site.place.start(&[]);
            early.join().unwrap()
        });
        assert_eq!(early, 42, "{transport:?}");
    }
}

impl Site {
    /// How many connections the server's HTTP port has.
    fn connections(&self) -> usize {
        crate::support::netstat::established(self.server.http_port())
    }
}

#[test]
fn slow_calls_hold_up_nobody_else() {
    let site = Place::new(Transport::Unix).serve();
    let _ensight = site.place.start(&["-parallel"]);
    site.exec("import threading\nwaiting, go = threading.Semaphore(0), threading.Event()");
    std::thread::scope(|scope| {
        let wait = "[waiting.release(), go.wait(60)][1]";
        let slow: Vec<_> = (0..8).map(|_| scope.spawn(|| site.eval(wait))).collect();
        assert_eq!(site.eval("[waiting.acquire(timeout=30) for _ in range(8)]"), json!(vec![true; 8]));
        assert_eq!(site.eval("6 * 7"), 42);
        site.exec("go.set()");
        for slow in slow {
            assert_eq!(slow.join().unwrap(), true);
        }
    });
}

#[test]
fn a_busy_ensight_holds_up_nothing_but_its_own_calls() {
    let site = Place::new(Transport::Tcp).serve();
    let ensight = site.place.start(&[]);
    assert_eq!(site.eval("1"), 1);
    ensight.freeze();
    std::thread::scope(|scope| {
        let slow: Vec<_> = (0..4).map(|_| scope.spawn(|| site.eval("6 * 7"))).collect();
        eventually(DEADLINE, "the requests are there", || site.connections() >= 4);
        let token = format!("?security_token={}", crate::support::ensight::SECRET);
        assert_eq!(http::get(site.server.http_port(), &format!("/v1/status{token}"), &[]).status, 200);
        assert!(slow.iter().all(|slow| !slow.is_finished()));
        ensight.thaw();
        for slow in slow {
            assert_eq!(slow.join().unwrap(), 42);
        }
    });
}

#[test]
fn answers_and_requests_have_no_size_limit() {
    let site = Place::new(Transport::Tcp).serve();
    let _ensight = site.place.start(&[]);
    let text = site.eval("'x' * 30_000_000");
    assert_eq!(text.as_str().unwrap().len(), 30_000_000);
    let long = format!("'{}'", "y".repeat(6_000_000));
    site.exec(&format!("long = {long}"));
    assert_eq!(site.eval("len(long)"), 6_000_000);
}

#[test]
fn ensight_that_leaves_for_good_is_away() {
    let site = Place::new(Transport::Tcp).serve();
    let mut ensight = site.place.start(&[]);
    site.exec("import sys");
    // The answer to its last words may be lost, and nothing else.
    let last = site.put("/exec", &json!("ensight.exit(0)"));
    assert!([200, 502].contains(&last.status), "{}", last.text());
    ensight.wait_exit();
    let answer = site.put("/eval", &json!("1"));
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert!(answer.json()["error"].as_str().unwrap().contains("EnSight"), "{}", answer.text());
}

/// A server that gives up on a call after `seconds`.
fn impatient(place: Place, seconds: &str) -> Site {
    let server = place.builder().args(&["--grpc_timeout", seconds]).start();
    Site { server, place }
}

#[test]
fn ensight_that_never_comes_is_away() {
    for transport in TRANSPORTS {
        let site = impatient(Place::new(transport), "1");
        for _ in 0..2 {
            let answer = site.put("/eval", &json!("1"));
            assert_eq!(answer.status, 502, "{transport:?}: {}", answer.text());
            assert!(answer.json()["error"].as_str().unwrap().contains("EnSight"), "{}", answer.text());
        }
        // It may come later.
        let _ensight = site.place.start(&[]);
        assert_eq!(site.eval("6 * 7"), 42, "{transport:?}");
    }
}

#[test]
fn ensight_that_does_not_answer_in_time_is_slow() {
    for transport in TRANSPORTS {
        let site = impatient(Place::new(transport), "2");
        let ensight = site.place.start(&["-parallel"]);
        site.exec("import threading\ngo = threading.Event()");
        let answer = site.put("/eval", &json!("go.wait(60)"));
        assert_eq!(answer.status, 504, "{transport:?}: {}", answer.text());
        assert!(answer.json()["error"].as_str().unwrap().contains("EnSight"), "{}", answer.text());
        site.exec("go.set()");
        // Nor does it answer when nothing of it moves.
        ensight.freeze();
        assert_eq!(site.put("/eval", &json!("1")).status, 504, "{transport:?}");
        ensight.thaw();
        assert_eq!(site.eval("6 * 7"), 42, "{transport:?}");
    }
}

#[test]
fn a_secret_that_ensight_refuses_is_told() {
    let place = Place::new(Transport::Tcp);
    let _ensight = place.start(&[]);
    let server = place.yard.bare_server().args(&place.args()).args(&["--security_token", "another"]).start();
    let mut conn = Conn::plain(server.http_port());
    let answer = http::request_with(&mut conn, "PUT", "/ensight/v1/another/eval", &[], b"\"1\"").unwrap();
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert!(answer.json()["error"].as_str().unwrap().contains("secret"), "{}", answer.text());
    assert!(!format!("{}{}", answer.text(), server.log()).contains("another"), "no secret is shown");
}

#[test]
fn without_the_certificates_that_it_wants_ensight_is_away() {
    let place = Place::new(Transport::MutualTls);
    let _ensight = place.start(&[]);
    let strangers = place.yard.file("strangers");
    certificates(&strangers);
    let builder = place.builder().env("ANSYS_GRPC_CERTIFICATES", &strangers).args(&["--grpc_timeout", "1"]);
    let site = Site { server: builder.start(), place };
    let answer = site.put("/eval", &json!("1"));
    assert_eq!(answer.status, 502, "{}", answer.text());
}

#[test]
fn a_stop_ends_calls_and_streams() {
    let mut site = Place::new(Transport::Unix).serve();
    let _ensight = site.place.start(&["-parallel"]);
    site.exec("import threading\nwaiting, go = threading.Semaphore(0), threading.Event()");
    let stream = format!("/ensight/v1/{SECRET}/open_callback_stream");
    let mut listener = Conn::plain(site.server.http_port());
    listener.send(http::head(&listener, "GET", &stream, &[]).as_bytes());
    assert_eq!(http::read_head(&mut listener).unwrap().status, 200);
    let stopped = std::thread::scope(|scope| {
        let slow = scope.spawn(|| site.put("/eval", &json!("[waiting.release(), go.wait(60)][1]")));
        assert_eq!(site.eval("waiting.acquire(timeout=30)"), true);
        let stop = http::get(site.server.http_port(), &format!("/v1/stop?security_token={SECRET}"), &[]);
        assert_eq!(stop.status, 200);
        slow.join().unwrap()
    });
    assert_eq!(stopped.status, 502, "{}", stopped.text());
    assert!(site.server.wait_exit(DEADLINE).success());
    listener.take_rest();
}

#[test]
fn streams_that_are_left_take_nothing_with_them() {
    let site = Place::new(Transport::Tcp).serve();
    let _ensight = site.place.start(&[]);
    let stream = format!("/ensight/v1/{SECRET}/open_callback_stream");
    let listen = || {
        let mut conn = Conn::plain(site.server.http_port());
        conn.send(http::head(&conn, "GET", &stream, &[]).as_bytes());
        assert_eq!(http::read_head(&mut conn).unwrap().status, 200);
        conn
    };
    drop(listen());
    let idle = eventually_some(DEADLINE, || (site.connections() == 0).then(|| site.server.resources()));
    let listeners: Vec<_> = (0..20).map(|_| listen()).collect();
    assert_eq!(site.connections(), 20);
    drop(listeners);
    // Threads that resolve names come and go by themselves.
    let before = idle.expect("the first listener is gone");
    eventually(DEADLINE, "no more threads and descriptors than before", || {
        let now = site.server.resources();
        now.0 <= before.0 && now.1 <= before.1
    });
}
