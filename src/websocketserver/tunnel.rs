//! Which target a websocket is for, and its life from handshake to end.

mod claimed;

use std::net::{SocketAddr, TcpStream};
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
use crate::net::tunnel::{Epitaph, Summary, Tunnel};
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
#[inline(never)] // off the stack when the client is answered
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
///
/// It and what it calls keep their frames small, each for itself: a page of stack that was touched once stays for as long
/// as the tunnel does, and they decide whether it has two pages or three.
pub(super) fn serve(server: &Server, websocket: Websocket, way: Way) {
    websocket.permit.watch(&Arc::new(Unjoined(Arc::clone(&websocket.sink))));
    match way {
        Way::Fixed(target) => serve_fixed(server, websocket, &target),
        Way::Claimed(claim, endpoint) => serve_claimed(server, websocket, claim, endpoint.as_deref()),
    }
}

#[inline(never)]
fn serve_fixed(server: &Server, websocket: Websocket, target: &Target) {
    let Websocket { sink, early, peer, permit } = websocket;
    let names = Names { id: permit.id(), peer, target: backend::show(&target.host, target.port) };
    match backend::connect(&target.host, target.port) {
        Ok(backend) => run(server, &join(server, sink, backend, None), &names, &permit, early, ()),
        Err(reason) => dismiss(&sink, &names, 1011, &reason),
    }
}

#[inline(never)]
fn serve_claimed(server: &Server, websocket: Websocket, claim: Claim, endpoint: Option<&str>) {
    let Websocket { sink, early, peer, permit } = websocket;
    let names = Names { id: permit.id(), peer, target: claim.instance().to_owned() };
    match await_backend(server, &claim, &sink, early, endpoint) {
        Ok((backend, early)) => {
            let tunnel = join(server, sink, backend, Some(Box::new(claim.epitaphs())));
            claim.attach(&tunnel);
            run(server, &tunnel, &names, &permit, early, claim);
        }
        Err(missed) => {
            drop(claim);
            regret(&sink, &names, missed);
        }
    }
}

/// Waits for what was launched to be there, and connects it.
#[inline(never)]
fn await_backend(
    server: &Server,
    claim: &Claim,
    sink: &Sink,
    early: Vec<u8>,
    endpoint: Option<&str>,
) -> Result<(TcpStream, Vec<u8>), Missed> {
    let mut waiting = Waiting::new(claim, sink, server.config.heartbeat).with_early(early)?;
    let backend = waiting.connect(endpoint, server.config.services.launch_timeout)?;
    Ok((backend, waiting.into_early()))
}

#[inline(never)]
fn join(server: &Server, sink: Arc<Sink>, backend: TcpStream, epitaph: Option<Epitaph>) -> Arc<Tunnel> {
    let tunnel = Tunnel::new(sink, backend, server.config.heartbeat, server.helpers.clone());
    Arc::new(match epitaph {
        Some(epitaph) => tunnel.with_epitaph(epitaph),
        None => tunnel,
    })
}

#[inline(never)]
fn regret(sink: &Sink, names: &Names, missed: Missed) {
    let Names { id, peer, target } = names;
    match missed {
        Missed::Close(code, reason) => dismiss(sink, names, code, &reason),
        Missed::Goodbye => {
            log::info!("tunnel {id}: {peer} said goodbye before {target} was there");
            sink.dismiss(1000, "");
        }
        Missed::ClientGone => log::info!("tunnel {id}: {peer} left before {target} was there"),
    }
}

fn dismiss(sink: &Sink, names: &Names, code: u16, reason: &str) {
    let Names { id, peer, target } = names;
    log::warn!("tunnel {id}: {peer} to {target} closed with {code}: {reason}");
    sink.dismiss(code, reason);
}

/// Tunnels; `client_gone` is given back when the client is gone.
#[inline(never)]
fn run<G: Send>(server: &Server, tunnel: &Arc<Tunnel>, names: &Names, permit: &Permit, early: Vec<u8>, client_gone: G) {
    let Names { id, peer, target } = names;
    permit.watch(tunnel);
    log::info!("tunnel {id}: {peer} to {target} opened");
    let _counted = server.metrics.tunnel(*id, tunnel);
    let began = Instant::now();
    let summary = tunnel.run(early, client_gone);
    report(names, &summary, began.elapsed().as_secs_f64());
}

#[inline(never)]
fn report(names: &Names, summary: &Summary, seconds: f64) {
    let Names { id, peer, target } = names;
    let Summary { up, down, end } = summary;
    let level = if end.is_normal() { log::Level::Info } else { log::Level::Warn };
    log::log!(
        level,
        "tunnel {id}: {peer} to {target} ended after {seconds:.1} s, {up} bytes up, {down} bytes down: {end}"
    );
}
