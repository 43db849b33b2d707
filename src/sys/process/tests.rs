//! Real processes that behave badly, and what becomes of them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, SigmaskHow, Signal as NixSignal};
use rustix::process::{Pid, Signal, kill_process};

use super::ladder::{Descent, Ladder, Next, ask, terminate};
use super::testing::{DEADLINE, carriers, exists, processes, runs, wait_for};
use super::{Child, Exit, Processes, Seek, Spawn, guardian};

/// Long enough to be told apart from "at once", short enough for a test.
const GRACE: Duration = Duration::from_millis(300);

/// A shell that runs `script`, and its output.
fn shell_of(processes: &Processes, script: &str) -> (Child, BufReader<File>) {
    let (ours, theirs) = std::io::pipe().unwrap();
    let mut spawn = Spawn::new(vec!["/bin/sh".into(), "-c".into(), script.into()]);
    spawn.stdout = Stdio::from(theirs);
    (processes.spawn(spawn).unwrap(), BufReader::new(File::from(OwnedFd::from(ours))))
}

fn shell(script: &str) -> (Child, BufReader<File>) {
    shell_of(&processes(), script)
}

fn line(output: &mut impl BufRead) -> String {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// The next `count` lines, which are numbers.
fn ids(output: &mut impl BufRead, count: usize) -> Vec<i32> {
    (0..count).map(|_| line(output)).map(|line| line.parse().unwrap_or_else(|_| panic!("{line:?}"))).collect()
}

fn exit(child: &Child) -> Exit {
    wait_for("the child ends", || child.exited().unwrap())
}

/// Walks the child down; how long that took.
fn down(child: &mut Child, ladder: Ladder) -> Duration {
    let (began, mut descent) = (Instant::now(), Descent::new(ladder));
    while let Next::LookAfter(pause) = child.descend(&mut descent) {
        assert!(began.elapsed() < DEADLINE, "the tree of {} does not end", child.pid());
        std::thread::sleep(pause);
    }
    began.elapsed()
}

#[test]
fn how_it_ended_is_told_in_words() {
    for (script, expected) in [
        ("exit 0", "exited with code 0"),
        ("exit 3", "exited with code 3"),
        ("kill -SEGV $$", "killed by SIGSEGV"),
        ("kill -KILL $$", "killed by SIGKILL"),
    ] {
        let (mut child, _output) = shell(script);
        assert_eq!(exit(&child).to_string(), expected);
        assert_eq!(exit(&child).to_string(), expected, "asking changes nothing");
        assert!(exists(child.pid().as_raw_pid()), "its id stays taken");
        down(&mut child, terminate(GRACE));
        assert!(!exists(child.pid().as_raw_pid()));
        assert_eq!(exit(&child).to_string(), expected, "also when its id is free again");
    }
}

#[test]
fn a_program_that_is_not_there_is_an_error_and_leaves_nothing() {
    let error = processes().spawn(Spawn::new(vec!["/nowhere/program".into()])).err().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert!(processes().spawn(Spawn::new(Vec::new())).is_err());
}

#[test]
fn a_child_starts_with_no_signal_blocked_whatever_its_parent_blocks() {
    let mut blocked = SigSet::empty();
    blocked.add(NixSignal::SIGTERM);
    let before = blocked.thread_swap_mask(SigmaskHow::SIG_SETMASK).unwrap();
    let (mut child, mut output) = shell("exec grep SigBlk /proc/self/status");
    let after = SigSet::thread_get_mask().unwrap();
    before.thread_set_mask().unwrap();
    assert_eq!(line(&mut output).split_whitespace().last(), Some("0000000000000000"));
    assert!(after.contains(NixSignal::SIGTERM), "the thread's own mask was not given back");
    down(&mut child, terminate(GRACE));
}

#[test]
fn it_leads_a_group_knows_its_cookie_and_not_what_it_must_not_see() {
    let (ours, theirs) = std::io::pipe().unwrap();
    let script = "echo $BERTH_INSTANCE; echo $(cut -d' ' -f5 /proc/$$/stat) $$; echo \"$EXTRA,$HOME,$(pwd)\"";
    let mut spawn = Spawn::new(vec!["sh".into(), "-c".into(), script.into()]);
    spawn.stdout = Stdio::from(theirs);
    spawn.env.push(("EXTRA".into(), "more".into()));
    spawn.unset.push("HOME".into());
    spawn.cwd = Some("/usr".into());
    let mut child = processes().spawn(spawn).unwrap();
    let mut output = BufReader::new(ours);
    assert_eq!(line(&mut output), child.cookie());
    assert_eq!(line(&mut output), format!("{0} {0}", child.pid().as_raw_pid()));
    assert_eq!(line(&mut output), "more,,/usr");
    down(&mut child, terminate(GRACE));
}

#[test]
fn a_child_may_be_given_the_limit_of_descriptors_that_we_had() {
    let (read, hold) = std::io::pipe().unwrap();
    let (ours, theirs) = std::io::pipe().unwrap();
    let mut spawn = Spawn::new(vec!["sh".into(), "-c".into(), "read x; ulimit -Sn; ulimit -Hn".into()]);
    (spawn.stdin, spawn.stdout, spawn.descriptors) = (Stdio::from(read), Stdio::from(theirs), Some(77));
    let mut child = processes().spawn(spawn).unwrap();
    drop(hold);
    let mut output = BufReader::new(ours);
    assert_eq!(line(&mut output), "77");
    assert_ne!(line(&mut output), "77", "the hard limit is its own to use");
    down(&mut child, terminate(GRACE));
}

#[test]
fn sigterm_is_enough_for_who_heeds_it_and_reaches_who_is_stopped() {
    let (mut child, mut output) = shell("trap 'exit 5' TERM; echo 1; kill -STOP $$; while :; do sleep 1; done");
    ids(&mut output, 1);
    assert!(down(&mut child, terminate(DEADLINE)) < DEADLINE / 2);
}

#[test]
fn who_ignores_sigterm_is_killed_after_the_grace() {
    let (mut child, mut output) = shell("trap '' TERM; echo 1; while :; do sleep 1000; done");
    ids(&mut output, 1);
    assert!(down(&mut child, terminate(GRACE)) >= GRACE);
    assert!(!exists(child.pid().as_raw_pid()));
}

#[test]
fn the_end_of_its_input_may_be_all_that_is_needed() {
    let (theirs, ours) = std::io::pipe().unwrap();
    let mut spawn = Spawn::new(vec!["sh".into(), "-c".into(), "trap '' TERM; cat".into()]);
    spawn.stdin = Stdio::from(theirs);
    let mut child = processes().spawn(spawn).unwrap();
    drop(ours);
    assert!(down(&mut child, ask(DEADLINE, DEADLINE)) < DEADLINE / 2);
}

/// A family: a child in the group, one in a session of its own, a daemon (its parent has ended), one without the cookie,
/// and one that ignores SIGTERM. Prints their ids.
const FAMILY: &str = "sleep 1000 & echo $!
    setsid sleep 1000 & echo $!
    (setsid sh -c 'echo $$; exec sleep 1000' &)
    env -i /usr/bin/setsid sh -c 'echo $$; trap \"\" TERM; (trap \"\" TERM; sleep 1000) & echo $!; wait' &
";
const RELATIVES: usize = 5;

#[test]
fn the_whole_family_is_ended_and_reaped() {
    let (mut child, mut output) = shell(&format!("{FAMILY} wait"));
    let family = ids(&mut output, RELATIVES);
    assert!(family.iter().all(|id| runs(*id)), "{family:?}");
    assert!(down(&mut child, terminate(GRACE)) >= GRACE, "one of them ignores SIGTERM");
    assert_eq!(family.iter().filter(|id| exists(**id)).count(), 0);
    assert_eq!(carriers(child.cookie()), [0; 0]);
}

#[test]
fn what_outlives_its_leader_is_ended_too() {
    let (mut child, mut output) = shell("sleep 1000 & echo $!; setsid sleep 1000 & echo $!; exit 3");
    let family = ids(&mut output, 2);
    assert_eq!(exit(&child), Exit::Code(3));
    assert!(family.iter().all(|id| runs(*id)));
    down(&mut child, terminate(DEADLINE));
    assert_eq!(family.iter().filter(|id| exists(**id)).count(), 0);
}

#[test]
fn orphans_that_end_by_themselves_are_reaped_and_no_status_is_stolen() {
    let (mut other, _) = shell("exit 7");
    let (mut child, mut output) = shell("(true & echo $!); (setsid true & echo $!); exec sleep 1000");
    for id in ids(&mut output, 2) {
        wait_for("the orphan is reaped", || (!exists(id)).then_some(()));
    }
    assert_eq!(exit(&other), Exit::Code(7), "the reaper took what is not its own");
    down(&mut other, terminate(GRACE));
    down(&mut child, terminate(GRACE));
}

#[test]
fn dropping_a_child_kills_its_tree() {
    let (child, mut output) = shell(&format!("{FAMILY} wait"));
    let mut family = ids(&mut output, RELATIVES);
    family.push(child.pid().as_raw_pid());
    drop(child);
    for id in family {
        wait_for("it is killed and reaped", || (!exists(id)).then_some(()));
    }
}

/// Set in copies of this test program that play a part in another test.
const ROLE: &str = "BERTH_TEST_ROLE";

/// Command line of this test program in the role of `test`.
fn role(test: &str) -> Vec<String> {
    let program = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let name = format!("sys::process::tests::{test}");
    vec!["/usr/bin/env".into(), format!("{ROLE}={test}"), program, "--exact".into(), name, "--nocapture".into()]
}

fn in_role(test: &str) -> bool {
    std::env::var(ROLE).is_ok_and(|role| role == test)
}

#[test]
fn as_guardian() {
    if in_role("as_guardian") {
        guardian::watch(std::io::stdin().lock(), std::io::stdout()).unwrap();
    }
}

/// A server with a guardian and three trees, one of which ends by itself when its input ends, in its own time.
#[test]
fn as_server() {
    if !in_role("as_server") {
        return;
    }
    let processes = Processes::start(Some(role("as_guardian").into_iter().map(Into::into).collect())).unwrap();
    let (mut child, mut output) = shell_of(&processes, "echo $$; exec sleep 1000");
    println!("gone {}", ids(&mut output, 1)[0]);
    down(&mut child, terminate(GRACE));
    let (_stubborn, mut output) = shell_of(&processes, &format!("trap '' TERM; echo $$; {FAMILY} wait"));
    let mut all = ids(&mut output, 1 + RELATIVES);
    let (theirs, _ours) = std::io::pipe().unwrap();
    let marker = std::env::var("MARKER").unwrap();
    let script = format!("trap 'echo terminated >>{marker}; exit' TERM; cat; sleep 0.5; echo stopped >>{marker}");
    let mut spawn = Spawn::new(vec!["sh".into(), "-c".into(), script.into()]);
    spawn.stdin = Stdio::from(theirs);
    spawn.orphaned = super::Orphaned::EndsByItself;
    let polite = processes.spawn(spawn).unwrap();
    all.push(polite.pid().as_raw_pid());
    for id in all {
        println!("id {id}");
    }
    println!("guardian {}\nup", processes.guardian().unwrap().as_raw_pid());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn a_server_that_is_killed_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("marker");
    let (hold, _ours) = std::io::pipe().unwrap();
    let (said, theirs) = std::io::pipe().unwrap();
    let mut spawn = Spawn::new(role("as_server").into_iter().map(Into::into).collect());
    spawn.stdin = Stdio::from(hold);
    spawn.stdout = Stdio::from(theirs);
    spawn.env.push(("MARKER".into(), marker.clone().into()));
    let mut server = processes().spawn(spawn).unwrap();
    let mut output = BufReader::new(said);
    let mut said = Vec::new();
    while said.last().is_none_or(|line| line != "up") {
        said.push(line(&mut output));
        assert!(said.len() < 100 && exit_of(&server).is_none(), "{said:?}");
    }
    let numbers = |word: &str| -> Vec<i32> {
        said.iter().filter_map(|line| line.strip_prefix(word)?.trim().parse().ok()).collect()
    };
    let (all, guardian) = (numbers("id"), numbers("guardian")[0]);
    assert_eq!(all.len(), 7, "{said:?}");
    assert!(!runs(numbers("gone")[0]) && all.iter().all(|id| runs(*id)) && runs(guardian));
    // What a terminal and a service manager would send to everybody does not move the guardian.
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        kill_process(Pid::from_raw(guardian).unwrap(), signal).unwrap();
    }
    kill_process(server.pid(), Signal::KILL).unwrap();
    let began = Instant::now();
    wait_for("all are gone", || all.iter().all(|id| !runs(*id)).then_some(()));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(began.elapsed() > Duration::from_secs(3), "one ignores SIGTERM and had its grace");
    wait_for("the guardian ends", || (!runs(guardian)).then_some(()));
    assert_eq!(std::fs::read_to_string(marker).unwrap(), "stopped\n", "who ends by itself was not left alone");
    down(&mut server, terminate(GRACE));
}

