//! `websocketserver`: a websocket to TCP tunnel with files, a REST API and launched services.

pub mod ansys;
pub mod config;
#[cfg(feature = "ensight")]
mod ensight;
#[cfg(not(feature = "ensight"))]
#[path = "websocketserver/ensight/absent.rs"]
mod ensight;
pub mod launch;
mod metrics;
pub mod registry;
mod rest;
mod route;
pub mod services;
mod status_page;
mod token;
mod tunnel;

use std::borrow::Cow;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;

pub use config::Config;

use crate::net::acceptor::{self, Acceptor};
use crate::net::http::connection::{self, Answer, Request, Service};
use crate::net::http::request::Head;
use crate::net::http::response::Response;
use crate::net::live::Live;
use crate::net::tls::TlsSource;
use crate::net::tunnel::Helpers;
use crate::net::upkeep;
use crate::net::websocket::handshake::{self, Protocols};
use crate::sys::limits::{self, Kind};
use crate::sys::logging::{LogControl, START};
use crate::sys::process;
use crate::sys::stop::Stop;
use ansys::Site;
use ensight::EnSight;
use launch::Context;
use metrics::Metrics;
use registry::Rules;
use route::{PortKind, Route};
use services::Services;

/// How long connections may take to end by themselves at a stop.
const END_PATIENCE: Duration = Duration::from_secs(5);
/// How long everything may take, instances included.
const STOP_PATIENCE: Duration = Duration::from_millis(9_500);
/// How long they may take once they were cut.
const ABORT_PATIENCE: Duration = Duration::from_secs(2);

/// What every connection needs to know.
struct Server {
    config: Config,
    site: Option<Site>,
    services: Services,
    registry: registry::Handle,
    ensight: Option<EnSight>,
    metrics: Arc<Metrics>,
    helpers: Helpers,
    stop: Stop,
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// A sentence about what kept it from starting: a port, a certificate, a directory.
pub fn serve(config: Config, log: &LogControl) -> Result<(), String> {
    let descriptors = process::descriptors();
    limits::raise_descriptors();
    let tls = config.tls.clone().map(TlsSource::load).transpose()?.map(Arc::new);
    let site = config.http.as_ref().map(|http| Site::open(&http.directory, config.install_root.as_deref()));
    let site = site.transpose()?;
    let services = Services::load(&config)?;
    let ports = bind(&config)?;
    let allowance = limits::allowance(Kind::Tunnels, config.max_connections);
    let live = Live::new(allowance.connections);
    warn_about(&config, &services);
    let stop = Stop::default();
    upkeep::handle_signals(&stop, log, tls.clone())?;
    let metrics = Arc::new(Metrics::default());
    let registry = start_registry(&config, &services, descriptors, &metrics)?;
    let ensight = EnSight::open(&config, &services)?;
    let server = Arc::new(Server {
        config,
        site,
        services,
        registry: registry.clone(),
        ensight,
        metrics,
        helpers: Helpers::new(allowance.helpers),
        stop: stop.clone(),
    });
    let acceptors = accept(ports, &server, tls.as_ref(), &live)?;
    let reason = stop.wait();
    log::info!("stopping: {reason}");
    drop(acceptors);
    end(&live, &registry);
    log::info!("stopped");
    Ok(())
}

fn start_registry(
    config: &Config,
    services: &Services,
    descriptors: Option<u64>,
    metrics: &Arc<Metrics>,
) -> Result<registry::Handle, String> {
    let context = if services.is_empty() { None } else { Some(Context::open(config, services, descriptors)?) };
    registry::start(services, rules(config), context, Arc::clone(metrics))
        .map_err(|error| format!("cannot start a thread: {error}"))
}

/// The registry of `services` by itself, which cannot launch any of them: for measurements.
///
/// # Errors
/// No thread can be made.
pub fn registry_alone(config: &Config, services: &Services) -> std::io::Result<registry::Handle> {
    registry::start(services, rules(config), None, Arc::default())
}

fn rules(config: &Config) -> Rules {
    Rules {
        timeout: config.services.timeout,
        reconnect_grace: config.services.reconnect_grace,
        launch_timeout: config.services.launch_timeout,
    }
}

/// Ends connections and instances, all at the same time.
fn end(live: &Live, registry: &registry::Handle) {
    let began = Instant::now();
    let gone = registry.shut_down();
    live.end_all();
    if !live.wait_empty(END_PATIENCE) {
        log::warn!("{} connections did not end by themselves and are cut", live.count());
        live.abort_all();
        live.wait_empty(ABORT_PATIENCE);
    }
    if gone.recv_timeout(STOP_PATIENCE.saturating_sub(began.elapsed())) == Err(RecvTimeoutError::Timeout) {
        log::warn!("services are left that did not end; the guardian ends them");
    }
}

fn bind(config: &Config) -> Result<Vec<(PortKind, TcpListener)>, String> {
    let http = config.http.as_ref().map(|http| (PortKind::Http, http.port));
    let ws = config.ws_port.map(|port| (PortKind::Websocket, port));
    let wanted = [http, ws].into_iter().flatten();
    wanted.map(|(kind, port)| Ok((kind, acceptor::bind(config.bind_address, port)?))).collect()
}

/// What is accepted on the command line and has no effect is said, once.
fn warn_about(config: &Config, services: &Services) {
    if config.http.is_none() && (!services.is_empty() || config.metrics || config.grpc.is_some()) {
        log::warn!("without --http_directory there is no HTTP server: no files, no REST API, no reservations");
    }
    for service in services.iter().filter(|_| config.security_token.is_none()) {
        if let (Some(group), None) = (service.group(), &service.group_token) {
            let name = &service.name;
            log::warn!(
                "service '{name}' is for the group '{group}', and anybody may reserve it: give it a group_token"
            );
        }
    }
}

fn accept(
    ports: Vec<(PortKind, TcpListener)>,
    server: &Arc<Server>,
    tls: Option<&Arc<TlsSource>>,
    live: &Live,
) -> Result<Vec<Acceptor>, String> {
    let mut acceptors = Vec::new();
    for (kind, listener) in ports {
        let address = listener.local_addr().map_err(|error| format!("cannot read a listener's address: {error}"))?;
        let port = Port { kind, server: Arc::clone(server) };
        let certificate = tls.cloned();
        let serve = move |accepted| connection::serve(accepted, certificate.as_deref(), &port);
        let acceptor = Acceptor::start(listener, kind.name(), live.clone(), &server.config.add_headers, serve)
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        acceptors.push(acceptor);
        announce(kind, address, tls.is_some());
    }
    Ok(acceptors)
}

/// Scripts read the address from this line.
fn announce(kind: PortKind, address: SocketAddr, tls: bool) {
    let scheme = kind.scheme(tls);
    let everywhere = if address.ip().is_unspecified() { " (every interface)" } else { "" };
    log::info!(target: START, "listening on {scheme}://{address}{everywhere}");
}

/// One of the two ports.
struct Port {
    kind: PortKind,
    server: Arc<Server>,
}

impl Service for Port {
    fn answer(&self, request: &mut Request<'_>) -> Answer {
        match route::route(self.kind, request.head, self.server.config.metrics) {
            Route::Websocket => self.websocket(request),
            other => self.plain(request, other),
        }
    }

