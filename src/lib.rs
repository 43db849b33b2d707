//! berth puts a TCP service, or a program that is launched for you, behind a websocket.
pub mod cli;
pub mod net;
pub mod scalesocket;
pub mod sys;
pub mod websocketserver;
