//! EnSight's events as server-sent events (the HTML standard, section 9.2).

use std::time::Duration;

use super::grpc::Events;
use crate::net::http::connection::Answer;
use crate::net::http::response::Response;
use crate::net::http::stream::{Next, Outgoing};

/// After this long without an event a comment is sent: proxies cut what is silent.
const QUIET: Duration = Duration::from_secs(15);

/// Answers with a stream of events, which ends when the client leaves or the server stops.
pub(super) fn stream(events: Events) -> Answer {
    let response = Response::empty(200)
        .header("Content-Type", "text/event-stream")
        .header("Cache-Control", "no-store")
        // nginx would keep them back to send more at once.
        .header("X-Accel-Buffering", "no");
    Answer::Stream(response, Box::new(move |outgoing| send(&events, outgoing)))
}

fn send(events: &Events, outgoing: &Outgoing) {
    // The head alone does not make a browser's EventSource open in every version.
    let mut sent = outgoing.send(b": open\n\n");
    while sent.is_ok() {
        sent = match outgoing.next(&events.receiver, QUIET) {
            Next::Item(tag) => outgoing.send(message(&tag).as_bytes()),
            Next::Quiet => outgoing.send(b": still here\n\n"),
            Next::Over => return,
        };
    }
}

/// One event. Each line of the text is a line of data.
fn message(text: &str) -> String {
    let mut message = String::with_capacity(text.len() + 16);
    for line in text.split(['\n', '\r']) {
        message.extend(["data: ", line, "\n"]);
    }
    message + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_its_event() {
        assert_eq!(message("grpc://guid/tag?enum=PARTS&uid=221"), "data: grpc://guid/tag?enum=PARTS&uid=221\n\n");
        assert_eq!(message("a\n\nevent: b\rc"), "data: a\ndata: \ndata: event: b\ndata: c\n\n");
    }
}
