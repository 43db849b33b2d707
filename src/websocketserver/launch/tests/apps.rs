//! Applications of the installation, played by shell scripts.

use super::super::super::config::LocalApp;
use super::super::super::services::AppSpec;
use super::*;
use crate::sys::process::Spawn;

/// A program that writes its arguments down and stays.
fn pretender(folder: &Path) -> PathBuf {
    let path = folder.join("app");
    let text = "#!/bin/sh\necho \"$#\" \"$@\" >$(dirname $0)/arguments\nexec sleep 1000\n";
    // Written by another process: a file that is open for writing in a copy of this one cannot be run.
    let script = format!("printf %s \"$1\" > {0} && chmod +x {0}", path.display());
    let words = ["sh", "-c", &script, "sh", text].map(Into::into).to_vec();
    processes().run(Spawn::new(words), DEADLINE).unwrap();
    path
}

fn launch(app: LocalApp, target: Option<&str>) -> Launch {
    let folder = tempfile::tempdir().unwrap();
    let spec = AppSpec { app, program: Ok(pretender(folder.path())) };
    let mut order = order(service(Kind::App(spec), Map::new()));
    order.options.extend(target.map(|target| ("target_pathname".to_owned(), target.to_owned())));
    start_with(order, graces(), folder)
}

#[test]
fn envision_gets_a_port_and_the_file() {
    let launch = launch(LocalApp::EnVision, Some("src/../Cargo.toml"));
    let Started { default: Endpoint::Tcp { host, port }, grpc_port: None, .. } = launch.started() else { panic!() };
    assert_eq!(host, "127.0.0.1");
    let file = std::env::current_dir().unwrap().canonicalize().unwrap().join("Cargo.toml");
    let expected = format!("3 -vnc vnc://?rfb_port={port}&use_auth=0 {}\n", file.display());
    assert_eq!(launch.written("arguments"), expected);
    launch.stop();
}

#[test]
fn ensight_gets_a_second_port() {
    let launch = launch(LocalApp::EnSight, None);
    let Started { default: Endpoint::Tcp { port, .. }, grpc_port: Some(grpc), .. } = launch.started() else { panic!() };
    assert_ne!(port, grpc);
    assert_eq!(launch.written("arguments"), format!("4 -vnc vnc://?rfb_port={port}&use_auth=0 -grpc_server {grpc}\n"));
    launch.stop();
}

#[test]
fn a_file_elsewhere_and_a_program_that_is_missing_are_reasons() {
    for target in ["../x", "/etc/passwd", "-x", "none"] {
        let launch = launch(LocalApp::EnVision, Some(target));
        assert!(launch.exited().starts_with("target_pathname "));
        launch.gone();
    }
    let spec = AppSpec { app: LocalApp::EnVision, program: Err("no installation".to_owned()) };
    let launch = start_with(order(service(Kind::App(spec), Map::new())), graces(), tempfile::tempdir().unwrap());
    assert_eq!(launch.exited(), "no installation");
    launch.gone();
}
