//! One connection from its first byte to its last: TLS or not, request after request, perhaps a websocket.
//!
//! Every port of every product takes this path. A client that is slow, silent or greedy costs this thread only.

use std::borrow::Cow;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};

use super::body::Incoming;
use super::request::{Head, HeadError, HeadReader};
use super::response::{Context, Response};
use super::stream::{Outgoing, Streaming};
use crate::net::acceptor::{Accepted, READ_PATIENCE, Rest, WRITE_PATIENCE};
use crate::net::live::{Endable, Permit};
use crate::net::tls::{TLS_HANDSHAKE, TlsSource};
use crate::net::transport::{Transport, retry, timed_out};
use crate::net::websocket::handshake::Handshake;
use crate::net::websocket::sink::Sink;

/// For the TLS handshake, from the moment of accept.
const HANDSHAKE_PATIENCE: Duration = READ_PATIENCE;
/// For a request head, from accept (or the end of the TLS handshake), or from its first byte on a connection kept open.
const HEAD_PATIENCE: Duration = READ_PATIENCE;
/// How long a connection without a request is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long the rest of a refused request is read and dropped, so that the answer is not lost in a reset.
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);

/// One request.
pub struct Request<'a> {
    /// Its head.
    pub head: &'a Head,
    /// Its body, for who wants it. What is not read ends the connection after the answer.
    pub body: Incoming<'a>,
    /// Who asks.
    pub peer: SocketAddr,
}

/// What becomes of a request.
pub enum Answer {
    /// An ordinary answer.
    Respond(Response),
    /// An answer whose body the closure sends bit by bit on this thread. The connection ends with it.
    Stream(Response, Box<dyn FnOnce(&Outgoing)>),
    /// The connection becomes a websocket, which the closure serves.
    Websocket(Handshake, Box<dyn FnOnce(Websocket) + Send>),
}

impl Answer {
    /// Adds a header to an ordinary or a streamed answer.
    #[must_use]
    pub fn with_header(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::Respond(response) => Self::Respond(response.header(name, value)),
            Self::Stream(response, run) => Self::Stream(response.header(name, value), run),
            websocket @ Self::Websocket(..) => websocket,
        }
    }
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self::Respond(response)
    }
}

/// An open websocket.
pub struct Websocket {
    /// Its sending side, and the connection beneath.
    pub sink: Arc<Sink>,
    /// What the client sent right behind its handshake.
    pub early: Vec<u8>,
    /// Who is connected.
    pub peer: SocketAddr,
    /// Its right to be here. Declared last, so that it is given back after the socket.
    pub permit: Permit,
}

/// What a product does with requests.
pub trait Service: Send + Sync {
    /// Decides about one request.
    fn answer(&self, request: &mut Request<'_>) -> Answer;
    /// The path as the log may show it.
    fn shown<'a>(&self, head: &'a Head) -> Cow<'a, str> {
        Cow::Borrowed(&head.path)
    }
    /// Told of each answer's status.
    fn answered(&self, _status: u16) {}
    /// Headers that every answer carries.
    fn extra_headers(&self) -> &[(String, String)];
}

/// The connection while it waits or answers.
struct Http(Arc<Transport>);

impl Endable for Http {
    /// The answer under way is completed; no further request is read.
    fn end(&self) {
        let _ = self.0.socket().shutdown(Shutdown::Read);
    }

    fn abort(&self) {
        self.0.abort();
    }
}

/// The connection before it is known whether it is TLS, and during the TLS handshake.
struct Opening(Arc<TcpStream>);

impl Endable for Opening {
    /// There is nothing to complete: whoever reads finds the end.
    fn end(&self) {
        let _ = self.0.shutdown(Shutdown::Read);
    }

    fn abort(&self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Serves one connection to its end, or until it is a websocket: then the rest is the answer.
pub fn serve(accepted: Accepted, tls: Option<&TlsSource>, service: &dyn Service) -> Option<Rest> {
    let Accepted { socket, peer, permit } = accepted;
    let socket = Arc::new(socket);
    if tls.is_some() {
        permit.watch(&Arc::new(Opening(Arc::clone(&socket))));
    }
    let transport = match open(socket, tls) {
        Ok(transport) => transport,
        Err(error) => {
            log::debug!("{peer}: {error}");
            return None;
        }
    };
    if tls.is_some() && !transport.is_tls() {
        answer_plain_on_tls(&transport, peer, service);
        return None;
    }
    permit.watch(&Arc::new(Http(Arc::clone(&transport))));
    Connection { transport, peer, permit, service }.run().unwrap_or_else(|error| {
        log::debug!("{peer}: {error}");
        None
    })
}

#[inline(never)]
fn open(socket: Arc<TcpStream>, tls: Option<&TlsSource>) -> io::Result<Arc<Transport>> {
    let Some(tls) = tls else {
        return Ok(Arc::new(Transport::plain_with_read_timeout(socket, Some(READ_PATIENCE))));
    };
    let deadline = Instant::now() + HANDSHAKE_PATIENCE;
    let mut first = [0];
    let seen = retry(|| recv(&socket, &mut first, RecvFlags::PEEK).map_err(io::Error::from))
        .map_err(|error| if timed_out(&error) { silent() } else { error })?;
    if seen.1 > 0 && first != [TLS_HANDSHAKE] {
        return Ok(Arc::new(Transport::plain_with_read_timeout(socket, Some(READ_PATIENCE))));
    }
    Transport::tls(socket, tls, deadline)
        .map(Arc::new)
        .map_err(|error| io::Error::other(format!("the TLS handshake failed: {error}")))
}

fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "nothing came within 10 s")
}

