//! Services that are an application of the installation: EnVision and EnSight, shown by their own VNC server, each with a gRPC
//! service beside it.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::super::services::{AppSpec, TARGET_PATHNAME, target_pathname};
use super::plan::{Kept, Plan};
use super::{Context, Endpoint, Order, Started};
use crate::sys::process::Spawn;
use crate::sys::process::ladder::terminate;

/// The variable from which the applications take the secret that gRPC clients must show.
const SECRET: &str = "ENSIGHT_SECURITY_TOKEN";

pub(super) fn plan(order: &Order, spec: &AppSpec, context: &Context) -> Result<Plan, String> {
    let program = spec.program.as_ref().map_err(Clone::clone)?;
    let take = || context.ports.take().map_err(|error| format!("cannot be launched: {error}"));
    let (vnc, grpc) = (take()?, take()?);
    let port = vnc.number();
    let mut argv: Vec<OsString> =
        vec![program.clone().into(), "-vnc".into(), format!("vnc://?rfb_port={port}&use_auth=0").into()];
    argv.extend(["-grpc_server".into(), grpc.number().to_string().into()]);
    if let Some(value) = order.options.get(TARGET_PATHNAME).filter(|value| !value.is_empty()) {
        argv.push(target_pathname(value, &context.folder)?.into());
    }
    let mut spawn = Spawn::new(argv);
    // Other users of this machine can reach the port too; who holds the reservation may use it.
    spawn.env.push((SECRET.into(), order.token.clone().into()));
    let default = Endpoint::Tcp { host: "127.0.0.1".to_owned(), port };
    let started = Some(Started { default, named: BTreeMap::new(), grpc_port: Some(grpc.number()) });
    let ladder = terminate(context.graces.program);
    let kept = Kept { ports: vec![vnc, grpc], folder: None };
    Ok(Plan { spawn, logs_output: true, started, talk: None, ladder, kept })
}
