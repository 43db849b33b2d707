//! Files that are right, and every way in which one can be wrong.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use super::super::config::{Config, LocalApp, LocalSession, ServicesConfig};
use super::*;
use crate::sys::logging::{LogConfig, LogFormat};
use crate::sys::process::testing::processes;

/// A folder with a script, a program, and things that are neither.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("ok.py"), "").unwrap();
    fs::write(at("plain"), "").unwrap();
    fs::write(at("tool"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(at("tool"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(at("folder")).unwrap();
    folder
}

fn load(folder: &Path, text: &str) -> Result<Vec<ServiceSpec>, String> {
    let path = folder.join("services.json");
    fs::write(&path, text).unwrap();
    file::load(&path)
}

fn config() -> Config {
    let log = LogConfig { verbosity: 1, file: None, format: LogFormat::Text };
    let services = ServicesConfig {
        remote_session_config: None,
        local_sessions: Vec::new(),
        timeout: Duration::from_secs(300),
        reconnect_grace: Duration::ZERO,
        launch_timeout: Duration::from_secs(60),
        python: None,
    };
    Config {
        ws_port: None,
        bind_address: None,
        http: None,
        tls: None,
        security_token: None,
        target: None,
        grpc: None,
        grpc_timeout: Duration::from_secs(300),
        services,
        add_headers: Vec::new(),
        allow_origins: Vec::new(),
        heartbeat: None,
        max_connections: None,
        install_root: None,
        metrics: false,
        log,
    }
}

/// The service `S` of a file with nothing else.
fn one(folder: &Path, service: &str) -> Result<ServiceSpec, String> {
    load(folder, &format!("{{\"S\": {service}}}")).map(|mut list| list.remove(0))
}

#[test]
fn the_file_of_the_manual_is_read() {
    let folder = folder();
    for name in ["desktop_session.py", "x11vnc_desktop_session.py"] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    let text = r#"{
      "Local Software Session": {"script": "desktop_session.py", "count": 2,
                                 "options": {"sizes": ["12080x1024", "1600x1200"], "display_base": 100}},
      "Cluster Node Session": {"script": "x11vnc_desktop_session.py", "count": 1, "group_token": "secret",
                               "options": {"sizes": ["1600x1200"], "group": "ClusterRendering", "host": "n8"}}
    }"#;
    let list = load(folder.path(), &format!("\u{feff}{text}")).unwrap();
    let [local, cluster] = list.as_slice() else { panic!("{list:?}") };
    assert_eq!((local.name.as_str(), local.count, local.group()), ("Local Software Session", 2, None));
    assert_eq!(local.options.get("sizes"), Some(&json!(["12080x1024", "1600x1200"])));
    assert_eq!(local.kind, Kind::Script(folder.path().join("desktop_session.py")));
    assert_eq!((cluster.group(), cluster.group_token.as_deref()), (Some("ClusterRendering"), Some("secret")));
    assert_eq!(load(folder.path(), "{}").unwrap(), []);
}

#[test]
fn commands_are_found_in_the_folder_and_in_path() {
    let folder = folder();
    let command = |text: &str| match one(folder.path(), text).unwrap().kind {
        Kind::Command(command) => command,
        other => panic!("{other:?}"),
    };
    let own = command(r#"{"command": ["./tool", "{{}}-{port}"], "count": 1}"#);
    assert_eq!((own.program, own.connect), (folder.path().join("./tool"), Connect::Tcp));
    let shell = command(r#"{"command": ["sh", "{path}"], "count": 1, "connect": "unix"}"#);
    assert!(shell.program.is_absolute() && shell.program.ends_with("sh"), "{}", shell.program.display());
    let stdio = command(r#"{"command": ["sh", "{n}"], "count": 1, "connect": "stdio", "options": {"n": 1}}"#);
    assert_eq!(stdio.connect, Connect::Stdio);
}

/// What is wrong with a service, and the sentence about it (`{folder}` is the file's).
const FAULTS: &[(&str, &str)] = &[
    ("7", "must be an object, and is a number"),
    ("null", "must be an object, and is null"),
    ("[{}]", "must be an object, and is a list"),
    ("\"ok.py\"", "must be an object, and is a string"),
    ("{\"count\": 1}", "has neither 'script' nor 'command'"),
    ("{\"script\": \"ok.py\"}", "count: is missing (how many instances there may be)"),
    ("{\"script\": \"ok.py\", \"count\": 0}", "count: 0 is not a number of instances (1 to 1000)"),
    ("{\"script\": \"ok.py\", \"count\": 1001}", "count: 1001 is not a number of instances (1 to 1000)"),
    ("{\"script\": \"ok.py\", \"count\": -1}", "count: -1 is not a number of instances (1 to 1000)"),
    ("{\"script\": \"ok.py\", \"count\": 1.5}", "count: 1.5 is not a number of instances (1 to 1000)"),
    ("{\"script\": \"ok.py\", \"count\": \"2\"}", "count: must be a number, and is a string"),
    ("{\"script\": \"ok.py\", \"count\": 1, \"count\": 2}", "count: the key is used twice"),
    ("{\"scirpt\": \"ok.py\", \"count\": 1}", "unknown key 'scirpt' (did you mean 'script'?)"),
    ("{\"Script\": \"ok.py\", \"count\": 1}", "unknown key 'Script' (did you mean 'script'?)"),
    ("{\"script\": \"ok.py\", \"count\": 1, \"colour\": 1}", "unknown key 'colour'"),
    ("{\"script\": 7, \"count\": 1}", "script: must be a string, and is a number"),
    ("{\"script\": \"\", \"count\": 1}", "script: is not the name of a file"),
    (
        "{\"script\": \"none.py\", \"count\": 1}",
        "script: {folder}/none.py cannot be read: no such file or directory (os error 2)",
    ),
    ("{\"script\": \"folder\", \"count\": 1}", "script: {folder}/folder is not a file"),
    ("{\"script\": \"ok.py\", \"count\": 1, \"options\": []}", "options: must be an object, and is a list"),
    (
        "{\"script\": \"ok.py\", \"count\": 1, \"options\": {\"group\": 1}}",
        "options: group: must be a string, and is a number",
    ),
    ("{\"script\": \"ok.py\", \"count\": 1, \"group_token\": 1}", "group_token: must be a string, and is a number"),
    ("{\"script\": \"ok.py\", \"count\": 1, \"group_token\": \"\"}", "group_token: must not be empty"),
    (
        "{\"script\": \"ok.py\", \"count\": 1, \"connect\": \"tcp\"}",
        "connect: belongs to 'command', and this is a 'script'",
    ),
    (
        "{\"script\": \"ok.py\", \"command\": [\"sh\"], \"count\": 1}",
        "script: stands beside 'command', and only one of them can be",
    ),
    ("{\"command\": \"sh\", \"count\": 1}", "command: must be a list of strings, and is a string"),
    ("{\"command\": [], \"count\": 1}", "command: is empty"),
    ("{\"command\": [\"\"], \"count\": 1}", "command: the program has no name"),
    ("{\"command\": [\"sh\", 1], \"count\": 1}", "command: element 1 must be a string, and is a number"),
    ("{\"command\": [\"sh\", \"\\u0000\"], \"count\": 1}", "command: element 1 holds a NUL"),
    (
        "{\"command\": [\"no-such-program\", \"{port}\"], \"count\": 1}",
        "command: 'no-such-program' is not found in PATH",
    ),
    ("{\"command\": [\"./none\", \"{port}\"], \"count\": 1}", "command: {folder}/./none is not there"),
    ("{\"command\": [\"./plain\", \"{port}\"], \"count\": 1}", "command: {folder}/./plain is not executable"),
    ("{\"command\": [\"./folder\", \"{port}\"], \"count\": 1}", "command: {folder}/./folder is not a file"),
    (
        "{\"command\": [\"{p}\", \"{port}\"], \"count\": 1, \"options\": {\"p\": \"sh\"}}",
        "command: '{p}' is the program, and must have no placeholder",
    ),
    ("{\"command\": [\"sh\", \"a{port\"], \"count\": 1}", "command: 'a{port' has a '{' without '}' (a brace is '{{')"),
    ("{\"command\": [\"sh\", \"port}\"], \"count\": 1}", "command: 'port}' has a '}' without '{' (a brace is '}}')"),
    (
        "{\"command\": [\"sh\", \"{prot}\"], \"count\": 1}",
        "command: {prot} is neither a placeholder nor an option with a default (did you mean {port}?)",
    ),
    (
        "{\"command\": [\"sh\", \"{port}{siz}\"], \"count\": 1, \"options\": {\"size\": 1}}",
        "command: {siz} is neither a placeholder nor an option with a default (did you mean {size}?)",
    ),
    (
        "{\"command\": [\"sh\", \"{port}{s}\"], \"count\": 1, \"options\": {\"s\": [1]}}",
        "command: {s} needs a default in the options that is a string, a number, true or false",
    ),
    (
        "{\"command\": [\"sh\", \"{port}\"], \"count\": 1, \"options\": {\"port\": 1}}",
        "command: the option 'port' has the name of a placeholder that has a meaning of its own",
    ),
    ("{\"command\": [\"sh\"], \"count\": 1}", "command: connect is tcp, and no argument has {port}"),
    ("{\"command\": [\"sh\", \"{port}{path}\"], \"count\": 1}", "command: connect is tcp, and then there is no {path}"),
    (
        "{\"command\": [\"sh\"], \"connect\": \"unix\", \"count\": 1}",
        "command: connect is unix, and no argument has {path}",
    ),
    (
        "{\"command\": [\"sh\", \"{path}{port}\"], \"connect\": \"unix\", \"count\": 1}",
        "command: connect is unix, and then there is no {port}",
    ),
    (
        "{\"command\": [\"sh\", \"{port}\"], \"connect\": \"stdio\", \"count\": 1}",
        "command: connect is stdio, and then there is no {port}",
    ),
    ("{\"command\": [\"sh\"], \"connect\": \"udp\", \"count\": 1}", "connect: 'udp' is none of tcp, unix, stdio"),
    ("{\"command\": [\"sh\"], \"connect\": 1, \"count\": 1}", "connect: must be a string, and is a number"),
];

#[test]
fn every_fault_is_named_with_file_service_key_and_cause() {
    let folder = folder();
    let path = folder.path().to_str().unwrap();
    for (service, sentence) in FAULTS {
        let expected = format!("{path}/services.json: service 'S': {}", sentence.replace("{folder}", path));
        assert_eq!(one(folder.path(), service).unwrap_err(), expected, "{service}");
    }
}

#[test]
fn faults_of_the_file_itself_are_named_too() {
    let folder = folder();
    let path = folder.path().to_str().unwrap();
    let ok = r#"{"script": "ok.py", "count": 1}"#;
    for (text, sentence) in [
        ("{\n  \"S\" 7}".to_owned(), "expected `:` at line 2 column 7"),
        ("{\n  \"S\": {}\n".to_owned(), "EOF while parsing an object at line 3 column 0"),
        ("[]".to_owned(), "invalid type: sequence, expected an object of services at line 1 column 0"),
        (format!("{{\"S\": {ok}, \"S\": {ok}}}"), "service 'S': there are two of this name"),
        (format!("{{\" \": {ok}}}"), "service ' ': a name is empty"),
        (format!("{{\"a\\nb\": {ok}}}"), "service 'a\\nb': a name has at most 200 bytes and no control characters"),
    ] {
        assert_eq!(load(folder.path(), &text).unwrap_err(), format!("{path}/services.json: {sentence}"));
    }
    fs::write(folder.path().join("junk"), b"{\n\"\xff\"").unwrap();
    assert_eq!(file::load(&folder.path().join("junk")).unwrap_err(), format!("{path}/junk: is not UTF-8 at line 2"));
    let error = file::load(&folder.path().join("none")).unwrap_err();
    assert_eq!(error, format!("{path}/none: cannot be read: no such file or directory (os error 2)"));
    let deep = format!("{{\"S\": {{\"options\": {}1{}}}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(load(folder.path(), &deep).unwrap_err().contains("recursion limit exceeded"));
}

#[test]
fn local_sessions_have_names_short_names_and_need_a_program_only_when_launched() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("bin")).unwrap();
    fs::copy("/bin/true", root.path().join("bin/envision")).unwrap();
    let mut config = config();
    let session = |app, count| LocalSession { app, count };
    config.services.local_sessions = vec![session(LocalApp::EnVision, 5), session(LocalApp::EnSight, 1)];
    config.install_root = Some(root.path().to_owned());
    let services = Services::load(&config).unwrap();
    let names: Vec<&str> = services.iter().map(|spec| spec.name.as_str()).collect();
    assert_eq!(names, ["local_envision", "local_ensight"]);
    let envision = services.get("envision").unwrap();
    assert_eq!((envision.name.as_str(), envision.count), ("local_envision", 5));
    assert_eq!(envision.options.get("file_ext"), Some(&json!(["evsn", "csf", "ply", "stl"])));
    let program = |name: &str| match &services.get(name).unwrap().kind {
        Kind::App(app) => app.program.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(program("local_envision"), Ok(root.path().join("bin/envision")));
    let missing = format!("--local_session ensight: {}/bin/ensight is not there", root.path().display());
    assert_eq!(program("local_ensight"), Err(missing));
    assert!(services.get("adr").is_none());
    config.install_root = None;
    config.services.local_sessions = vec![session(LocalApp::EnSight, 0), session(LocalApp::EnVision, 1)];
    let services = Services::load(&config).unwrap();
    assert_eq!(services.iter().count(), 1);
    let Kind::App(app) = &services.get("envision").unwrap().kind else { panic!() };
    let unknown = "--local_session envision: no installation is known; name it with --install_root";
    assert_eq!(app.program, Err(unknown.to_owned()));
}

#[test]
fn a_name_is_used_once_in_all() {
    let folder = folder();
    let path = folder.path().join("services.json");
    fs::write(&path, r#"{"local_envision": {"script": "ok.py", "count": 1}}"#).unwrap();
    let mut config = config();
    config.services.remote_session_config = Some(path.clone());
    assert_eq!(Services::load(&config).unwrap().iter().count(), 1);
    config.services.local_sessions = vec![LocalSession { app: LocalApp::EnVision, count: 1 }];
    let error = Services::load(&config).unwrap_err();
    assert_eq!(error, format!("{}: service 'local_envision': the name is taken by --local_session", path.display()));
}

fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn clients_cannot_put_flags_into_a_command() {
    let folder = folder();
    let text = r#"{"command": ["sh", "{port}", "{size}", "-geometry={geometry}", "{depth}"], "count": 1,
        "options": {"size": "a", "geometry": "b", "depth": 24, "fast": true, "sizes": ["a"]}}"#;
    let spec = one(folder.path(), text).unwrap();
    let long = "x".repeat(5_000);
    for (name, value, expected) in [
        ("size", "1600x1200", None),
        ("size", "-ac", Some("option 'size' must not begin with '-'")),
        ("geometry", "-ac", None),
        ("size", "a\0b", Some("option 'size' holds a NUL")),
        ("undeclared", "a\0b", Some("option 'undeclared' holds a NUL")),
        ("size", "a\nb", Some("option 'size' must be text without control characters, and 'a\\nb' is not")),
        ("depth", "16", None),
        ("depth", "x", Some("option 'depth' must be a number, and 'x' is not")),
        ("depth", "inf", Some("option 'depth' must be a number, and 'inf' is not")),
        ("depth", "-1", Some("option 'depth' must not begin with '-'")),
        ("fast", "false", None),
        ("fast", "1", Some("option 'fast' must be true or false, and '1' is not")),
        ("sizes", "-a", None),
        ("undeclared", "-a", None),
        ("size", &long, Some("option 'size' is longer than 4096 bytes")),
    ] {
        let found = check_options(&spec, &options(&[(name, value)]));
        assert_eq!(found.err().as_deref(), expected, "{name}={value}");
    }
}

#[test]
fn the_file_an_application_opens_is_below_the_working_directory() {
    let folder = folder();
    std::os::unix::fs::symlink("/etc", folder.path().join("out")).unwrap();
    let app = AppSpec { app: LocalApp::EnVision, program: Ok(PathBuf::from("/x")) };
    let name = "local_envision".to_owned();
    let spec = ServiceSpec { name, count: 1, options: Map::new(), group_token: None, kind: Kind::App(app) };
    for bad in ["/etc/passwd", "..", "../x", "folder/../../x", "-v"] {
        check_options(&spec, &options(&[("target_pathname", bad)])).unwrap_err();
        target_pathname(bad, folder.path()).unwrap_err();
    }
    check_options(&spec, &options(&[("target_pathname", "folder/../plain"), ("other", "-x")])).unwrap();
    let real = folder.path().canonicalize().unwrap();
    assert_eq!(target_pathname("folder/../plain", folder.path()), Ok(real.join("plain")));
    let error = target_pathname("out/passwd", folder.path()).unwrap_err();
    assert_eq!(error, "target_pathname 'out/passwd' leads out of the server's working directory");
    assert!(target_pathname("none", folder.path()).unwrap_err().contains("No such file"));
}

#[test]
fn the_interpreter_is_tried_and_must_be_new_enough() {
    assert_eq!(interpreter(None, &processes()), Ok("python3".into()));
    let folder = folder();
    for (says, cause) in [
        ("echo berth: 3 6", "this is 3.6"),
        ("echo berth: 2 7", "this is 2.7"),
        ("echo 'no such' >&2; exit 5", "trying it was no success: exited with code 5: no such"),
        ("kill -SEGV $$", "trying it was no success: killed by SIGSEGV"),
    ] {
        // Written by another process: a file that is still open for writing in a copy of this one cannot be run.
        let path = folder.path().join("python");
        let script = format!("printf '%s\\n' '#!/bin/sh' \"$1\" > {0}; chmod +x {0}", path.display());
        let written = ["sh", "-c", &script, "sh", says].map(Into::into).to_vec();
        processes().run(crate::sys::process::Spawn::new(written), Duration::from_secs(30)).unwrap();
        let error = interpreter(Some(&path), &processes()).unwrap_err();
        let expected = format!("--python {}: script services need Python 3.8 or newer, and {cause}", path.display());
        assert_eq!(error, expected);
    }
    let error = interpreter(Some(Path::new("/nowhere/python")), &processes()).unwrap_err();
    assert!(error.contains("--python /nowhere/python") && error.contains("cannot be started"), "{error}");
}

#[test]
fn arguments_are_filled_in() {
    struct Numbers;
    impl Values for Numbers {
        fn value(&self, name: &str) -> Option<String> {
            name.strip_prefix('n').map(|number| format!("<{number}>"))
        }
    }
    let fill = |text: &str| Template::parse(text)?.fill(&Numbers);
    for (text, expected) in
        [("", ""), ("a", "a"), ("{n1}", "<1>"), ("a{n1}b{n2}c", "a<1>b<2>c"), ("{{{n1}}}", "{<1>}"), ("{{n1}}", "{n1}")]
    {
        assert_eq!(fill(text), Ok(expected.to_owned()));
    }
    assert_eq!(fill("{x}"), Err("there is no value for {x}".to_owned()));
}
