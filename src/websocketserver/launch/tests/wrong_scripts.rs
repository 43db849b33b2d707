//! Scripts that fail, hang, and answer nonsense.

use super::scripts::{class, script, script_with};
use super::*;

/// Lines of the prelude that the tests put in front.
const BEFORE: usize = 5;

#[test]
fn what_start_must_not_return_is_named() {
    for (value, sentence) in [
        ("None", "start() returned None, and not (host, port) or a dict with 'host' and 'port'"),
        ("'h:7'", "start() returned 'h:7', and not (host, port) or a dict with 'host' and 'port'"),
        ("('h', 7, 8)", "start() returned ('h', 7, 8), and not (host, port) or a dict with 'host' and 'port'"),
        ("('h', '7')", "start() returned the port '7', and not an int"),
        ("('h', True)", "start() returned the port True, and not an int"),
        ("('h', 7.0)", "start() returned the port 7.0, and not an int"),
        ("('h', 0)", "start() returned the port 0, and not one from 1 to 65535"),
        ("('h', 65536)", "start() returned the port 65536, and not one from 1 to 65535"),
        ("('', 7)", "start() returned the host '', and not the name or address of a host"),
        ("('a b', 7)", "start() returned the host 'a b', and not the name or address of a host"),
        ("(None, 7)", "start() returned the host None, and not the name or address of a host"),
        ("{'host': 'h'}", "start() returned a dict without 'port'"),
        ("{'port': 7}", "start() returned a dict without 'host'"),
        ("{'host': 'h', 'port': 7, 'prot': 1}", "start() returned a dict with unknown keys: 'prot'"),
        ("{'host': 'h', 'port': 7, 'endpoints': [1]}", "start() returned endpoints that are [1], and not a dict"),
        (
            "{'host': 'h', 'port': 7, 'endpoints': {'a': 5}}",
            "start() returned for the endpoint 'a' 5, and not (host, port) or a dict with 'host' and 'port'",
        ),
        (
            "{'host': 'h', 'port': 7, 'endpoints': {1: ('h', 7)}}",
            "start() returned an endpoint whose name is 1, and not a string",
        ),
    ] {
        let launch = script(&class(&format!("return {value}")));
        assert_eq!(launch.exited(), sentence);
        launch.gone();
        assert_eq!(launch.written("stopped"), "yes\n", "what start has begun is ended");
    }
}

#[test]
fn an_exception_is_told_with_its_line_and_stop_is_called() {
    for (start, line, what) in [
        ("x = 1\nraise RuntimeError('no display')", 4, "RuntimeError: no display"),
        ("sys.exit(4)", 3, "the script called sys.exit(4)"),
        (
            "subprocess.run(['false'], check=True)",
            3,
            "subprocess.CalledProcessError: Command '['false']' returned non-zero exit status 1.",
        ),
        ("raise KeyboardInterrupt", 3, "KeyboardInterrupt"),
    ] {
        let launch = script(&class(start));
        assert_eq!(launch.exited(), format!("session.py, line {}: {what}", BEFORE + line));
        launch.gone();
        assert_eq!(launch.written("stopped"), "yes\n");
    }
}

#[test]
fn what_is_not_a_script_is_named() {
    let two = format!("{}class Other(RemoteServiceScript): pass\n", class("pass"));
    let twice = format!("{}a = Session()\nb = Session()\n", class("pass"));
    for (text, sentence) in [
        ("", "session.py must define one subclass of RemoteServiceScript, and has none".to_owned()),
        (&two, "session.py must define one subclass of RemoteServiceScript, and has Other, Session".to_owned()),
        (&twice, "session.py has 2 instances of RemoteServiceScript, and one is needed".to_owned()),
        ("def f(:\n", format!("session.py, line {}: SyntaxError: invalid syntax", BEFORE + 1)),
        (
            "import no_such_thing\n",
            format!("session.py, line {}: ModuleNotFoundError: No module named 'no_such_thing'", BEFORE + 1),
        ),
        (
            "class A(RemoteServiceScript): pass\n",
            "session.py: NotImplementedError: the script's class has no start()".to_owned(),
        ),
        ("class A(RemoteServiceScript):\n    def __init__(self): pass\n", "session.py: TypeError: ".to_owned()),
    ] {
        let launch = script(text);
        let reason = launch.exited();
        assert!(reason.starts_with(&sentence), "{reason}, and not {sentence}");
        launch.gone();
    }
}

