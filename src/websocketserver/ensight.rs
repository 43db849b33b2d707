//! EnSight's REST API (`/ensight/v1/{sessionid}/…`): who may call it, which EnSight is meant, and what is answered.
//!
//! `operation` reads the request, `plan` turns it into Python, `grpc` asks EnSight.

mod call;
mod events;
mod grpc;
mod line;
mod messages;
mod operation;
mod plan;
mod python;
mod status;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::Server;
use super::config::Config;
use super::launch::{Endpoint, Started};
use super::rest;
use super::services::Services;
use super::token;
use crate::net::http::body::BodyError;
use crate::net::http::connection::{Answer, Request};
use crate::net::http::origin::{self, Caller};
use crate::net::http::request::Head;
use crate::net::http::response::Response;
use grpc::Link;
use line::{Address, Line};
use operation::{Operation, Parameters, Unknown};
use plan::Body;

/// Names the folder with our certificate for mutual TLS.
const CERTIFICATES: &str = "ANSYS_GRPC_CERTIFICATES";
/// Bytes of a request's body: a command that sends a picture or a table is large.
const MOST_BODY: usize = 64 << 20;
/// How long a call waits for the instance of a reservation to be started.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked for.
const START_LOOK: Duration = Duration::from_millis(100);

/// Each EnSight that can be talked to: that of `--grpc_port`, and those of reservations.
pub(super) struct EnSight {
    link: Link,
    /// The one of `--grpc_port`.
    main: Option<Line>,
    /// What the tags of our events begin with.
    events: String,
    /// Those that know the helper.
    helped: Mutex<HashSet<Line>>,
    /// How long a call may take.
    patience: Duration,
}

impl EnSight {
    /// Prepares for calls; `None` when there is nothing to talk to. EnSight itself may come later.
    ///
    /// # Errors
    /// No thread can be made.
    pub(super) fn open(config: &Config, services: &Services) -> Result<Option<Self>, String> {
        if config.http.is_none() || (config.grpc.is_none() && services.is_empty()) {
            return Ok(None);
        }
        let folder = std::env::var_os(CERTIFICATES).filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let main = config
            .grpc
            .as_ref()
            .map(|grpc| Line { address: Address::of(grpc, folder.as_deref()), secret: config.security_token.clone() });
        let session = Uuid::new_v4().to_string();
        let events = format!("grpc://{session}/");
        let link =
            Link::start(session, events.clone()).map_err(|error| format!("cannot start a thread for gRPC: {error}"))?;
        let patience = config.grpc_timeout;
        Ok(Some(Self { link, main, events, helped: Mutex::default(), patience }))
    }

    /// Answers a call; `path` is what follows `/ensight/`.
    pub(super) fn answer(&self, server: &Server, request: &mut Request<'_>, path: &str) -> Answer {
        let head = request.head;
        let (answer, proven) = match self.admit(server, head, path) {
            Err(refusal) => (Answer::Respond(*refusal), false),
            Ok((line, segments)) => (self.perform(server, request, &line, &segments), true),
        };
        // Who shows a token may be a page of any site. Without one to show, pages of other sites get nothing.
        let guarded = server.config.security_token.is_some() || !server.services.is_empty();
        let open = proven || guarded || origin::caller(head, &server.config.allow_origins) != Caller::Foreign;
        match origin::named(head) {
            Some(origin) if open => {
                answer.with_header("Access-Control-Allow-Origin", origin).with_header("Vary", "Origin")
            }
            _ => answer,
        }
    }

