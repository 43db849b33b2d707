//! The two doors to a tunnel, plain and TLS, for tests that must pass through both.

use super::backend::Backend;
use super::server::Server;
use super::stream::Conn;
use super::tls::Certificate;
use super::ws::Ws;

/// One of the doors.
#[derive(Debug)]
pub struct Door(Option<Certificate>);

impl Door {
    /// Runs `test` in plain text, then over TLS.
    pub fn each(test: impl Fn(&Self)) {
        for door in [Self(None), Self(Some(Certificate::ec()))] {
            println!("--- {}", if door.0.is_some() { "over TLS" } else { "in plain text" });
            test(&door);
        }
    }

    /// A server in front of `backend`.
    pub fn server(&self, backend: &Backend) -> Server {
        self.server_with(backend, &[])
    }

    /// A server in front of `backend`, with more arguments.
    pub fn server_with(&self, backend: &Backend, args: &[&str]) -> Server {
        let tls = self.0.as_ref().map_or_else(Vec::new, |certificate| certificate.args().to_vec());
        Server::builder().args(&backend.args()).args(&tls).args(args).start()
    }

    /// A connection.
    pub fn conn(&self, server: &Server) -> Conn {
        let port = server.ws_port();
        if self.0.is_some() { Conn::tls(port) } else { Conn::plain(port) }
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