#[test]
fn a_host_that_vanishes_in_start_is_told_so() {
    let launch = script(&class("print('about to')\nos._exit(9)"));
    assert_eq!(launch.exited(), "exited with code 9 before start() returned; it said last: about to");
    launch.gone();
}

#[test]
fn a_start_that_hangs_is_stopped_from_another_thread() {
    let hang = "note('id', os.getpid())\nnote('id', subprocess.Popen(['sleep', '1000']).pid)\n";
    for way in ["time.sleep(1000)", "while True: pass", "open('/dev/zero').read(0); subprocess.run(['sleep', '1000'])"]
    {
        let launch = script(&class(&format!("{hang}{way}")));
        let ids = launch.ids("id", 2);
        let time = launch.stop();
        assert!(time >= Duration::from_secs(2) && time < DEADLINE / 2, "{time:?}");
        assert_eq!(launch.written("stopped"), "yes\n");
        assert_gone(&ids);
    }
}

#[test]
fn a_start_that_ends_within_its_time_is_stopped_in_its_own_thread() {
    let launch = script(&format!(
        "import threading\n{}",
        class(
            "note('id', os.getpid())
while not os.path.exists(__file__ + '.go'): time.sleep(0.01)
return 'h', 7"
        )
        .replace("'yes'", "threading.current_thread() is threading.main_thread()")
    ));
    launch.ids("id", 1);
    launch.running.stop();
    fs::write(launch.path("session.py.go"), "").unwrap();
    launch.gone();
    assert_eq!(launch.written("stopped"), "True\n");
}

#[test]
fn stop_is_called_once_also_when_it_makes_start_return() {
    let launch = script(&format!(
        "{}        end = time.monotonic() + 0.5
        while time.monotonic() < end: time.sleep(0.01)
",
        class(
            "note('begun', 'yes')
while not os.path.exists(os.path.join(os.path.dirname(__file__), 'stopped')): time.sleep(0.01)
return 'h', 7"
        )
    ));
    launch.written("begun");
    assert!(launch.stop() < DEADLINE / 2);
    assert_eq!(launch.written("stopped"), "yes\n");
}

#[test]
fn a_stop_that_hangs_or_raises_costs_its_grace_at_most() {
    let text = class("note('id', os.getpid())\nnote('id', subprocess.Popen(['sleep', '1000']).pid)\nreturn 'h', 7");
    let hangs = format!("{text}        time.sleep(1000)\n");
    let graces = Graces { script: GRACE, leftovers: GRACE, program: DEADLINE };
    let launch = script_with(&hangs, graces);
    launch.started();
    let ids = launch.ids("id", 2);
    let time = launch.stop();
    assert!(time >= 2 * GRACE && time < DEADLINE / 2, "{time:?}");
    assert_eq!(launch.written("stopped"), "yes\n");
    assert_gone(&ids);
    let launch = script(&format!("{text}        raise RuntimeError\n"));
    launch.started();
    let ids = launch.ids("id", 2);
    assert!(launch.stop() < DEADLINE / 2);
    assert_gone(&ids);
}

#[test]
fn stopping_before_anything_has_begun_is_quiet() {
    let launch = script(&class("return 'h', 7"));
    launch.running.stop();
    let last = std::iter::from_fn(|| launch.reports.recv_timeout(DEADLINE).ok()).last();
    assert!(matches!(last, Some(Report::Gone)), "{last:?}");
}
