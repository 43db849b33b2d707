use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::*;
use crate::cli::testing::words;
use crate::net::tls::TlsFiles;

mod any_line;
mod help;
mod launchers;
mod refusals;
mod services;

/// What a line with nothing but the port `4` means.
fn plain() -> Config {
    Config {
        ws_port: Some(4),
        bind_address: None,
        http: None,
        tls: None,
        security_token: None,
        target: None,
        grpc: None,
        grpc_timeout: Duration::from_secs(300),
        services: ServicesConfig {
            remote_session_config: None,
            local_sessions: Vec::new(),
            timeout: Duration::from_secs(300),
            reconnect_grace: Duration::ZERO,
            launch_timeout: Duration::from_secs(60),
            python: None,
        },
        add_headers: Vec::new(),
        allow_origins: Vec::new(),
        heartbeat: Some(Duration::from_secs(30)),
        max_connections: None,
        install_root: None,
        metrics: false,
        log: LogConfig { verbosity: 1, file: None, format: LogFormat::Text },
    }
}

fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// A line, after some environment, means the plain configuration with these changes.
fn check_in(variables: &[(&str, &str)], line: &str, change: impl FnOnce(&mut Config)) {
    let mut expected = plain();
    change(&mut expected);
    match parse(words(line), &environment(variables)) {
        Ok(Parsed::Run(config)) => assert_eq!(*config, expected, "{line}"),
        other => panic!("{line} gives {other:?}"),
    }
}

fn check(line: &str, change: impl FnOnce(&mut Config)) {
    check_in(&[], line, change);
}

fn target(host: &str, port: u16) -> Target {
    Target { host: host.to_owned(), port }
}

fn ensight(count: u32) -> LocalSession {
    LocalSession { app: LocalApp::EnSight, count }
}

fn envision(count: u32) -> LocalSession {
    LocalSession { app: LocalApp::EnVision, count }
}

fn web(port: u16) -> HttpConfig {
    HttpConfig { directory: "web".into(), port }
}

#[test]
fn the_port_is_first_or_last_or_in_between() {
    check("4", |_| {});
    check("4 --client_port 5", |c| {
        c.target = Some(target("localhost", 5));
    });
    check("--client_port 5 4", |c| {
        c.target = Some(target("localhost", 5));
    });
    check("--client_port 5 4 --metrics", |c| {
        c.target = Some(target("localhost", 5));
        c.metrics = true;
    });
    check("--metrics -- 4", |c| c.metrics = true);
    check("0", |c| c.ws_port = Some(0));
}

#[test]
fn minus_one_is_no_port() {
    for line in ["-1 --http_directory web", "--http_directory web -1", "--http_directory web -- -1"] {
        check(line, |c| {
            c.ws_port = None;
            c.http = Some(web(9090));
        });
    }
    check("-1 --http_directory web --add_header a=b", |c| {
        c.ws_port = None;
        c.http = Some(web(9090));
        c.add_headers = vec![("a".into(), "b".into())];
    });
}

#[test]
fn listening() {
    check("4 --http_directory web", |c| c.http = Some(web(9090)));
    check("4 --http_directory web --http_port 1", |c| {
        c.http = Some(web(1));
    });
    check("4 --http_directory=web --http-port=0", |c| {
        c.http = Some(web(0));
    });
    check("0 --http_directory web --http_port 0", |c| {
        c.ws_port = Some(0);
        c.http = Some(web(0));
    });
    check("4 --http_port 4", |_| {});
    check("4 --bind_address ::1", |c| {
        c.bind_address = Some("::1".parse().unwrap());
    });
    check("4 --cert a.pem", |c| {
        c.tls = Some(TlsFiles { cert: "a.pem".into(), key: None });
    });
    check("4 --cert a.pem --key b.pem", |c| {
        c.tls = Some(TlsFiles { cert: "a.pem".into(), key: Some("b.pem".into()) });
    });
}

#[test]
fn paths_may_be_any_bytes() {
    let odd = OsString::from_vec(b"w\xff".to_vec());
    let mut attached = OsString::from("--http_directory=");
    attached.push(&odd);
    for args in [vec!["4".into(), attached], vec!["4".into(), "--http_directory".into(), odd.clone()]] {
        let Ok(Parsed::Run(config)) = parse(args, &[]) else { panic!("no configuration") };
        assert_eq!(config.http, Some(HttpConfig { directory: odd.clone().into(), port: 9090 }));
    }
}

