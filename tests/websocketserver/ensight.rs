//! EnSight over REST: the real clients, a stand-in for EnSight, and the real server between them.

mod browser;
mod document;
mod injection;
mod instances;
mod operations;
mod pyensight;
mod transports;
