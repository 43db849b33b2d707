//! The flags of `websocketserver`.

use std::ffi::OsStr;

use crate::cli::table::{Command, Flag, Group, Positional};

/// The command.
pub const COMMAND: Command = Command {
    name: "websocketserver",
    about: "Tunnels websockets to a TCP service or to services that it launches on request, and serves \
            files and a REST API beside them.",
    positional: Positional {
        name: "ws_server_port",
        help: "Port for incoming websockets; 0 takes any free port, -1 opens none (websockets are then \
               taken on the HTTP port alone)",
        claims: is_port_word,
    },
    trailing: None,
    groups: &[LISTENING, TUNNEL, SERVICES, ENSIGHT, SECURITY, LIMITS, LOGGING, OTHER],
    examples: &[
        (
            "Serve a folder of pages, and a VNC server on this machine to them:",
            "websocketserver --http_directory web --client_port 5900 9000",
        ),
        (
            "Launch EnVision for up to four visitors at a time:",
            "websocketserver --http_directory web --local_session envision 4 9000",
        ),
    ],
};

/// Whether a word among headers can only be the port: they hold a `=`, and ports do not.
fn is_port_word(word: &OsStr) -> bool {
    word == "-1" || word.to_str().is_some_and(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit()))
}

const LISTENING: Group = Group {
    title: "Listening",
    flags: &[
        Flag::value("--http_directory", "DIR", "Serve the files in DIR over HTTP, and the REST API with them"),
        Flag::value("--http_port", "PORT", "Port for HTTP; 0 takes any free port").default("9090"),
        Flag::value("--bind_address", "IP", "Listen on this address only").default("every interface").ours(),
        Flag::value("--cert", "FILE", "Certificate chain (PEM); both ports then speak TLS"),
        Flag::value("--key", "FILE", "Private key (PEM)").default("the one in the certificate file"),
    ],
};

const TUNNEL: Group = Group {
    title: "Tunnel",
    flags: &[
        Flag::value("--client_hostname", "HOST", "Host that websockets without a token are tunnelled to")
            .default("localhost"),
        Flag::value("--client_port", "PORT", "Port on that host; without one such websockets are refused"),
        Flag::value("--heartbeat", "SECONDS", "Time between pings on a websocket; 0 sends none").default("30").ours(),
    ],
};

const SERVICES: Group = Group {
    title: "Services",
    flags: &[
        Flag::pair(
            "--local_session",
            "APP COUNT",
            "Offer up to COUNT instances of ensight or envision; may be repeated",
        ),
        Flag::value("--remote_session_config", "FILE", "Offer the services that this JSON file describes"),
        Flag::value("--timeout", "SECONDS", "Reclaim a reservation that is not used for this long").default("300"),
        Flag::value("--launch_timeout", "SECONDS", "Give up on a launch that takes longer").default("60").ours(),
        Flag::value("--reconnect_grace", "SECONDS", "Keep a service this long after its last tunnel has ended")
            .default("0")
            .ours(),
        Flag::value("--python", "PATH", "Python for services that are scripts").default("python3 from PATH").ours(),
        Flag::value("--install_root", "DIR", "The Ansys installation, the CEI folder that holds bin")
            .default("from CEI_HOME or AWP_ROOT###")
            .ours(),
    ],
};

const ENSIGHT: Group = Group {
    title: "EnSight",
    flags: &[
        Flag::value("--grpc_port", "PORT", "Expose the EnSight gRPC service at this port of the client host via REST")
            .default("0, none"),
        Flag::switch("--grpc_use_tcp_sockets", "Reach it over TCP"),
        Flag::switch("--grpc_allow_network_connections", "Allow it to be on another host"),
        Flag::switch("--grpc_disable_tls", "Reach it without TLS"),
        Flag::value("--grpc_uds_pathname", "PATH", "Reach it over the Unix socket PATH.sock"),
        Flag::value("--grpc_timeout", "SECONDS", "Give up on a call that takes longer").default("300").ours(),
    ],
};

const SECURITY: Group = Group {
    title: "Security",
    flags: &[
        Flag::value("--security_token", "TOKEN", "Secret that the REST API asks for; an empty one is none")
            .default("from WEBSOCKETSERVER_SECURITY_TOKEN"),
        Flag::value("--allow_origin", "ORIGIN", "Let pages from this origin in, or from any (*); may be repeated")
            .ours(),
        Flag::many("--add_header", "NAME=VALUE", "Put these headers on every HTTP answer; may be repeated"),
    ],
};

const LIMITS: Group = Group {
    title: "Limits",
    flags: &[Flag::value("--max_connections", "COUNT", "Most connections at once")
        .default("what the system allows")
        .ours()],
};

const LOGGING: Group = Group {
    title: "Logging",
    flags: &[
        Flag::value("--verbose", "LEVEL", "0 logs warnings, 1 also tunnels, 2 requests, 3 everything").default("1"),
        Flag::value("--log_file", "FILE", "Append the log to FILE").default("-, the standard output"),
        Flag::value("--log_format", "text|json", "Form of a log line").default("text").ours(),
        Flag::switch("--metrics", "Serve OpenMetrics at /metrics").ours(),
    ],
};

const OTHER: Group = Group {
    title: "Other",
    flags: &[
        Flag::switch("--separate_loops", "Accepted for old command lines; has no effect"),
        Flag::info("--help", "Print this text").short("-h"),
        Flag::info("--version", "Print the version").short("-V").ours(),
    ],
};
