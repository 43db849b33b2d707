//! `websocketserver`: a websocket to TCP tunnel with files, a REST API and launched services.
pub mod config;
