//! Lines that real launchers and the manual write, and where they find the installation.

use super::*;

#[test]
fn pyensight_on_this_machine() {
    check(
        "/x/CEI/nexus261/nexus_launcher/websocketserver.py --http_directory S --http_port 1 --client_port 2 \
         --grpc_port 3 --grpc_use_tcp_sockets --grpc_allow_network_connections --grpc_disable_tls \
         --grpc_uds_pathname S/pyensight --local_session envision 5 --security_token T 4",
        |c| {
            c.http = Some(HttpConfig { directory: "S".into(), port: 1 });
            c.target = Some(target("localhost", 2));
            c.grpc = Some(GrpcConfig {
                target: target("localhost", 3),
                use_tcp_sockets: true,
                allow_network_connections: true,
                disable_tls: true,
                uds_pathname: Some("S/pyensight".into()),
            });
            c.services.local_sessions = vec![envision(5)];
            c.security_token = Some("T".into());
            c.install_root = Some("/x/CEI".into());
        },
    );
}

#[test]
fn pyensight_in_a_container() {
    check(
        "/ansys_inc/v261/CEI/nexus261/nexus_launcher/websocketserver.py 4 --http_directory S --http_port 1 \
         --security_token T --client_port 1999 --add_header instance_name=pim-1 --grpc_port 3 \
         --local_session envision 5",
        |c| {
            c.http = Some(HttpConfig { directory: "S".into(), port: 1 });
            c.target = Some(target("localhost", 1999));
            c.grpc = Some(GrpcConfig {
                target: target("localhost", 3),
                use_tcp_sockets: false,
                allow_network_connections: false,
                disable_tls: false,
                uds_pathname: None,
            });
            c.add_headers = vec![("instance_name".into(), "pim-1".into())];
            c.services.local_sessions = vec![envision(5)];
            c.security_token = Some("T".into());
            c.install_root = Some("/ansys_inc/v261/CEI".into());
        },
    );
}

#[test]
fn the_manual() {
    check(
        "--http_directory nexus --http_port 9000 --client_hostname localhost --client_port 5900 --verbose 1 9090",
        |c| {
            c.ws_port = Some(9090);
            c.http = Some(HttpConfig { directory: "nexus".into(), port: 9000 });
            c.target = Some(target("localhost", 5900));
        },
    );
    check(
        "--http_directory nexus --http_port 28000 --client_hostname localhost --local_session envision 4 \
         --verbose 1 28001",
        |c| {
            c.ws_port = Some(28001);
            c.http = Some(HttpConfig { directory: "nexus".into(), port: 28000 });
            c.services.local_sessions = vec![envision(4)];
        },
    );
}

#[test]
fn the_installation_is_above_the_script() {
    for (script, root) in [
        ("/x/CEI/nexus261/nexus_launcher/websocketserver.py", Some("/x/CEI")),
        (r"C:\x\CEI\nexus261\nexus_launcher\websocketserver.py", Some(r"C:\x\CEI")),
        (r".\nexus261\nexus_launcher\websocketserver.py", Some(".")),
        ("nexus261/nexus_launcher/websocketserver.py", Some(".")),
        ("/nexus261/nexus_launcher/websocketserver.py", Some("/")),
        ("/x/CEI/nexus261/other/websocketserver.py", None),
        ("/x/CEI/other/nexus_launcher/websocketserver.py", None),
        ("nexus_launcher/websocketserver.py", None),
        ("websocketserver.py", None),
    ] {
        check(&format!("{script} 4"), |c| {
            c.install_root = root.map(PathBuf::from);
        });
    }
}

#[test]
fn the_flag_comes_before_the_script_and_that_before_the_environment() {
    let script = "/s/nexus261/nexus_launcher/websocketserver.py";
    let root = |root: &'static str| move |c: &mut Config| c.install_root = Some(root.into());
    let old = ("AWP_ROOT99", "/v99");
    let new = ("AWP_ROOT261", "/v261");
    let home = ("CEI_HOME", "/home");
    check_in(&[home], &format!("{script} --install_root /flag 4"), root("/flag"));
    check_in(&[home, new], &format!("{script} 4"), root("/s"));
    check_in(&[new, home], "4", root("/home"));
    check_in(&[new, home], "websocketserver.py 4", root("/home"));
    check_in(&[old, new], "4", root("/v261/CEI"));
    check_in(&[new, old], "4", root("/v261/CEI"));
}

#[test]
fn variables_that_name_no_installation_are_passed_over() {
    check_in(&[("CEI_HOME", ""), ("AWP_ROOT261", ""), ("AWP_ROOT", "/a"), ("AWP_ROOT2x", "/b")], "4", |_| {});
    check_in(&[("CEI_HOME", ""), ("AWP_ROOT261", ""), ("AWP_ROOT251", "/v251")], "4", |c| {
        c.install_root = Some("/v251/CEI".into());
    });
}