fn exit_of(child: &Child) -> Option<Exit> {
    child.exited().unwrap()
}

/// A server whose guardian is killed under it.
#[test]
fn as_server_without_luck() {
    if !in_role("as_server_without_luck") {
        return;
    }
    let processes = Processes::start(Some(role("as_guardian").into_iter().map(Into::into).collect())).unwrap();
    let (mut child, mut output) = shell_of(&processes, "echo $$; exec sleep 1000");
    ids(&mut output, 1);
    let first = processes.guardian().unwrap();
    kill_process(first, Signal::KILL).unwrap();
    let second = wait_for("a new guardian", || processes.guardian().filter(|pid| *pid != first));
    wait_for("the old one is reaped", || (!exists(first.as_raw_pid())).then_some(()));
    assert!(child.exited().unwrap().is_none());
    down(&mut child, terminate(GRACE));
    drop((child, processes));
    assert!(!exists(second.as_raw_pid()), "with nothing to guard it ends at once");
    println!("all is well");
}

#[test]
fn a_guardian_that_dies_is_replaced_and_one_without_work_ends_at_once() {
    let words = role("as_server_without_luck");
    let (ours, theirs) = std::io::pipe().unwrap();
    let mut spawn = Spawn::new(words.into_iter().map(Into::into).collect());
    (spawn.stdout, spawn.stderr) = (Stdio::from(theirs.try_clone().unwrap()), Stdio::from(theirs));
    let mut server = processes().spawn(spawn).unwrap();
    let mut said = String::new();
    BufReader::new(ours).read_to_string(&mut said).unwrap();
    assert!(said.contains("all is well"), "{said}");
    down(&mut server, terminate(GRACE));
}

#[test]
fn only_the_argument_makes_a_guardian() {
    assert!(guardian::run_if_asked().is_none());
    let words = guardian::command();
    assert_eq!(words[0], "/proc/self/exe");
    drop(Command::new(&words[0])); // a path, not a name to be looked for
}

#[test]
fn orphans_are_found_among_our_descendants_too() {
    // In the group, out of it, and below somebody who is out of it.
    let scripts = [
        "sleep 1000 & echo $!",
        "setsid sleep 1000 & echo $!",
        "setsid sh -c 'trap \"\" TERM; sleep 1000 & echo $!; wait' & sleep 0.1; :",
    ];
    for script in scripts {
        let (ours, theirs) = std::io::pipe().unwrap();
        let mut spawn = Spawn::new(vec!["/bin/sh".into(), "-c".into(), script.into()]);
        spawn.stdout = Stdio::from(theirs);
        spawn.seek = Seek::Descendants;
        let mut child = processes().spawn(spawn).unwrap();
        let orphan = ids(&mut BufReader::new(File::from(OwnedFd::from(ours))), 1)[0];
        exit(&child);
        assert!(runs(orphan), "{script}");
        down(&mut child, terminate(GRACE));
        assert!(!runs(orphan), "{script}");
    }
}
