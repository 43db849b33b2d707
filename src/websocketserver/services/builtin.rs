//! The services of `--local_session`.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::super::config::{Config, LocalApp};
use super::program;
use super::{AppSpec, Kind, ServiceSpec};

/// Name, short name and program of an application.
fn names(app: LocalApp) -> (&'static str, &'static str) {
    match app {
        LocalApp::EnSight => ("local_ensight", "ensight"),
        LocalApp::EnVision => ("local_envision", "envision"),
    }
}

/// The built-in service that the short name `name` means.
pub(super) fn meant_by(name: &str) -> Option<&'static str> {
    [LocalApp::EnSight, LocalApp::EnVision]
        .map(names)
        .into_iter()
        .find(|(_, short)| *short == name)
        .map(|(full, _)| full)
}

pub(super) fn services(config: &Config) -> Vec<ServiceSpec> {
    let wanted = config.services.local_sessions.iter().filter(|session| session.count > 0);
    wanted
        .map(|session| {
            let (name, short) = names(session.app);
            let program = find(config.install_root.as_deref(), short);
            if let Err(reason) = &program {
                // Not an error: PyEnSight asks for these services always, and uses them rarely.
                log::warn!("reservations of {name} will fail when they are used: {reason}");
            }
            ServiceSpec {
                name: name.to_owned(),
                count: session.count,
                options: options(session.app),
                group_token: None,
                kind: Kind::App(AppSpec { app: session.app, program }),
            }
        })
        .collect()
}

/// `bin/envision` or `bin/ensight` of the installation.
fn find(root: Option<&Path>, program: &str) -> Result<std::path::PathBuf, String> {
    let Some(root) = root else {
        return Err(format!("--local_session {program}: no installation is known; name it with --install_root"));
    };
    // Absolute, because "." must stay the same folder whatever happens.
    let path =
        std::path::absolute(root.join("bin").join(program)).map_err(|error| format!("--install_root: {error}"))?;
    program::check(&path).map_err(|cause| format!("--local_session {program}: {} {cause}", path.display()))?;
    Ok(path)
}

fn options(app: LocalApp) -> Map<String, Value> {
    let mut options = Map::new();
    if app == LocalApp::EnVision {
        options.insert("file_ext".to_owned(), json!(["evsn", "csf", "ply", "stl"]));
    }
    options
}
