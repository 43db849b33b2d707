//! Services that are an application of the installation: EnVision and EnSight, shown by their own VNC server.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::super::config::LocalApp;
use super::super::services::{AppSpec, TARGET_PATHNAME, target_pathname};
use super::plan::{Kept, Plan};
use super::{Context, Endpoint, Order, Started};
use crate::sys::process::Spawn;
use crate::sys::process::ladder::terminate;

/// The variable from which EnSight takes the secret that its gRPC clients must show.
const SECRET: &str = "ENSIGHT_SECURITY_TOKEN";

pub(super) fn plan(order: &Order, spec: &AppSpec, context: &Context) -> Result<Plan, String> {
    let program = spec.program.as_ref().map_err(Clone::clone)?;
    let cannot = |error: std::io::Error| format!("cannot be launched: {error}");
    let vnc = context.ports.take().map_err(cannot)?;
    let port = vnc.number();
    let mut kept = Kept { ports: vec![vnc], folder: None };
    let mut argv: Vec<OsString> =
        vec![program.clone().into(), "-vnc".into(), format!("vnc://?rfb_port={port}&use_auth=0").into()];
    let mut grpc_port = None;
    if spec.app == LocalApp::EnSight {
        let grpc = context.ports.take().map_err(cannot)?;
        grpc_port = Some(grpc.number());
        argv.extend(["-grpc_server".into(), grpc.number().to_string().into()]);
        kept.ports.push(grpc);
    }
    if let Some(value) = order.options.get(TARGET_PATHNAME).filter(|value| !value.is_empty()) {
        argv.push(target_pathname(value, &context.folder)?.into());
    }
    let default = Endpoint::Tcp { host: "127.0.0.1".to_owned(), port };
    let started = Some(Started { default, named: BTreeMap::new(), grpc_port });
    let ladder = terminate(context.graces.program);
    let mut spawn = Spawn::new(argv);
    if grpc_port.is_some() {
        // Other users of this machine can reach the port too; who holds the reservation may use it.
        spawn.env.push((SECRET.into(), order.token.clone().into()));
    }
    Ok(Plan { spawn, logs_output: true, started, talk: None, ladder, kept })
}
