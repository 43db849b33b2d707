//! The gRPC client: one thread with a runtime of its own, asked over a channel and answering over channels.
//!
//! This is the only asynchronous code of the server. Nobody outside ever waits inside it: a connection's thread puts a
//! question into a bounded queue, and waits for the answer like for any other thread's.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crossbeam_channel as crossbeam;
use http::Uri;
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;
use tower::service_fn;

use super::super::config::Target;
use super::line::{Address, Failure, Kind, Line};
use super::messages::{EventReply, EventStreamRequest, PythonReply, PythonRequest};
use super::status::{away, failure, slow, unsent};
use crate::net::backend;
use crate::sys::thread;

/// Questions that may wait for the thread, which only hands them on.
const INBOX: usize = 1_024;
/// How long a connection that nobody answers is waited for.
const CONNECT: Duration = Duration::from_secs(5);
/// From one attempt to connect to the next.
const PAUSE: Duration = Duration::from_millis(200);
/// How long calls wait for an EnSight that has not been seen yet: it starts slowly, and later than we do.
const FIRST: Duration = Duration::from_secs(30);
/// How long calls wait for one that was there before.
const AGAIN: Duration = Duration::from_secs(3);
/// Lines that are kept open. Instances come and go; what is used least recently is closed.
const MOST_LINES: usize = 64;
/// Bytes in flight: large results would else wait for the other side's thread at every 64 KiB.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Events that may wait for one listener.
const EVENTS: usize = 1_024;
/// How often it is seen that nobody listens any more.
const LOOK: Duration = Duration::from_secs(1);

const RUN_PYTHON: &str = "/ensightservice.EnSightService/RunPython";
const EVENT_STREAM: &str = "/ensightservice.EnSightService/GetEventStream";

/// The answer to a run: what EnSight says, or why it says nothing.
type Answer = Result<PythonReply, Failure>;

enum Ask {
    Run { line: Line, request: PythonRequest, patience: Duration, reply: crossbeam::Sender<Answer> },
    Listen { line: Line, listener: Listener },
}

struct Listener {
    events: crossbeam::Sender<String>,
    /// Dead when nobody listens.
    alive: Weak<()>,
}

/// Events as they come, for as long as this lives.
pub(super) struct Events {
    pub(super) receiver: crossbeam::Receiver<String>,
    _alive: Arc<()>,
}

/// Asks the gRPC thread. Dropping it ends that.
pub(super) struct Link {
    asks: mpsc::Sender<Ask>,
}

impl Link {
    /// Starts the thread. Calls carry `session` as the client's name; events are those whose tags begin with `prefix`.
    ///
    /// # Errors
    /// No thread or no runtime can be made.
    pub(super) fn start(session: String, prefix: String) -> io::Result<Self> {
        let (asks, inbox) = mpsc::channel(INBOX);
        // Two threads for names that have to be resolved, made when there are any.
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_io().enable_time().max_blocking_threads(2).thread_name("grpc connect").build()?;
        let shared = Shared { session, prefix, lines: Mutex::default(), listeners: Mutex::default() };
        thread::spawn("grpc", move || {
            runtime.block_on(serve(inbox, Arc::new(shared)));
            runtime.shutdown_background();
        })?;
        Ok(Self { asks })
    }

    /// Begins to run `source`. The answer, or a failure, comes within `patience`.
    pub(super) fn run(&self, line: &Line, kind: Kind, source: &str, patience: Duration) -> crossbeam::Receiver<Answer> {
        let (reply, answer) = crossbeam::bounded(1);
        let request = PythonRequest { kind: kind as i32, command: source.to_owned() };
        self.ask(Ask::Run { line: line.clone(), request, patience, reply });
        answer
    }

    /// Listens to the events of an EnSight, whether it is there yet or not.
    pub(super) fn listen(&self, line: &Line) -> Events {
        let (events, receiver) = crossbeam::bounded(EVENTS);
        let alive = Arc::new(());
        let listener = Listener { events, alive: Arc::downgrade(&alive) };
        self.ask(Ask::Listen { line: line.clone(), listener });
        Events { receiver, _alive: alive }
    }

    /// A question that cannot be put is dropped, and with it the sender of its answer: whoever waits notices.
    fn ask(&self, ask: Ask) {
        let _ = self.asks.blocking_send(ask);
    }
}

struct Shared {
    session: String,
    prefix: String,
    lines: Mutex<HashMap<Line, Open>>,
    /// Who listens to which EnSight. There is a task for each entry.
    listeners: Mutex<HashMap<Line, Vec<Listener>>>,
}

