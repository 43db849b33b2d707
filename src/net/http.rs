//! HTTP/1.1 as a server: request heads and bodies, answers, static files, and the loop over one connection's requests.

pub mod body;
pub mod connection;
pub mod files;
pub mod html;
pub mod origin;
pub mod query;
pub mod request;
pub mod response;
pub mod stream;
