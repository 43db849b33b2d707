//! Services, and how EnSight is reached.

use super::*;

#[test]
fn services() {
    check("4 --remote_session_config s.json", |c| {
        c.services.remote_session_config = Some("s.json".into());
    });
    check("4 --timeout 1.5", |c| {
        c.services.timeout = Duration::from_millis(1500);
    });
    check("4 --launch_timeout 5", |c| {
        c.services.launch_timeout = Duration::from_secs(5);
    });
    check("4 --reconnect_grace 7", |c| {
        c.services.reconnect_grace = Duration::from_secs(7);
    });
    check("4 --python /opt/python", |c| {
        c.services.python = Some("/opt/python".into());
    });
    check("4 --install_root /opt/CEI", |c| {
        c.install_root = Some("/opt/CEI".into());
    });
}

#[test]
fn local_sessions_are_two_words_or_one() {
    for session in ["envision 5", "'envision 5'", "=envision 5", "'=envision 5'", "' EnVision  5 '"] {
        let line =
            format!("4 --local_session {session}").replace("session =", "session=").replace("session '=", "session='");
        check(&line, |c| c.services.local_sessions = vec![envision(5)]);
    }
    check("--local_session ensight 5 4", |c| {
        c.services.local_sessions = vec![ensight(5)];
    });
    check("--local_session ensight 1000 4", |c| {
        c.services.local_sessions = vec![ensight(1000)];
    });
    check("--local_session ensight 0 4", |_| {});
}

#[test]
fn local_sessions_add_up_and_the_last_count_wins() {
    check("--local_session envision 5 --local_session ensight 1 4", |c| {
        c.services.local_sessions = vec![envision(5), ensight(1)];
    });
    check("--local_session envision 5 --local_session ensight 1 --local_session envision 2 4", |c| {
        c.services.local_sessions = vec![envision(2), ensight(1)];
    });
}

#[test]
fn grpc() {
    check("4 --grpc_port 0", |_| {});
    check("4 --grpc_use_tcp_sockets --grpc_allow_network_connections --grpc_disable_tls --grpc_uds_pathname p", |_| {});
    let bare = GrpcConfig {
        target: target("far", 3),
        use_tcp_sockets: false,
        allow_network_connections: false,
        disable_tls: false,
        uds_pathname: None,
    };
    let line = "4 --client_hostname far --grpc_port 3";
    check("4 --grpc_timeout 2.5", |c| c.grpc_timeout = Duration::from_millis(2_500));
    check(line, |c| c.grpc = Some(bare.clone()));
    check(&format!("{line} --grpc_use_tcp_sockets"), |c| {
        c.grpc = Some(GrpcConfig { use_tcp_sockets: true, ..bare.clone() });
    });
    check(&format!("{line} --grpc_allow_network_connections"), |c| {
        c.grpc = Some(GrpcConfig { allow_network_connections: true, ..bare.clone() });
    });
    check(&format!("{line} --grpc_disable_tls"), |c| {
        c.grpc = Some(GrpcConfig { disable_tls: true, ..bare.clone() });
    });
    check(&format!("{line} --grpc_uds_pathname p"), |c| {
        c.grpc = Some(GrpcConfig { uds_pathname: Some("p".into()), ..bare.clone() });
    });
}