/// What is known of a line.
struct Open {
    channel: Option<Channel>,
    /// Counts the channels of this line.
    number: u64,
    /// Whether EnSight has ever answered.
    seen: bool,
    used: Instant,
}

async fn serve(mut inbox: mpsc::Receiver<Ask>, shared: Arc<Shared>) {
    while let Some(ask) = inbox.recv().await {
        let shared = Arc::clone(&shared);
        match ask {
            Ask::Run { line, request, patience, reply } => {
                tokio::spawn(async move {
                    let _ = reply.send(shared.run(&line, request, patience).await);
                });
            }
            Ask::Listen { line, listener } => {
                let mut listeners = shared.listeners();
                let known = listeners.contains_key(&line);
                listeners.entry(line.clone()).or_default().push(listener);
                drop(listeners);
                if !known {
                    tokio::spawn(async move { shared.follow(&line).await });
                }
            }
        }
    }
}

impl Shared {
    async fn run(&self, line: &Line, message: PythonRequest, patience: Duration) -> Answer {
        let began = Instant::now();
        let end = began + patience;
        let mut refused: Option<String> = None;
        loop {
            let tried = Instant::now();
            let (channel, number, seen) = match self.channel(line) {
                Ok((channel, number, seen)) => (Ok(channel), number, seen),
                Err(cause) => (Err(cause), 0, false),
            };
            let cause = match channel {
                Ok(channel) => match timeout_at(end, self.call(line, channel, message.clone())).await {
                    Ok(Ok(reply)) => {
                        self.note_seen(line);
                        return Ok(reply);
                    }
                    Ok(Err(status)) => match unsent(&status) {
                        Some(cause) => cause,
                        None => return Err(failure(&status)),
                    },
                    Err(_) => {
                        return Err(match refused {
                            // The last of many attempts, and hardly begun: nobody was there.
                            Some(cause) if tried.elapsed() < CONNECT => away(&cause),
                            _ => slow(patience),
                        });
                    }
                },
                Err(cause) => cause,
            };
            // Nothing was sent, so it can be tried again; certificates are read anew then.
            self.forget(line, number);
            let wait = if seen { AGAIN } else { FIRST };
            if Instant::now() + PAUSE >= end.min(began + wait) {
                return Err(away(&cause));
            }
            refused = Some(cause);
            sleep(PAUSE).await;
        }
    }

    async fn call(&self, line: &Line, channel: Channel, message: PythonRequest) -> Result<PythonReply, Status> {
        let mut grpc = Grpc::new(channel).max_decoding_message_size(usize::MAX);
        grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let codec: ProstCodec<PythonRequest, PythonReply> = ProstCodec::default();
        let answer = grpc.unary(self.request(line, message)?, PathAndQuery::from_static(RUN_PYTHON), codec).await?;
        Ok(answer.into_inner())
    }

    /// A request with what each carries.
    fn request<T>(&self, line: &Line, message: T) -> Result<Request<T>, Status> {
        let mut request = Request::new(message);
        let unfit = |_| Status::invalid_argument("the security token cannot travel in a header");
        if let Some(secret) = &line.secret {
            request.metadata_mut().insert("shared_secret", MetadataValue::try_from(secret.as_str()).map_err(unfit)?);
        }
        let session = MetadataValue::try_from(self.session.as_str()).map_err(unfit)?;
        request.metadata_mut().insert("session_name", session);
        Ok(request)
    }

    /// The channel of a line, which is opened by its first call.
    fn channel(&self, line: &Line) -> Result<(Channel, u64, bool), String> {
        let mut lines = self.lines();
        let now = Instant::now();
        let open = lines.entry(line.clone()).or_insert(Open { channel: None, number: 0, seen: false, used: now });
        open.used = now;
        let channel = if let Some(channel) = &open.channel {
            channel.clone()
        } else {
            open.number += 1;
            open.channel.insert(connect(&line.address)?).clone()
        };
        let found = (channel, open.number, open.seen);
        if lines.len() > MOST_LINES {
            let oldest = lines.iter().min_by_key(|(_, open)| open.used).map(|(line, _)| line.clone());
            oldest.and_then(|line| lines.remove(&line));
        }
        Ok(found)
    }

    fn forget(&self, line: &Line, number: u64) {
        if let Some(open) = self.lines().get_mut(line).filter(|open| open.number == number) {
            open.channel = None;
        }
    }

    fn note_seen(&self, line: &Line) {
        if let Some(open) = self.lines().get_mut(line).filter(|open| !open.seen) {
            open.seen = true;
            log::info!("EnSight answers on {}", line.address);
        }
    }

