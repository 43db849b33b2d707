//! What stands in for EnSight's REST API in a build without gRPC.

use super::Server;
use super::config::Config;
use super::services::Services;
use crate::net::http::connection::{Answer, Request};

/// Nothing.
pub(super) enum EnSight {}

impl EnSight {
    /// Says that there is none, if one was asked for.
    #[expect(clippy::unnecessary_wraps, reason = "with gRPC it may fail")]
    pub(super) fn open(config: &Config, _: &Services) -> Result<Option<Self>, String> {
        if config.grpc.is_some() {
            log::warn!("--grpc_port has no effect: this build has no gRPC (feature ensight)");
        }
        Ok(None)
    }

    pub(super) fn answer(&self, _: &Server, _: &Request<'_>, _: &str) -> Answer {
        match *self {}
    }
}
