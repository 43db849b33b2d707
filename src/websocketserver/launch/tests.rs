//! Real processes, well and badly behaved, from the order to `Gone`.

mod apps;
mod commands;
mod examples;
mod scripts;
mod wrong_scripts;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use serde_json::{Map, Value};
use tempfile::TempDir;

use super::super::services::{CommandSpec, Connect, Kind, Template};
use super::*;
use crate::sys::process::testing::{DEADLINE, exists, processes, wait_for};

/// Long enough to be told apart from "at once", short enough for a test.
const GRACE: Duration = Duration::from_millis(300);

/// A launch, its reports, and a folder for what its processes leave.
struct Launch {
    running: Running,
    reports: Receiver<Report>,
    folder: TempDir,
}

fn context(graces: Graces) -> Arc<Context> {
    Arc::new(Context {
        processes: processes(),
        python: "python3".into(),
        ports: Arc::default(),
        descriptors: None,
        folder: std::env::current_dir().unwrap(),
        graces,
    })
}

/// Time for everything, but for who does not heed SIGTERM.
fn graces() -> Graces {
    Graces { script: DEADLINE, leftovers: DEADLINE, program: DEADLINE }
}

fn order(spec: ServiceSpec) -> Order {
    Order { launch: 7, spec: Arc::new(spec), index: 3, token: "a-token".to_owned(), options: BTreeMap::new() }
}

fn service(kind: Kind, options: Map<String, Value>) -> ServiceSpec {
    ServiceSpec { name: "S".to_owned(), count: 9, options, group_token: None, kind }
}

fn start_with(order: Order, graces: Graces, folder: TempDir) -> Launch {
    let (to, reports) = bounded(16);
    let running = start(order, &context(graces), move |report| to.send(report).unwrap());
    Launch { running, reports, folder }
}

impl Launch {
    #[track_caller]
    fn next(&self) -> Report {
        self.reports.recv_timeout(DEADLINE).expect("a report")
    }

    #[track_caller]
    fn started(&self) -> Started {
        match self.next() {
            Report::Started(started) => started,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn exited(&self) -> String {
        match self.next() {
            Report::Exited { reason, .. } => reason,
            other => panic!("{other:?}"),
        }
    }

    /// Waits for the last report, and sees that it is the last.
    #[track_caller]
    fn gone(&self) {
        let report = self.next();
        assert!(matches!(report, Report::Gone), "{report:?}");
        let after = self.reports.recv_timeout(DEADLINE);
        assert!(after.is_err(), "after Gone came {after:?}");
    }

    /// Stops it; how long that took.
    #[track_caller]
    fn stop(&self) -> Duration {
        let began = Instant::now();
        self.running.stop();
        self.running.stop();
        self.gone();
        began.elapsed()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What was written to the file `name`, once that ends in a line.
    #[track_caller]
    fn written(&self, name: &str) -> String {
        wait_for(name, || fs::read_to_string(self.path(name)).ok().filter(|text| text.ends_with('\n')))
    }

    /// Process ids in the file `name`, of which there are `count`.
    #[track_caller]
    fn ids(&self, name: &str, count: usize) -> Vec<i32> {
        wait_for("the ids are written", || {
            let ids: Vec<i32> = self.written(name).lines().map(|line| line.trim().parse().unwrap()).collect();
            (ids.len() == count).then_some(ids)
        })
    }
}

#[track_caller]
fn assert_gone(ids: &[i32]) {
    let left: Vec<_> = ids.iter().filter(|id| exists(**id)).collect();
    assert!(left.is_empty(), "still there, alive or as zombies: {left:?}");
}

/// A command service that runs a shell script, in which `$D` is the launch's folder.
fn shell_spec(script: &str, connect: Connect, folder: &Path) -> ServiceSpec {
    let words = ["-c".to_owned(), format!("D={}; {script}", folder.display()), "sh".to_owned()];
    let placeholders = match connect {
        Connect::Tcp => vec!["{port}"],
        Connect::Unix => vec!["{path}"],
        Connect::Stdio => vec![],
    };
    // Braces of the shell are not placeholders.
    let literal = words.iter().map(|word| word.replace('{', "{{").replace('}', "}}"));
    let arguments = literal.chain(placeholders.into_iter().map(str::to_owned));
    let arguments = arguments.map(|text| Template::parse(&text).unwrap()).collect();
    service(Kind::Command(CommandSpec { program: "/bin/sh".into(), arguments, connect }), Map::new())
}

fn shell_with(script: &str, graces: Graces) -> Launch {
    let folder = tempfile::tempdir().unwrap();
    start_with(order(shell_spec(script, Connect::Tcp, folder.path())), graces, folder)
}

fn shell(script: &str) -> Launch {
    shell_with(script, graces())
}