    /// Passes events on until nobody listens. One stream serves all listeners, as one EnSight has one list of them.
    async fn follow(&self, line: &Line) {
        while self.has_listeners(line) {
            if let Err(cause) = self.follow_once(line).await {
                log::debug!("EnSight's events: {cause}");
                sleep(LOOK).await;
            }
        }
    }

    async fn follow_once(&self, line: &Line) -> Result<(), String> {
        let (channel, number, _) = self.channel(line)?;
        let mut grpc = Grpc::new(channel).max_decoding_message_size(usize::MAX);
        let told = |status: &Status| {
            if unsent(status).is_some() {
                self.forget(line, number);
            }
            status.to_string()
        };
        grpc.ready().await.map_err(|error| told(&Status::from_error(error.into())))?;
        let codec: ProstCodec<EventStreamRequest, EventReply> = ProstCodec::default();
        let message = EventStreamRequest { prefix: self.prefix.clone() };
        let request = self.request(line, message).map_err(|status| status.to_string())?;
        // Some servers answer with the first event only.
        let mut opening = Box::pin(grpc.server_streaming(request, PathAndQuery::from_static(EVENT_STREAM), codec));
        let mut events = loop {
            match timeout(LOOK, &mut opening).await {
                Ok(answer) => break answer.map_err(|status| told(&status))?.into_inner(),
                Err(_) if self.has_listeners(line) => {}
                Err(_) => return Ok(()),
            }
        };
        loop {
            match timeout(LOOK, events.message()).await {
                Ok(Ok(Some(event))) => self.tell(line, &event.tag),
                Ok(Ok(None)) => return Err("the stream has ended".to_owned()),
                Ok(Err(status)) => return Err(status.to_string()),
                Err(_) if self.has_listeners(line) => {}
                Err(_) => return Ok(()),
            }
        }
    }

    /// A listener that does not keep up loses its stream, and may open another; the others do not wait.
    fn tell(&self, line: &Line, tag: &str) {
        if let Some(listeners) = self.listeners().get_mut(line) {
            listeners.retain(|listener| listener.events.try_send(tag.to_owned()).is_ok());
        }
    }

    /// Whether anybody listens. When nobody does the line's entry is gone, and its task must end.
    fn has_listeners(&self, line: &Line) -> bool {
        let mut all = self.listeners();
        let Some(listeners) = all.get_mut(line) else {
            return false;
        };
        listeners.retain(|listener| listener.alive.strong_count() > 0);
        let some = !listeners.is_empty();
        if !some {
            all.remove(line);
        }
        some
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<Line, Open>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listeners(&self) -> MutexGuard<'_, HashMap<Line, Vec<Listener>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(address: &Address) -> Result<Channel, String> {
    let authority = match address {
        // What a gRPC client makes of a socket's path by itself is no authority to HTTP/2 servers.
        Address::Unix(_) => "localhost".to_owned(),
        Address::Tcp(target) | Address::MutualTls(target, _) => backend::show(&target.host, target.port),
    };
    let scheme = if matches!(address, Address::MutualTls(..)) { "https" } else { "http" };
    let endpoint = Endpoint::from_shared(format!("{scheme}://{authority}")).map_err(|error| error.to_string())?;
    let endpoint = endpoint
        .connect_timeout(CONNECT)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    Ok(match address {
        Address::Unix(path) => {
            let path = path.clone();
            endpoint.connect_with_connector_lazy(service_fn(move |_: Uri| {
                let path = path.clone();
                async move { UnixStream::connect(path).await.map(TokioIo::new) }
            }))
        }
        Address::Tcp(target) => over_tcp(&endpoint, target),
        Address::MutualTls(target, folder) => {
            let endpoint = endpoint.tls_config(tls(target, folder)?).map_err(|error| error.to_string())?;
            over_tcp(&endpoint, target)
        }
    })
}

fn over_tcp(endpoint: &Endpoint, target: &Target) -> Channel {
    let target = target.clone();
    endpoint.connect_with_connector_lazy(service_fn(move |_: Uri| {
        let target = target.clone();
        async move {
            // Asked of a thread that may wait: names are resolved, and addresses tried one after another.
            let connected = tokio::task::spawn_blocking(move || backend::connect(&target.host, target.port)).await;
            let stream = connected.map_err(io::Error::other)?.map_err(io::Error::other)?;
            stream.set_nonblocking(true)?;
            TcpStream::from_std(stream).map(TokioIo::new)
        }
    }))
}

fn tls(target: &Target, folder: &Path) -> Result<ClientTlsConfig, String> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let identity = Identity::from_pem(read("client.crt")?, read("client.key")?);
    Ok(ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(read("ca.crt")?))
        .identity(identity)
        .domain_name(target.host.clone())
        .assume_http2(true))
}
