//! Scripts that work, and the life around them.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::super::talk::Word;
use super::*;
use crate::sys::process::ladder::{Descent, Next, terminate};
use crate::sys::process::testing::runs;

/// In front of every script: `note(name, text)` writes a line into a file of the launch's folder.
const PRELUDE: &str = "\
import os, sys, time, subprocess
from remote_service_script import RemoteServiceScript
def note(name, text):
    with open(os.path.join(os.path.dirname(__file__), name), 'a') as file:
        file.write(str(text) + '\\n')
";

/// A class whose `start` is given, and whose `stop` is noted.
pub(super) fn class(start: &str) -> String {
    let body: String = start.lines().flat_map(|line| ["        ", line, "\n"]).collect();
    format!(
        "class Session(RemoteServiceScript):\n    def start(self, index, options):\n{body}\
         \x20   def stop(self):\n        note('stopped', 'yes')\n"
    )
}

pub(super) fn script_with(text: &str, graces: Graces) -> Launch {
    let folder = tempfile::tempdir().unwrap();
    let order = script_order(text, folder.path());
    start_with(order, graces, folder)
}

fn script_order(text: &str, folder: &Path) -> Order {
    let path = folder.join("session.py");
    fs::write(&path, format!("{PRELUDE}{text}")).unwrap();
    let Value::Object(options) = json!({"display_base": 100, "sizes": ["a"]}) else { panic!() };
    let mut order = order(service(Kind::Script(path), options));
    order.options.insert("size".to_owned(), "8x8".to_owned());
    order
}

pub(super) fn script(text: &str) -> Launch {
    script_with(text, graces())
}

#[test]
fn it_gets_its_options_and_says_where_it_is() {
    let launch = script(&class(
        "note('told', [index, options, self._common_options, __name__, sys.argv == [__file__]])
return {'host': 'n8', 'port': 5901, 'endpoints': {'web': ('localhost', 80)}}",
    ));
    let started = launch.started();
    assert!(matches!(started.default, Endpoint::Tcp { host, port: 5901 } if host == "n8"));
    let web = started.named.get("web");
    assert!(matches!(web, Some(Endpoint::Tcp { host, port: 80 }) if host == "localhost"), "{web:?}");
    let told = "[3, {'size': '8x8'}, {'display_base': 100, 'sizes': ['a']}, 'session', True]\n";
    assert_eq!(launch.written("told"), told);
    assert!(!launch.path("stopped").exists());
    launch.stop();
    assert_eq!(launch.written("stopped"), "yes\n");
}

#[test]
fn it_may_be_an_instance_or_the_last_of_several_classes() {
    let start = "return self._common_options['sizes'][0], 7";
    for more in ["service = Session({})\nsame = service\n", "class Better(Session): pass\n", "import subprocess\n"] {
        let launch = script(&format!("{}{more}", class(start)));
        assert!(matches!(launch.started().default, Endpoint::Tcp { host, port: 7 } if host == "a"), "{more}");
        launch.stop();
        assert_eq!(launch.written("stopped"), "yes\n");
    }
}

#[test]
fn modules_beside_it_are_found() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("helper.py"), "PORT = 99").unwrap();
    let order = script_order(&format!("import helper\n{}", class("return 'h', helper.PORT")), folder.path());
    let launch = start_with(order, graces(), folder);
    assert!(matches!(launch.started().default, Endpoint::Tcp { port: 99, .. }));
    launch.stop();
}

#[test]
fn nothing_it_prints_is_taken_for_an_answer() {
    let launch = script(&class(
        r#"os.write(1, b'{"failed": "no"}\n\xff\xfe\x00')
sys.stdout.buffer.write(b'\xff{"started": 1}\n')
print('\ud800 no end of line', end='')
subprocess.run('echo out; echo err >&2; cat', shell=True, check=True)
print('x' * 3000000)
note('input', repr(sys.stdin.read()))
return 'h', 7"#,
    ));
    assert!(matches!(launch.started().default, Endpoint::Tcp { port: 7, .. }));
    assert_eq!(launch.written("input"), "''\n");
    launch.stop();
}