/// A person who forgot the `s` of https gets a hint, not silence.
fn answer_plain_on_tls(transport: &Transport, peer: SocketAddr, service: &dyn Service) {
    let head = HeadReader::default().read(transport, HEAD_PATIENCE, HEAD_PATIENCE);
    let host = head.as_ref().ok().and_then(|head| head.header("host")).unwrap_or("this address");
    let text = format!("this port speaks TLS: use https (or wss) with {host}");
    log::debug!("{peer}: plain HTTP on a TLS port");
    service.answered(400);
    if Response::error(400, &text).send(transport, Context::unread(service.extra_headers())).is_ok() {
        transport.farewell(DRAIN_PATIENCE);
    }
}

struct Connection<'a> {
    transport: Arc<Transport>,
    peer: SocketAddr,
    permit: Permit,
    service: &'a dyn Service,
}

impl Connection<'_> {
    fn run(self) -> io::Result<Option<Rest>> {
        if self.transport.is_tls() {
            // The handshake had a deadline.
            self.transport.set_write_timeout(Some(WRITE_PATIENCE))?;
        }
        let mut reader = HeadReader::default();
        let mut idle = HEAD_PATIENCE;
        loop {
            let head = match reader.read(&self.transport, idle, HEAD_PATIENCE) {
                Ok(head) => head,
                Err(HeadError::Gone(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(HeadError::Gone(error)) => return Err(error),
                Err(HeadError::Refused(status, sentence)) => return self.refuse(status, sentence).map(|()| None),
            };
            let body = Incoming::new(&head, &self.transport, reader.rest());
            let mut request = Request { head: &head, body, peer: self.peer };
            let answer = self.service.answer(&mut request);
            let body_is_done = request.body.is_done();
            match answer {
                Answer::Respond(response) => {
                    if !self.respond(&head, body_is_done, response)? {
                        return Ok(None);
                    }
                }
                Answer::Stream(response, run) => return self.stream(&head, response, run).map(|()| None),
                Answer::Websocket(handshake, run) => {
                    self.agree(&head, &handshake)?;
                    return Ok(Some(self.rest(reader, run)));
                }
            }
            idle = KEEP_ALIVE;
        }
    }

    // Not inlined: what each of these needs on the stack is no part of the others' depth, nor of the websocket's.

    /// Answers; true when the connection stays open. A body that nobody read ends it.
    #[inline(never)]
    fn respond(&self, head: &Head, body_is_done: bool, response: Response) -> io::Result<bool> {
        let keep_alive = !response.is_last() && head.wants_keep_alive() && body_is_done && !self.permit.is_ending();
        let path = self.service.shown(head);
        log::debug!("{} {} {path} -> {} ({} bytes)", self.peer, head.method, response.status, response.length());
        self.service.answered(response.status);
        response.send(&self.transport, Context::of(head, keep_alive, self.service.extra_headers()))?;
        if !body_is_done {
            self.transport.farewell(DRAIN_PATIENCE);
        } else if !keep_alive && self.transport.is_tls() {
            // In plain text closing the socket says it.
            self.transport.finish();
        }
        Ok(keep_alive)
    }

    #[inline(never)]
    fn refuse(&self, status: u16, sentence: &str) -> io::Result<()> {
        log::debug!("{}: refused with {status}: {sentence}", self.peer);
        self.service.answered(status);
        Response::error(status, sentence).send(&self.transport, Context::unread(self.service.extra_headers()))?;
        self.transport.farewell(DRAIN_PATIENCE);
        Ok(())
    }

    /// A body without a length, which ends with the connection (RFC 9112 section 6.3): HTTP/1.0 reads it too.
    #[inline(never)]
    fn stream(self, head: &Head, response: Response, run: Box<dyn FnOnce(&Outgoing)>) -> io::Result<()> {
        let path = self.service.shown(head);
        log::debug!("{} {} {path} -> {} (a stream)", self.peer, head.method, response.status);
        self.service.answered(response.status);
        let context = Context::of(head, false, self.service.extra_headers());
        response.without_length().send(&self.transport, context)?;
        if head.method != "HEAD" {
            let (streaming, outgoing) = Streaming::new(&self.transport);
            self.permit.watch(&Arc::new(streaming));
            run(&outgoing);
        }
        self.transport.farewell(DRAIN_PATIENCE);
        Ok(())
    }

    #[inline(never)]
    fn agree(&self, head: &Head, handshake: &Handshake) -> io::Result<()> {
        self.service.answered(101);
        handshake.accept().send(&self.transport, Context::of(head, true, self.service.extra_headers()))
    }

    #[inline(never)]
    fn rest(self, reader: HeadReader, run: Box<dyn FnOnce(Websocket) + Send>) -> Rest {
        let deep = self.transport.is_tls();
        let sink = Arc::new(Sink::new(self.transport));
        let websocket = Websocket { sink, early: reader.into_rest(), peer: self.peer, permit: self.permit };
        Rest { id: websocket.permit.id(), work: Box::new(move || run(websocket)), deep }
    }
}
