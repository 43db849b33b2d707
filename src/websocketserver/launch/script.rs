//! Services that are a Python script, each instance in a process of its own with `host.py` around it.

use std::io;
use std::path::Path;
use std::process::Stdio;

use serde_json::json;

use super::plan::{Kept, Plan};
use super::talk::Talk;
use super::{Context, Order};
use crate::sys::process::ladder::ask;
use crate::sys::process::{Orphaned, Spawn};

/// What runs the script; nothing has to be installed for it.
const HOST: &str = include_str!("host.py");

pub(super) fn plan(order: &Order, path: &Path, context: &Context) -> Result<Plan, String> {
    let argv = vec![context.python.clone(), "-u".into(), "-c".into(), HOST.into(), path.as_os_str().to_owned()];
    let mut spawn = Spawn::new(argv);
    // Its host sees the end of its input, and then the script's `stop` is called.
    spawn.orphaned = Orphaned::EndsByItself;
    let (stdin, stdout, mut talk) = channel().map_err(|error| format!("cannot be launched: {error}"))?;
    (spawn.stdin, spawn.stdout) = (stdin, stdout);
    talk.say(&json!({"start": {
        "index": order.index,
        "options": order.options,
        "common_options": order.spec.options,
    }}));
    let ladder = ask(context.graces.script, context.graces.leftovers);
    Ok(Plan { spawn, logs_output: false, started: None, talk: Some(talk), ladder, kept: Kept::default() })
}

fn channel() -> io::Result<(Stdio, Stdio, Talk)> {
    let (their_input, ours) = io::pipe()?;
    let (from, their_output) = io::pipe()?;
    Ok((their_input.into(), their_output.into(), Talk::new(from.into(), ours.into())?))
}
