//! `scalesocket`: a command behind websockets, one process per room, shared by the room's members.

mod backlog;
pub mod config;
mod env;
mod feed;
pub mod framing;
mod http;
mod journal;
mod lobby;
mod mailbox;
mod member;
mod metrics;
mod room;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;

pub use config::Config;

use crate::net::acceptor::{self, Acceptor};
use crate::net::http::connection::{self, Answer, Request, Service};
use crate::net::http::files::Files;
use crate::net::http::origin::{self, Caller};
use crate::net::http::request::Head;
use crate::net::http::response::Response;
use crate::net::live::Live;
use crate::net::tls::TlsSource;
use crate::net::upkeep;
use crate::net::websocket::handshake::{self, Protocols};
use crate::sys::limits::{self, Kind};
use crate::sys::logging::{LogControl, LogFormat, START};
use crate::sys::process::{self, Processes, guardian};
use crate::sys::stop::Stop;
use config::FrameMode;
use env::Visit;
use framing::Tagger;
use journal::Journal;
use metrics::Metrics;
use room::{Setup, Tools};

/// How long rooms may take to end at a stop, members included.
const STOP_PATIENCE: Duration = Duration::from_secs(8);
/// How long connections may take after that, once they were cut.
const ABORT_PATIENCE: Duration = Duration::from_secs(2);

/// What every connection needs to know.
struct Server {
    setup: Setup,
    lobby: lobby::Handle,
    metrics: Metrics,
    tagger: Tagger,
    files: Option<Files>,
    tools: Tools,
}

/// Runs the server until it is told to stop, or has done its work.
///
/// # Errors
/// A sentence about what kept it from starting: the address, a certificate, a directory.
pub fn serve(config: Config, log: &LogControl) -> Result<(), String> {
    let descriptors = process::descriptors();
    limits::raise_descriptors();
    let tls = config.tls.clone().map(TlsSource::load).transpose()?.map(Arc::new);
    let files = config.static_dir.as_deref().map(Files::new).transpose()?;
    let listener = acceptor::bind(Some(config.address.ip()), config.address.port())?;
    let address = listener.local_addr().map_err(|error| format!("cannot read the listener's address: {error}"))?;
    let live = Live::new(limits::allowance(Kind::Rooms, config.max_connections).connections);
    let stop = Stop::default();
    upkeep::handle_signals(&stop, log, tls.clone())?;
    let cannot = |error: std::io::Error| format!("cannot start a thread: {error}");
    let processes = Arc::new(Processes::start(Some(guardian::command())).map_err(cannot)?);
    let journal = Journal { json: config.log.format == LogFormat::Json };
    let setup = Setup { journal, config: Arc::new(config) };
    let lobby = lobby::start(setup.clone(), address.port(), stop.clone()).map_err(cannot)?;
    let server = Arc::new(Server {
        tagger: Tagger::new(&setup.config.data),
        setup,
        lobby: lobby.clone(),
        metrics: Metrics::default(),
        files,
        tools: Tools { processes, descriptors },
    });
    let door = Door(Arc::clone(&server));
    let certificate = tls.clone();
    let serve = move |accepted| connection::serve(accepted, certificate.as_deref(), &door);
    let acceptor = Acceptor::start(listener, "scalesocket", live.clone(), &[], serve).map_err(cannot)?;
    announce(address);
    let reason = stop.wait();
    // The words of the original.
    let why = if reason.starts_with("SIG") { "received signal" } else { reason.as_str() };
    log::info!("{why}, shutting down");
    drop(acceptor);
    end(&live, &lobby);
    Ok(())
}

/// Scripts read the address from this line.
fn announce(address: SocketAddr) {
    log::info!(target: START, "listening at {address}");
}

/// Ends connections and rooms: commands hear of it first, and their last words still reach the members.
fn end(live: &Live, lobby: &lobby::Handle) {
    let began = Instant::now();
    let gone = lobby.shut_down();
    live.end_all();
    if gone.recv_timeout(STOP_PATIENCE) == Err(RecvTimeoutError::Timeout) {
        log::warn!("commands are left that did not end; the guardian ends them");
    }
    if !live.wait_empty(STOP_PATIENCE.saturating_sub(began.elapsed())) {
        log::warn!("{} connections did not end by themselves and are cut", live.count());
        live.abort_all();
        live.wait_empty(ABORT_PATIENCE);
    }
}

/// The one port.
struct Door(Arc<Server>);

impl Service for Door {
    fn answer(&self, request: &mut Request<'_>) -> Answer {
        let server = &self.0;
        match room_name(request.head) {
            Some(room) => server.websocket(request, room),
            None => http::answer(server, request.head).into(),
        }
    }

    fn extra_headers(&self) -> &[(String, String)] {
        &[]
    }
}

/// A peer's address as a listener of `own` family has it, for commands that know the original.
fn as_seen(peer: SocketAddr, own: SocketAddr) -> SocketAddr {
    match peer.ip() {
        IpAddr::V4(ip) if own.is_ipv6() => SocketAddr::new(ip.to_ipv6_mapped().into(), peer.port()),
        _ => peer,
    }
}

/// The room that a websocket is for: the one segment of the path as it was sent.
fn room_name(head: &Head) -> Option<&str> {
    let name = head.path.strip_prefix('/')?;
    let name = name.strip_suffix('/').unwrap_or(name);
    (head.wants_websocket() && !name.is_empty() && !name.contains('/')).then_some(name)
}

impl Server {
    fn websocket(self: &Arc<Self>, request: &Request<'_>, room: &str) -> Answer {
        let head = request.head;
        let handshake = match handshake::check(head, Protocols::First) {
            Ok(handshake) => handshake,
            Err(refusal) => return (*refusal).into(),
        };
        let config = &self.setup.config;
        if origin::caller(head, &config.allow_origins) == Caller::Foreign {
            log::info!("{}: websocket refused: a page of another site", request.peer);
            return Response::error(403, "a page of another site may not connect; see --allow_origin").into();
        }
        if config.rooms.as_ref().is_some_and(|rooms| !rooms.iter().any(|allowed| allowed == room)) {
            return http::plain(400, "Invalid room").into();
        }
        let query = head.query.clone().unwrap_or_default();
        let visit = Visit { room: room.to_owned(), query, peer: as_seen(request.peer, config.address) };
        let server = Arc::clone(self);
        Answer::Websocket(handshake, Box::new(move |websocket| member::serve(&server, websocket, &visit)))
    }

    /// Whether what is said to the command is JSON, so that our own messages have to be too.
    fn speaks_json(&self) -> bool {
        self.setup.config.data.client_frame == Some(FrameMode::Json)
    }
}
