//! Which target a websocket is for, and its life from handshake to end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Server;
use super::config::Target;
use super::origin::{self, Caller};
use crate::net::backend;
use crate::net::http::connection::Websocket;
use crate::net::http::query;
use crate::net::http::request::Head;
use crate::net::tunnel::{Summary, Tunnel};
use crate::net::websocket::sink::Unjoined;

/// A no that the client sees as an HTTP answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) sentence: String,
}

fn refuse<T>(status: u16, sentence: &str) -> Result<T, Refusal> {
    Err(Refusal { status, sentence: sentence.to_owned() })
}

/// Chooses the target: the token decides, the path says nothing.
pub(super) fn choose(server: &Server, head: &Head) -> Result<Target, Refusal> {
    let config = &server.config;
    let caller = origin::caller(head, &config.allow_origins);
    let pairs = query::parse(head.query.as_deref().unwrap_or_default());
    let token = query::get(&pairs, "token");
    // A token is a proof of its own, unless origins are listed explicitly.
    if caller == Caller::Foreign && (token.is_none() || !config.allow_origins.is_empty()) {
        return refuse(403, "a page of another site may not connect; see --allow_origin");
    }
    if token.is_some() {
        return refuse(403, "the token is unknown, expired or released");
    }
    match &config.target {
        Some(target) => Ok(target.clone()),
        // A cookie may be left over from another session, so it decides only where nothing else does.
        None if cookie(head, "token").is_some() => refuse(403, "the token is unknown, expired or released"),
        None => refuse(404, "there is no target without a token: --client_port was not given"),
    }
}

/// The value of a cookie (RFC 6265 section 4.2).
fn cookie<'a>(head: &'a Head, name: &'a str) -> Option<&'a str> {
    head.headers("cookie")
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// Connects the target and tunnels until either side ends.
pub(super) fn serve(websocket: Websocket, target: &Target, heartbeat: Option<Duration>) {
    let Websocket { sink, early, peer, permit } = websocket;
    let name = backend::show(&target.host, target.port);
    let id = permit.id();
    permit.watch(&Arc::new(Unjoined(Arc::clone(&sink))));
    let backend = match backend::connect(&target.host, target.port) {
        Ok(backend) => backend,
        Err(reason) => {
            log::warn!("tunnel {id}: {peer}: {reason}");
            sink.dismiss(1011, &reason);
            return;
        }
    };
    let began = Instant::now();
    let tunnel = Arc::new(Tunnel::new(sink, backend, heartbeat));
    permit.watch(&tunnel);
    log::info!("tunnel {id}: {peer} to {name} opened");
    let Summary { up, down, end } = tunnel.run(early, ());
    let seconds = began.elapsed().as_secs_f64();
    let level = if end.is_normal() { log::Level::Info } else { log::Level::Warn };
    log::log!(
        level,
        "tunnel {id}: {peer} to {name} ended after {seconds:.1} s, {up} bytes up, {down} bytes down: {end}"
    );
}