#[test]
fn tunnel() {
    check("4 --client_hostname far", |_| {});
    check("4 --client_port 0", |_| {});
    check("4 --client_hostname far --client_port 5", |c| {
        c.target = Some(target("far", 5));
    });
    check("4 --client_hostname [::1] --client_port 5", |c| {
        c.target = Some(target("::1", 5));
    });
    check("4 --heartbeat 2.5", |c| {
        c.heartbeat = Some(Duration::from_millis(2500));
    });
    check("4 --heartbeat 0", |c| c.heartbeat = None);
    check("4 --heartbeat 1e-12", |c| c.heartbeat = None);
}

#[test]
fn headers_add_up_and_never_swallow_the_port() {
    let headers = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), "1".to_owned())).collect::<Vec<_>>();
    check("4 --add_header", |_| {});
    check("4 --add_header a=1", |c| c.add_headers = headers(&["a"]));
    check("--add_header a=1 b=1 4", |c| {
        c.add_headers = headers(&["a", "b"]);
    });
    check("--add_header 4 a=1", |c| c.add_headers = headers(&["a"]));
    check("--add_header a=1 4 b=1", |c| {
        c.add_headers = headers(&["a", "b"]);
    });
    check("--add_header=a=1 4 --add_header b=1", |c| {
        c.add_headers = headers(&["a", "b"]);
    });
    check("--add_header a=1 -1 --http_directory web", |c| {
        c.ws_port = None;
        c.http = Some(web(9090));
        c.add_headers = headers(&["a"]);
    });
}

#[test]
fn security() {
    check("4 --security_token s", |c| {
        c.security_token = Some("s".into());
    });
    check("4 --security_token=-s", |c| {
        c.security_token = Some("-s".into());
    });
    check("4 --security_token=", |_| {});
    check("4 --allow_origin * --allow_origin https://a.b", |c| {
        c.allow_origins = vec!["*".into(), "https://a.b".into()];
    });
    check("4 --max_connections 1", |c| c.max_connections = Some(1));
}

#[test]
fn the_security_token_may_come_from_the_environment() {
    let token = [("WEBSOCKETSERVER_SECURITY_TOKEN", "env")];
    check_in(&token, "4", |c| c.security_token = Some("env".into()));
    check_in(&token, "4 --security_token flag", |c| {
        c.security_token = Some("flag".into());
    });
    check_in(&token, "4 --security_token ''", |_| {});
    check_in(&[("WEBSOCKETSERVER_SECURITY_TOKEN", "")], "4", |_| {});
}

#[test]
fn logging() {
    for (level, verbosity) in [("0", 0), ("2", 2), ("3", 3), ("10", 3), ("1000", 3)] {
        check(&format!("4 --verbose {level}"), |c| {
            c.log.verbosity = verbosity;
        });
    }
    check("4 --log_file l", |c| c.log.file = Some("l".into()));
    check("4 --log_file -", |_| {});
    check("4 --log_format json", |c| c.log.format = LogFormat::Json);
    check("4 --log_format text", |_| {});
    check("4 --metrics", |c| c.metrics = true);
}

#[test]
fn the_last_value_counts() {
    check("4 --http_directory x --http_port 1 --http_directory web --http_port 2", |c| c.http = Some(web(2)));
}

#[test]
fn short_forms_mean_what_they_meant_to_the_original() {
    check("4 --log F", |c| c.log.file = Some("F".into()));
    check("4 --ver 2", |c| c.log.verbosity = 2);
    check("4 --t 5", |c| c.services.timeout = Duration::from_secs(5));
    check("4 --a a=1", |c| {
        c.add_headers = vec![("a".into(), "1".into())];
    });
    check("4 --loc envision 5", |c| {
        c.services.local_sessions = vec![envision(5)];
    });
    check("4 --met", |c| c.metrics = true);
}

#[test]
fn separate_loops_has_no_effect() {
    check("4 --separate_loops", |_| {});
}
