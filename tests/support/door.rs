//! The two doors to a tunnel, plain and TLS, for tests that must pass through both.

use super::backend::Backend;
use super::server::{Builder, Server};
use super::stream::Conn;
use super::tls::Certificate;
use super::ws::Ws;

/// One of the doors.
#[derive(Debug)]
pub struct Door(Option<Certificate>);

impl Door {
    /// Runs `test` in plain text, then over TLS.
    pub fn each(test: impl Fn(&Self)) {
        println!("--- in plain text");
        Self::plain(&test);
        println!("--- over TLS");
        Self::tls(&test);
    }

    /// Runs `test` in plain text.
    pub fn plain(test: impl Fn(&Self)) {
        test(&Self(None));
    }

    /// Runs `test` over TLS.
    pub fn tls(test: impl Fn(&Self)) {
        test(&Self(Some(Certificate::ec())));
    }

    /// A server in front of `backend`.
    pub fn server(&self, backend: &Backend) -> Server {
        self.server_with(backend, &[])
    }

    /// A server in front of `backend`, with more arguments.
    pub fn server_with(&self, backend: &Backend, args: &[&str]) -> Server {
        self.builder(backend).args(args).start()
    }

    /// A server in front of `backend` that is yet to be told more.
    pub fn builder(&self, backend: &Backend) -> Builder {
        let tls = self.0.as_ref().map_or_else(Vec::new, |certificate| certificate.args().to_vec());
        Server::builder().args(&backend.args()).args(&tls)
    }

    /// A connection.
    pub fn conn(&self, server: &Server) -> Conn {
        let port = server.ws_port();
        if self.0.is_some() { Conn::tls(port) } else { Conn::plain(port) }
    }

    /// Opens websockets on other threads.
    pub fn dialer(&self, server: &Server) -> impl Fn() -> Ws + Send + use<> {
        let (port, tls) = (server.ws_port(), self.0.is_some());
        move || if tls { Ws::connect_tls(port) } else { Ws::connect(port) }
    }

    /// Opens websockets that two threads may use, on other threads.
    pub fn shared_dialer(&self, server: &Server) -> impl Fn() -> Ws + Send + use<> {
        let (port, tls) = (server.ws_port(), self.0.is_some());
        let conn = move || if tls { Conn::tls(port) } else { Conn::plain(port) };
        move || Ws::open(conn().into_shared(), "/").expect("101 Switching Protocols")
    }

    /// A websocket that one thread uses.
    #[track_caller]
    pub fn ws(&self, server: &Server) -> Ws {
        Ws::open(self.conn(server), "/").expect("101 Switching Protocols")
    }

    /// A websocket that two threads may use.
    #[track_caller]
    pub fn shared_ws(&self, server: &Server) -> Ws {
        Ws::open(self.conn(server).into_shared(), "/").expect("101 Switching Protocols")
    }
}
