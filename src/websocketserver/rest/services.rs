//! The calls about services: reserve, release, status.

use std::sync::Arc;
use std::time::SystemTime;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::Server;
use super::super::registry::{InstanceStatus, Options, Phase, Refused};
use super::super::services::{ServiceSpec, check_options};
use super::super::status_page;
use super::super::token::{self, SECURITY_TOKEN};
use crate::net::http::query;
use crate::net::http::request::Head;
use crate::net::http::response::Response;

/// Seconds after which a client may try again when all instances are taken.
const RETRY_AFTER: &str = "5";

/// Whether `path` reserves a service whose group token the request carries.
pub(super) fn is_group_call(server: &Server, head: &Head, path: &str) -> bool {
    let named = path.strip_prefix("reserve/").and_then(|name| find(server, name));
    named.is_some_and(|(_, service)| has_group_token(service, head))
}

fn has_group_token(service: &ServiceSpec, head: &Head) -> bool {
    service.group_token.is_some() && token::is_authorised(head, service.group_token.as_deref())
}

/// The service that a percent-encoded name of a URL means.
fn find<'a>(server: &'a Server, name: &str) -> Option<(usize, &'a ServiceSpec)> {
    let name = percent_decode_str(name.trim_end_matches('/')).decode_utf8().ok()?;
    let spec = server.services.get(&name)?;
    let at = server.services.iter().position(|other| Arc::ptr_eq(other, spec))?;
    Some((at, spec))
}

/// `/v1/reserve/{service}?option=value…`
pub(super) fn reserve(server: &Server, head: &Head, name: &str) -> Response {
    let Some((at, service)) = find(server, name) else {
        return Response::error(404, "there is no service of this name; see /v1/status");
    };
    let guarded = server.config.security_token.is_some();
    if !guarded && service.group_token.is_some() && !has_group_token(service, head) {
        return Response::error(403, "this service is for a group; its token is missing or wrong");
    }
    let pairs = query::parse(head.query.as_deref().unwrap_or_default());
    let options: Options = pairs.into_iter().filter(|(key, _)| key != SECURITY_TOKEN).collect();
    if let Err(reason) = check_options(service, &options) {
        return Response::error(400, &reason);
    }
    match server.registry.reserve(at, options) {
        Ok(reservation) => {
            log::info!("{} #{}: reserved", service.name, reservation.index);
            server.metrics.reservation(&service.name, "made");
            Response::json(
                200,
                &json!({
                    "token": reservation.token,
                    "service": service.name,
                    "index": reservation.index,
                    "expires_in": server.config.services.timeout.as_secs_f64(),
                }),
            )
        }
        Err(Refused::Stopping) => Response::error(503, "the server is stopping"),
        Err(_) => {
            server.metrics.reservation(&service.name, "refused");
            let sentence = format!("all {} instances of this service are taken", service.count);
            Response::error(503, &sentence).header("Retry-After", RETRY_AFTER)
        }
    }
}

/// `/v1/release/{token}`
pub(super) fn release(server: &Server, token: &str) -> Response {
    match server.registry.release(token) {
        Ok(()) => Response::json(200, &json!({ "status": "released" })),
        Err(_) => Response::error(404, "the token is unknown, expired or released"),
    }
}

/// `/v1/status`
pub(super) fn status(server: &Server) -> Response {
    let services = server.services.iter().zip(server.registry.status());
    let list: Vec<Value> = services
        .map(|(service, instances)| {
            json!({
                "name": service.name,
                "instances": instances.iter().map(instance).collect::<Vec<_>>(),
                "common_options": service.options,
            })
        })
        .collect();
    Response::json(200, &Value::Array(list)).header("Cache-Control", "no-store")
}

/// `/v1/status_view`
pub(super) fn status_view(server: &Server) -> Response {
    let instances = server.registry.status();
    let names = server.services.iter().map(|service| service.name.as_str());
    let listed: Vec<_> = names.zip(instances.iter().map(Vec::as_slice)).collect();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    status_page::page(&listed, now.as_secs_f64(), &Uuid::new_v4().simple().to_string())
}

/// Existing clients read the first four keys; the others are ours.
fn instance(status: &InstanceStatus) -> Value {
    json!({
        "index": status.index,
        "token": status.token,
        "timestamp": status.timestamp,
        "options": status.options,
        "state": state_name(status.phase),
        "connections": status.connections,
        "bytes_up": status.bytes.0,
        "bytes_down": status.bytes.1,
        "expires_in": status.expires_in.map(|time| time.as_secs_f64()),
        "error": status.error,
    })
}

/// The word for a phase, in JSON, the page and the metrics.
pub(in crate::websocketserver) fn state_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Free => "free",
        Phase::Reserved => "reserved",
        Phase::Launching => "launching",
        Phase::Active => "active",
        Phase::Grace => "grace",
        Phase::Stopping => "stopping",
    }
}
