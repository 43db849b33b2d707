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
fn applications_get_two_ports_and_the_file() {
    for app in [LocalApp::EnVision, LocalApp::EnSight] {
        let launch = launch(app, Some("src/../Cargo.toml"));
        let Started { default: Endpoint::Tcp { host, port }, grpc_port: Some(grpc), .. } = launch.started() else {
            panic!()
        };
        assert_eq!(host, "127.0.0.1");
        assert_ne!(port, grpc);
        let file = std::env::current_dir().unwrap().canonicalize().unwrap().join("Cargo.toml");
        let words = format!("5 -vnc vnc://?rfb_port={port}&use_auth=0 -grpc_server {grpc} {}\n", file.display());
        assert_eq!(launch.written("arguments"), words);
        launch.stop();
    }
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