#[test]
fn processes_it_leaves_are_ended_also_those_that_were_forked_off() {
    let launch = script(&class(
        "note('ids', subprocess.Popen(['sleep', '1000']).pid)
note('ids', subprocess.Popen(['sleep', '1000'], start_new_session=True).pid)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        note('ids', os.getpid())
        time.sleep(1000)
    os._exit(0)
return 'h', 7",
    ));
    launch.started();
    let ids = launch.ids("ids", 3);
    assert!(ids.iter().all(|id| runs(*id)));
    assert!(launch.stop() < DEADLINE / 2, "a forked daemon holds the log and the channel");
    assert_gone(&ids);
    assert_eq!(launch.written("stopped"), "yes\n");
}

#[test]
fn a_forked_copy_that_comes_back_from_start_is_not_the_host() {
    for way in ["return 'wrong', 1", "sys.exit(0)", "raise RuntimeError('copy')", "os.kill(os.getpid(), 15)"] {
        let launch =
            script(&class(&format!("pid = os.fork()\nif pid == 0: {way}\nos.waitpid(pid, 0)\nreturn 'right', 2")));
        assert!(matches!(launch.started().default, Endpoint::Tcp { host, .. } if host == "right"), "{way}");
        assert!(!launch.path("stopped").exists(), "{way}");
        launch.stop();
        assert_eq!(launch.written("stopped"), "yes\n");
    }
}

#[test]
fn a_host_that_is_killed_has_exited() {
    let launch =
        script(&class("note('id', os.getpid())\nnote('id', subprocess.Popen(['sleep', '1000']).pid)\nreturn 'h', 7"));
    launch.started();
    let ids = launch.ids("id", 2);
    kill_process(Pid::from_raw(ids[0]).unwrap(), Signal::KILL).unwrap();
    assert_eq!(launch.exited(), "killed by SIGKILL");
    launch.gone();
    assert_gone(&ids);
}

#[test]
fn sigterm_runs_stop_once() {
    let launch = script(&class("note('id', os.getpid())\nreturn 'h', 7"));
    launch.started();
    let id = Pid::from_raw(launch.ids("id", 1)[0]).unwrap();
    kill_process(id, Signal::TERM).unwrap();
    kill_process(id, Signal::TERM).ok();
    assert_eq!(launch.exited(), "exited with code 0");
    launch.gone();
    assert_eq!(launch.written("stopped"), "yes\n");
}

#[test]
fn when_the_server_is_gone_stop_still_runs_whatever_it_prints() {
    let folder = tempfile::tempdir().unwrap();
    let text = "class Session(RemoteServiceScript):
    def start(self, index, options):
        note('ready', 'yes')
        while not os.path.exists(os.path.join(os.path.dirname(__file__), 'go')): time.sleep(0.01)
        print('nobody hears this', flush=True)
        return 'h', 7
    def stop(self):
        print('x' * 1000000, flush=True)
        os.write(1, b'y')
        subprocess.run(['sh', '-c', 'echo from a child'], check=True)
        note('stopped', 'yes')
";
    let order = script_order(text, folder.path());
    let plan::Plan { mut spawn, talk, .. } = plan::plan(&order, &context(graces())).unwrap();
    let (log, theirs) = std::io::pipe().unwrap();
    spawn.stderr = Stdio::from(theirs);
    let mut child = processes().spawn(spawn).unwrap();
    let mut talk = talk.unwrap();
    wait_for("it has started", || folder.path().join("ready").exists().then_some(()));
    // What the kernel does to a process that is killed.
    drop(log);
    fs::write(folder.path().join("go"), "").unwrap();
    wait_for("what it prints is no error", || match talk.exchange().pop() {
        Some(Word::Started { .. }) => Some(()),
        Some(other) => panic!("{other:?}"),
        None => None,
    });
    drop(talk);
    let exit = wait_for("it ends", || child.exited().unwrap());
    assert_eq!(exit.to_string(), "exited with code 0");
    assert_eq!(fs::read_to_string(folder.path().join("stopped")).unwrap(), "yes\n");
    let mut descent = Descent::new(terminate(GRACE));
    wait_for("nothing is left", || (child.descend(&mut descent) == Next::Gone).then_some(()));
}

#[test]
fn threads_that_it_leaves_do_not_keep_it() {
    let launch = script(&class(
        "import threading, atexit
atexit.register(note, 'at_exit', 'yes')
threading.Thread(target=time.sleep, args=(1000,)).start()
return 'h', 7",
    ));
    launch.started();
    assert!(launch.stop() < DEADLINE / 2);
    assert_eq!(launch.written("at_exit"), "yes\n");
}