    /// Decides who may call, and which EnSight is meant; also answers what needs neither. The segments are those of
    /// the operation.
    fn admit(&self, server: &Server, head: &Head, path: &str) -> Result<(Line, Vec<String>), Box<Response>> {
        let no = |status, sentence: &str| Err(Box::new(Response::error(status, sentence)));
        let mut segments = operation::segments(path).unwrap_or_default().into_iter();
        let (Some("v1"), Some(session)) = (segments.next().as_deref(), segments.next()) else {
            return no(404, "there is no such call in this API: paths are /ensight/v1/{sessionid}/…");
        };
        let segments: Vec<String> = segments.collect();
        if head.method == "OPTIONS" {
            // Browsers send no token with it.
            let allowed = match operation::find(head, &segments) {
                Err(Unknown::Method(allowed)) => allowed,
                _ => "OPTIONS",
            };
            return Err(Box::new(rest::preflight(head, allowed)));
        }
        // If both are given the header counts, and the path may hold anything.
        let token = token::bearer(head).unwrap_or(&session);
        let secret = server.config.security_token.as_deref();
        if !secret.is_some_and(|secret| token::same(token, secret)) {
            if let Some(line) = self.reserved(server, token)? {
                return Ok((line, segments));
            }
            if secret.is_some() {
                return Err(Box::new(rest::unauthorised()));
            }
            if origin::caller(head, &server.config.allow_origins) == Caller::Foreign {
                return no(403, "a page of another site may not call this API; see --allow_origin");
            }
        }
        match &self.main {
            Some(line) => Ok((line.clone(), segments)),
            None if secret.is_none() => Err(Box::new(rest::unauthorised())),
            None => no(404, "there is no EnSight but those of reservations: --grpc_port was not given"),
        }
    }

    /// The instance that a reservation's token means; `None` when it is no such token.
    fn reserved(&self, server: &Server, token: &str) -> Result<Option<Line>, Box<Response>> {
        if server.services.is_empty() {
            return Ok(None);
        }
        let deadline = Instant::now() + START_PATIENCE.min(self.patience);
        loop {
            match server.registry.started(token) {
                Err(_) => return Ok(None),
                Ok(Some(started)) => return line_of(&started, token).map(Some).map_err(Box::new),
                // A page may call before its websocket, which launches the instance, has come.
                Ok(None) if Instant::now() < deadline => {
                    if server.stop.wait_timeout(START_LOOK) {
                        return Err(Box::new(Response::error(503, "the server is stopping")));
                    }
                }
                Ok(None) => {
                    let sentence = "nothing was launched for this reservation yet: its websocket does that";
                    return Err(Box::new(Response::error(502, sentence)));
                }
            }
        }
    }

    /// Does what the operation of these segments asks for.
    fn perform(&self, server: &Server, request: &mut Request<'_>, line: &Line, segments: &[String]) -> Answer {
        let head = request.head;
        let operation = match operation::find(head, segments) {
            Ok(operation) => operation,
            Err(Unknown::Path) => return Response::error(404, "there is no such call in this API").into(),
            Err(Unknown::Method(allowed)) => {
                let sentence = format!("this call is made with {}", allowed.trim_end_matches(", OPTIONS"));
                return Response::error(405, &sentence).header("Allow", allowed).into();
            }
        };
        if operation == Operation::CallbackStream {
            return events::stream(self.link.listen(line));
        }
        let bytes = match request.body.read(MOST_BODY) {
            Ok(bytes) => bytes,
            Err(BodyError::Refused(status, sentence)) => return Response::error(status, sentence).closing().into(),
            Err(BodyError::Gone(error)) => {
                log::debug!("{}: the body was lost: {error}", request.peer);
                return Response::error(400, "the body was lost").closing().into();
            }
        };
        let plan = Parameters::read(head.query.as_deref()).map_err(|sentence| (400, sentence)).and_then(|with| {
            let body = Body::new(bytes, head.header("content-type"))?;
            plan::plan(&operation, &with, &body, &self.events)
        });
        match plan {
            Ok(plan) => self.run(server, line, &plan).into(),
            Err((status, sentence)) => Response::error(status, &sentence).into(),
        }
    }
}

/// The gRPC service of a reservation's instance. Its secret is the reservation's token.
fn line_of(started: &Started, token: &str) -> Result<Line, Response> {
    let Some(port) = started.grpc_port else {
        return Err(Response::error(502, "the service of this reservation has no gRPC service"));
    };
    let host = match &started.default {
        Endpoint::Tcp { host, .. } => host.clone(),
        _ => "127.0.0.1".to_owned(),
    };
    let target = super::config::Target { host, port };
    Ok(Line { address: Address::Tcp(target), secret: Some(token.to_owned()) })
}
