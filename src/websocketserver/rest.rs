//! The REST API under `/v1/`: who may call it, and what it answers.

pub(super) mod services;

use serde_json::json;

use super::Server;
use super::token;
use crate::net::http::origin::{self, Caller};
use crate::net::http::request::Head;
use crate::net::http::response::Response;

/// Answers a call; `path` is what follows `/v1/`.
pub(super) fn answer(server: &Server, head: &Head, path: &str) -> Response {
    let caller = origin::caller(head, &server.config.allow_origins);
    let guarded = server.config.security_token.is_some();
    let response = if head.method == "OPTIONS" {
        preflight(head, "GET, HEAD, OPTIONS")
    } else if !has_token(server, head) && !services::is_group_call(server, head, path) {
        unauthorised()
    } else if caller == Caller::Foreign && !guarded {
        Response::error(403, "a page of another site may not call this API; see --allow_origin")
    } else if head.method != "GET" && head.method != "HEAD" {
        Response::error(405, "this API is called with GET").header("Allow", "GET, HEAD, OPTIONS")
    } else {
        call(server, head, path)
    };
    match origin::named(head) {
        Some(origin) if guarded || caller != Caller::Foreign => {
            response.header("Access-Control-Allow-Origin", origin).header("Vary", "Origin")
        }
        _ => response,
    }
}

/// `/metrics`, which asks for the security token too where there is one: names of services may tell something.
pub(super) fn metrics(server: &Server, head: &Head) -> Response {
    if !has_token(server, head) {
        return unauthorised();
    }
    if head.method != "GET" && head.method != "HEAD" {
        return Response::error(405, "metrics are read with GET").header("Allow", "GET, HEAD");
    }
    let instances = server.registry.status();
    let names = server.services.iter().map(|service| service.name.as_str());
    server.metrics.answer(names.zip(instances.iter().map(Vec::as_slice)))
}

/// A no to who shows no good token.
pub(super) fn unauthorised() -> Response {
    Response::error(401, "the security token is missing or wrong")
        .header("WWW-Authenticate", "Bearer realm=\"websocketserver\"")
}

/// Whether the request carries the security token, or none is asked for.
pub(super) fn has_token(server: &Server, head: &Head) -> bool {
    token::is_authorised(head, server.config.security_token.as_deref())
}

/// What a browser asks before it lets a page call (Fetch standard, CORS preflight). It carries no token.
pub(super) fn preflight(head: &Head, allow: &'static str) -> Response {
    let response = Response::empty(204).header("Allow", allow);
    if head.header("access-control-request-method").is_none() {
        return response;
    }
    response
        .header("Access-Control-Allow-Methods", "GET, PUT, OPTIONS")
        .header("Access-Control-Allow-Headers", "authorization, content-type")
        .header("Access-Control-Max-Age", "600")
}

fn call(server: &Server, head: &Head, path: &str) -> Response {
    let path = path.trim_end_matches('/');
    let (verb, argument) = path.split_once('/').unwrap_or((path, ""));
    // HEAD asks and changes nothing.
    let changes = head.method == "GET";
    match (verb, argument) {
        ("status", "") => services::status(server),
        ("status_view", "") => services::status_view(server),
        ("reserve", name) if !name.is_empty() && changes => services::reserve(server, head, name),
        ("release", token) if !token.is_empty() && changes => services::release(server, token),
        ("stop", "") => {
            if changes {
                server.stop.request("/v1/stop");
            }
            Response::json(200, &json!({ "status": "stopping" })).closing()
        }
        ("reserve" | "release", name) if !name.is_empty() => Response::empty(200),
        _ => Response::error(404, "there is no such call in this API; see /v1/status"),
    }
}
