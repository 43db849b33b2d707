//! What is answered beside websockets: health, metrics, statistics, the API, files. Statuses and bodies are the
//! original's, where a client could depend on them.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::Server;
use super::lobby::RoomView;
use crate::net::http::files::Folders;
use crate::net::http::request::Head;
use crate::net::http::response::Response;

/// Answers a request that is no websocket.
pub(super) fn answer(server: &Server, head: &Head) -> Response {
    let config = &server.setup.config;
    let path = head.path.strip_suffix('/').unwrap_or(&head.path);
    let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    let read_only = |answer: &dyn Fn() -> Response| match head.method.as_str() {
        "GET" => answer(),
        _ => plain(405, "HTTP method not allowed").header("Allow", "GET"),
    };
    match segments.as_slice() {
        ["health"] => read_only(&|| json_bytes(br#"{"status":"ok"}"#.as_slice().into())),
        ["metrics"] if config.metrics => read_only(&|| server.metrics.answer()),
        ["api", "rooms"] if config.api => read_only(&|| {
            let rooms: Vec<Value> = server.lobby.rooms().iter().map(room_object).collect();
            json_value(&Value::from(rooms))
        }),
        ["api", room] if config.api => read_only(&|| json_value(&object(server, room))),
        ["api", room, key] if config.api => read_only(&|| {
            let object = object(server, room);
            json_value(object.get(*key).filter(|_| matches!(*key, "connections" | "metadata")).unwrap_or(&object))
        }),
        [room, "stats"] if config.stats => {
            read_only(&|| json_value(&json!({"connections": connections(server, room)})))
        }
        [room, "stats", "connections"] if config.stats => read_only(&|| json_value(&json!(connections(server, room)))),
        [room, "stats", _] if config.stats => {
            read_only(&|| json_value(&json!({"connections": connections(server, room)})))
        }
        segments => elsewhere(server, head, segments),
    }
}

/// A file, or a room that was not asked for as one.
fn elsewhere(server: &Server, head: &Head, segments: &[&str]) -> Response {
    if let Some(files) = &server.files {
        return files.answer(head, &head.path, Folders::Hidden);
    }
    match segments {
        [""] | [_, _, ..] | [] => Response::empty(404),
        [_] if head.method == "GET" => plain(400, "Connection header did not include 'upgrade'"),
        [_] => plain(405, "HTTP method not allowed").header("Allow", "GET"),
    }
}

fn connections(server: &Server, room: &str) -> usize {
    server.lobby.room(room).map_or(0, |view| view.connections)
}

fn object(server: &Server, room: &str) -> Value {
    match server.lobby.room(room) {
        Some(view) => room_object(&view),
        None => json!({"connections": 0, "metadata": null, "name": room}),
    }
}

fn room_object(view: &RoomView) -> Value {
    json!({"connections": view.connections, "metadata": view.room.metadata(), "name": view.name})
}

fn json_value(value: &Value) -> Response {
    json_bytes(value.to_string().into_bytes().into())
}

/// Text without a line end, as the original has it.
pub(super) fn plain(status: u16, text: &'static str) -> Response {
    Response::bytes(status, text.as_bytes().into()).header("Content-Type", "text/plain; charset=utf-8")
}

/// JSON without a line end, as the original has it.
fn json_bytes(bytes: Cow<'static, [u8]>) -> Response {
    Response::bytes(200, bytes).header("Content-Type", "application/json")
}
