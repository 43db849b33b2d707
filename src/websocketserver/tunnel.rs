//! Which target a websocket is for, and its life from handshake to end.

mod claimed;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::Server;
use super::config::Target;
use super::registry::Claim;
use crate::net::backend;
use crate::net::http::connection::Websocket;
use crate::net::http::origin::{self, Caller};
use crate::net::http::query;
use crate::net::http::request::Head;
use crate::net::live::Permit;
use crate::net::tunnel::{Summary, Tunnel};
use crate::net::websocket::sink::{Sink, Unjoined};
use claimed::{Missed, Waiting};

/// A no that the client sees as an HTTP answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) sentence: String,
}

fn refuse<T>(status: u16, sentence: &str) -> Result<T, Refusal> {
    Err(Refusal { status, sentence: sentence.to_owned() })
}

/// What a websocket is connected to.
pub(super) enum Way {
    /// The fixed target.
    Fixed(Target),
    /// The instance of a reservation; its endpoint by name, `None` is the first.
    Claimed(Claim, Option<String>),
}

/// Chooses the way: the token decides, the path says nothing.
pub(super) fn choose(server: &Server, head: &Head) -> Result<Way, Refusal> {
    let config = &server.config;
    let caller = origin::caller(head, &config.allow_origins);
    let pairs = query::parse(head.query.as_deref().unwrap_or_default());
    let token = query::get(&pairs, "token").filter(|token| !token.is_empty());
    // A token is a proof of its own, unless origins are listed explicitly.
    if caller == Caller::Foreign && (token.is_none() || !config.allow_origins.is_empty()) {
        return refuse(403, "a page of another site may not connect; see --allow_origin");
    }
    let claim = |token: &str| {
        let claim = server.registry.claim(token);
        claim.map(|claim| Way::Claimed(claim, query::get(&pairs, "endpoint").map(str::to_owned)))
    };
    // A cookie may be left over from another session: it decides only where it is known or nothing else does.
    match (token, cookie(head, "token"), &config.target) {
        (Some(token), _, _) => claim(token).or_else(|_| refuse(403, UNKNOWN_TOKEN)),
        (None, Some(token), Some(target)) => claim(token).or_else(|_| Ok(Way::Fixed(target.clone()))),
        (None, Some(token), None) => claim(token).or_else(|_| refuse(403, UNKNOWN_TOKEN)),
        (None, None, Some(target)) => Ok(Way::Fixed(target.clone())),
        (None, None, None) => refuse(404, "there is no target without a token: --client_port was not given"),
    }
}

const UNKNOWN_TOKEN: &str = "the token is unknown, expired or released";

/// The value of a cookie (RFC 6265 section 4.2).
fn cookie<'a>(head: &'a Head, name: &'a str) -> Option<&'a str> {
    head.headers("cookie")
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// What the log says of a tunnel.
struct Names {
    id: u64,
    peer: SocketAddr,
    target: String,
}

/// Connects the backend and tunnels until either side ends.
pub(super) fn serve(server: &Server, websocket: Websocket, way: Way) {
    let Websocket { sink, early, peer, permit } = websocket;
    permit.watch(&Arc::new(Unjoined(Arc::clone(&sink))));
    let id = permit.id();
    let heartbeat = server.config.heartbeat;
    match way {
        Way::Fixed(target) => {
            let names = Names { id, peer, target: backend::show(&target.host, target.port) };
            match backend::connect(&target.host, target.port) {
                Ok(backend) => {
                    let tunnel = Arc::new(Tunnel::new(sink, backend, heartbeat, server.helpers.clone()));
                    run(server, &tunnel, &names, &permit, early, ());
                }
                Err(reason) => dismiss(&sink, &names, 1011, &reason),
            }
        }
        Way::Claimed(claim, endpoint) => {
            let names = Names { id, peer, target: claim.instance().to_owned() };
            let patience = server.config.services.launch_timeout;
            let waited = Waiting::new(&claim, &sink, heartbeat).with_early(early).and_then(|mut waiting| {
                let backend = waiting.connect(endpoint.as_deref(), patience)?;
                Ok((backend, waiting.into_early()))
            });
            match waited {
                Ok((backend, early)) => {
                    let epitaphs = Box::new(claim.epitaphs());
                    let tunnel =
                        Arc::new(Tunnel::new(sink, backend, heartbeat, server.helpers.clone()).with_epitaph(epitaphs));
                    claim.attach(&tunnel);
                    run(server, &tunnel, &names, &permit, early, claim);
                }
                Err(Missed::Close(code, reason)) => {
                    drop(claim);
                    dismiss(&sink, &names, code, &reason);
                }
                Err(Missed::Goodbye) => {
                    drop(claim);
                    log::info!("tunnel {id}: {peer} said goodbye before {} was there", names.target);
                    sink.dismiss(1000, "");
                }
                Err(Missed::ClientGone) => log::info!("tunnel {id}: {peer} left before {} was there", names.target),
            }
        }
    }
}

fn dismiss(sink: &Sink, names: &Names, code: u16, reason: &str) {
    let Names { id, peer, target } = names;
    log::warn!("tunnel {id}: {peer} to {target} closed with {code}: {reason}");
    sink.dismiss(code, reason);
}

/// Tunnels; `client_gone` is given back when the client is gone.
fn run<G: Send>(server: &Server, tunnel: &Arc<Tunnel>, names: &Names, permit: &Permit, early: Vec<u8>, client_gone: G) {
    let Names { id, peer, target } = names;
    permit.watch(tunnel);
    log::info!("tunnel {id}: {peer} to {target} opened");
    let _counted = server.metrics.tunnel(*id, tunnel);
    let began = Instant::now();
    let Summary { up, down, end } = tunnel.run(early, client_gone);
    let seconds = began.elapsed().as_secs_f64();
    let level = if end.is_normal() { log::Level::Info } else { log::Level::Warn };
    log::log!(
        level,
        "tunnel {id}: {peer} to {target} ended after {seconds:.1} s, {up} bytes up, {down} bytes down: {end}"
    );
}