    /// A session id is a secret.
    fn shown<'a>(&self, head: &'a Head) -> Cow<'a, str> {
        match head.path.trim_start_matches('/').strip_prefix("ensight/") {
            Some(path) => Cow::Owned(format!("/ensight/v1/…/{}", path.splitn(3, '/').nth(2).unwrap_or_default())),
            None => Cow::Borrowed(&head.path),
        }
    }

    fn answered(&self, status: u16) {
        self.server.metrics.answered(status);
    }

    fn extra_headers(&self) -> &[(String, String)] {
        &self.server.config.add_headers
    }
}

fn reserved() -> Answer {
    Response::error(404, "this path is reserved and nothing is there").into()
}

impl Port {
    /// Whatever is no websocket. Not inlined, as what that needs on the stack is not to lie above a tunnel.
    #[inline(never)]
    fn plain(&self, request: &mut Request<'_>, route: Route) -> Answer {
        let server = &self.server;
        match route {
            Route::Websocket => self.websocket(request),
            Route::UpgradeOnly => Response::text(426, "this is a websocket port: connect with ws:// or wss://").into(),
            Route::Rest(path) => rest::answer(server, request.head, path).into(),
            Route::EnSight(path) => match &server.ensight {
                Some(ensight) => ensight.answer(server, request, path),
                None => reserved(),
            },
            Route::Metrics => rest::metrics(server, request.head).into(),
            Route::Reserved => reserved(),
            Route::File => match &server.site {
                Some(site) => site.answer(request.head, rest::has_token(server, request.head)).into(),
                None => Response::error(404, "no files are served here").into(),
            },
        }
    }

    #[inline(never)]
    fn websocket(&self, request: &Request<'_>) -> Answer {
        let handshake = match handshake::check(request.head, Protocols::Binary) {
            Ok(handshake) => handshake,
            Err(refusal) => return (*refusal).into(),
        };
        match tunnel::choose(&self.server, request.head) {
            Err(refusal) => {
                log::info!("{}: websocket refused: {}", request.peer, refusal.sentence);
                Response::error(refusal.status, &refusal.sentence).into()
            }
            Ok(way) => {
                let server = Arc::clone(&self.server);
                Answer::Websocket(handshake, Box::new(move |websocket| tunnel::serve(&server, websocket, way)))
            }
        }
    }
}
