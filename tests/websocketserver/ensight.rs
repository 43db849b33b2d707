//! EnSight over REST: the real clients, a stand-in for EnSight, and the real server between them.

mod bodies;
mod browser;
mod document;
mod injection;
mod instances;
mod operations;
mod pyensight;
mod reserved;
mod transports;
