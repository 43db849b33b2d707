//! `--joinmsg` and `--leavemsg`.

use serde_json::{Value, json};

use crate::members::{ask, expect_texts, join, next_text};
use crate::support::server::Server;
use crate::support::stream::Conn;
use crate::support::ws::Ws;

#[test]
fn a_command_is_told_who_comes_and_goes() {
    let server = Server::scalesocket(&["--joinmsg", "join #ID", "--leavemsg", "leave #ID", "cat"]);
    let mut first = join(&server, "/r");
    expect_texts(&mut first, &["join 1"]);
    let second = join(&server, "/r");
    expect_texts(&mut first, &["join 2"]);
    second.close();
    expect_texts(&mut first, &["leave 2"]);
    let third = join(&server, "/r");
    expect_texts(&mut first, &["join 3"]);
    third.conn.reset();
    expect_texts(&mut first, &["leave 3"]);
}

#[track_caller]
fn filled_in(template: &str, path: &str, expected: &str) {
    let server = Server::scalesocket(&[&format!("--joinmsg={template}"), "cat"]);
    assert_eq!(next_text(&mut join(&server, path)), expected, "{template} {path}");
}

#[test]
fn everything_that_is_put_in() {
    filled_in("#ID", "/r", "1");
    filled_in("#IDX ##ID# #", "/r", "1X #1# #");
    filled_in("", "/r", "");
    filled_in("-x", "/r", "-x");
    filled_in("#ROOM #QUERY_STRING", "/my%20room?a=1&b=%20c", "my%20room a=1&b=%20c");
    filled_in("#QUERY_NAME|#QUERY_B|#QUERY_NOPE", "/r?name=J%C3%B6rg+X%21&b=1&b=2", "J%C3%B6rg%20X%21|2|#QUERY_NOPE");
    filled_in("#QUERY_STRING", "/r?string=evil", "string=evil");
    filled_in("#QUERY_STRING|", "/r", "|");
}

#[test]
fn the_longest_name_counts_every_time() {
    // The original decides by chance.
    for _ in 0..5 {
        filled_in("#QUERY_FOOBAR #QUERY_FOO", "/r?foo=1&foobar=2", "2 1");
        filled_in("#QUERY_X", "/r?x=1&X=2", "2");
    }
    // What has been put in is not looked at again.
    filled_in("#QUERY_STRING", "/r?a=#QUERY_A#ID".replace('#', "%23").as_str(), "a=%23QUERY_A%23ID");
}

#[test]
fn the_address_is_the_members_own() {
    let server = Server::scalesocket(&["--joinmsg", "#REMOTE_ADDR #QUERY_STRING", "cat"]);
    let mut first = join(&server, "/r?first");
    next_text(&mut first);
    let conn = Conn::plain(server.room_port());
    let ours = conn.socket().local_addr().unwrap();
    let _second = Ws::open_with(conn, "/r?second", &[("X-Forwarded-For", "1.2.3.4")]).unwrap();
    assert_eq!(next_text(&mut first), format!("{ours} second"));
}

#[test]
fn notices_are_never_framed() {
    for frame in ["--frame=json", "--client-frame=json"] {
        let server = Server::scalesocket(&[frame, "--joinmsg", "plain #ID", "--leavemsg", "gone #ID", "cat"]);
        let mut ws = join(&server, "/r");
        expect_texts(&mut ws, &["plain 1"]);
        join(&server, "/r").close();
        expect_texts(&mut ws, &["plain 2", "gone 2"]);
    }
    let server = Server::scalesocket(&["--binary", "--client-frame=binary", "--joinmsg", "plain", "cat"]);
    assert_eq!(join(&server, "/r").take_data(5), b"plain");
}

#[test]
fn nobody_can_break_out_of_a_json_notice() {
    let template = r##"{"t":"Join","id":#ID,"room":"#ROOM","query":"#QUERY_STRING"}"##;
    let server = Server::scalesocket(&["--client-frame=json", "--joinmsg", template, "cat"]);
    let mut ws = join(&server, r#"/q"},{"\?a="},{"\"#);
    let told: Value = serde_json::from_str(&next_text(&mut ws)).unwrap();
    assert_eq!(told, json!({"t": "Join", "id": 1, "room": r#"q"},{"\"#, "query": r#"a="},{"\"#}));
    // Where JSON is not spoken nothing is changed.
    let server = Server::scalesocket(&["--joinmsg", "#ROOM", "cat"]);
    let mut ws = join(&server, r#"/q"\"#);
    assert_eq!(next_text(&mut ws), r#"q"\"#);
    assert_eq!(ask(&mut ws, "on"), "on");
}
