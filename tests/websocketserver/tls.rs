//! Certificates in every form that users have, TLS versions, and a certificate that changes while tunnels run.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::keys;
use crate::support::backend::Backend;
use crate::support::http;
use crate::support::server::Server;
use crate::support::stream::{Conn, Look, tcp};
use crate::support::tls::{Certificate, KeyForm, first_visit, s_client, visit};
use crate::support::wait::{DEADLINE, eventually};
use crate::support::ws::{Frame, Ws};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn start(cert: &Path, key: Option<&Path>) -> Server {
    let mut args = vec!["--cert", text(cert)];
    args.extend(key.iter().flat_map(|key| ["--key", text(key)]));
    Server::start(&args)
}

/// Both ends of a TLS connection are content.
#[track_caller]
fn speaks_tls(server: &Server) {
    assert_eq!(http::get_tls(server.ws_port(), "/", &[]).status, 426);
}

#[test]
fn keys_of_every_form_are_read() {
    for certificate in [Certificate::ec(), Certificate::rsa()] {
        for form in [KeyForm::Pkcs8, KeyForm::Traditional] {
            speaks_tls(&start(&certificate.cert(), Some(&certificate.key_as(form))));
        }
        speaks_tls(&start(&certificate.combined(), None));
        speaks_tls(&start(&certificate.combined(), Some(&certificate.key())));
        let [cert, key] = [certificate.cert(), certificate.key_as(KeyForm::Traditional)].map(|f| fs::read(f).unwrap());
        let key_first = certificate.cert().with_file_name("key-first.pem");
        fs::write(&key_first, [b"A comment before it\r\n".to_vec(), key, cert].concat()).unwrap();
        speaks_tls(&start(&key_first, None));
    }
    // As `openssl ecparam -genkey` writes it.
    let certificate = Certificate::ec();
    let key = fs::read_to_string(certificate.key_as(KeyForm::Traditional)).unwrap();
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let with_parameters = certificate.cert().with_file_name("parameters.pem");
    fs::write(&with_parameters, format!("{parameters}{key}")).unwrap();
    speaks_tls(&start(&certificate.cert(), Some(&with_parameters)));
}

#[test]
fn certificates_of_every_kind_and_age_are_shown() {
    for (key, old) in [
        (["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"].as_slice(), false),
        (&["-newkey", "ed25519"], false),
        (&["-newkey", "rsa:4096"], false),
        (&["-newkey", "rsa:2048"], true),
    ] {
        let certificate = Certificate::made_with(key, old);
        let server = start(&certificate.cert(), Some(&certificate.key()));
        let text = s_client(server.ws_port(), &["-ign_eof"]);
        assert!(text.contains("HTTP/1.1 426"), "{key:?}: {text}");
        assert_eq!(shown(server.ws_port()), pem(&certificate), "{key:?}");
    }
}

#[test]
fn a_key_of_a_kind_that_is_not_supported_is_told_with_those_that_are() {
    for key in [["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp521r1"].as_slice(), &["-newkey", "rsa:1024"]] {
        let certificate = Certificate::made_with(key, false);
        fails(&certificate.cert(), Some(&certificate.key()), &certificate.key(), "RSA of 2048 to 4096 bits, ECDSA");
    }
}

/// The server ends at start with code 1, and its message names `file` and says one of `words`.
#[track_caller]
fn fails(cert: &Path, key: Option<&Path>, file: &Path, words: &str) {
    let mut args = vec!["0", "--bind_address", "127.0.0.1", "--cert", text(cert)];
    args.extend(key.iter().flat_map(|key| ["--key", text(key)]));
    let finished = Server::run(&args);
    assert_eq!(finished.status.code(), Some(1), "{args:?}");
    assert!(finished.stderr.contains(text(file)), "{} is named in: {}", file.display(), finished.stderr);
    assert!(finished.stderr.contains(words), "{words:?} in: {}", finished.stderr);
    assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
    assert!(!finished.stdout.contains("listening"), "{}", finished.stdout);
}

#[test]
fn what_cannot_be_used_is_told_at_start_with_the_name_of_the_file() {
    let (ec, rsa, other) = (Certificate::ec(), Certificate::rsa(), Certificate::ec());
    let cert = ec.cert();
    let at = |name: &str, content: &[u8]| {
        let path = cert.with_file_name(name);
        fs::write(&path, content).unwrap();
        path
    };
    for certificate in [&ec, &rsa] {
        for form in [KeyForm::EncryptedPkcs8, KeyForm::EncryptedTraditional] {
            let key = certificate.key_as(form);
            fails(&certificate.cert(), Some(&key), &key, "encrypted");
        }
    }
    fails(&cert, Some(&other.key()), &other.key(), "does not belong");
    fails(&cert, Some(&rsa.key()), &rsa.key(), "does not belong");
    fails(&rsa.cert(), Some(&ec.key()), &ec.key(), "does not belong");
    let nowhere = cert.with_file_name("nowhere.pem");
    fails(&nowhere, Some(&ec.key()), &nowhere, "No such file");
    fails(&cert, Some(&nowhere), &nowhere, "No such file");
    fails(&cert, None, &cert, "private key");
    fails(&ec.key(), Some(&ec.key()), &ec.key(), "certificate");
    fails(&cert, Some(&cert), &cert, "private key");
    for junk in [b"".as_slice(), b"junk", &[0xff; 5000]] {
        let junk = at("junk.pem", junk);
        fails(&junk, Some(&ec.key()), &junk, "certificate");
        fails(&cert, Some(&junk), &junk, "key");
    }
    let whole = fs::read(&cert).unwrap();
    let half = at("half.pem", &whole[..whole.len() / 2]);
    fails(&half, Some(&ec.key()), &half, "certificate");
    let folder = cert.parent().unwrap();
    fails(folder, Some(&ec.key()), folder, "directory");
    fails(&cert, Some(folder), folder, "directory");
}

#[test]
fn tls_1_3_and_1_2_are_spoken_and_older_versions_refused() {
    let certificate = Certificate::rsa();
    let server = start(&certificate.cert(), Some(&certificate.key()));
    for (flag, version) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let text = s_client(server.ws_port(), &[flag, "-ign_eof"]);
        assert!(text.contains(&format!("New, {version}, Cipher is ")) && text.contains("HTTP/1.1 426"), "{text}");
    }
    assert!(s_client(server.ws_port(), &["-ign_eof"]).contains("New, TLSv1.3"));
    for flag in ["-tls1_1", "-tls1"] {
        // At its lowest security level the client would agree to it.
        let text = s_client(server.ws_port(), &[flag, "-cipher", "ALL:@SECLEVEL=0", "-ign_eof"]);
        assert!(text.contains("SSL alert number 40") && !text.contains("HTTP/1.1"), "{text}");
    }
    speaks_tls(&server);
}

#[test]
fn a_session_is_resumed() {
    let certificate = Certificate::ec();
    let server = start(&certificate.cert(), Some(&certificate.key()));
    // With a ticket, and by the session's id for clients that know no tickets.
    for how in [&["-tls1_3"][..], &["-tls1_2"], &["-tls1_2", "-no_ticket"]] {
        let file = certificate.cert().with_file_name(format!("session{}", how.concat()));
        let first = first_visit(server.ws_port(), how, &file);
        assert_eq!(first.contains("TLS session ticket:"), how.len() == 1, "{how:?}: {first}");
        let second = visit(server.ws_port(), how, &file);
        assert!(second.contains("Reused, TLSv1.") && second.contains("HTTP/1.1 426"), "{how:?}: {second}");
    }
}

#[test]
fn a_ticket_from_before_the_certificate_was_read_anew_costs_a_full_handshake_and_no_more() {
    let certificate = Certificate::ec();
    let server = start(&certificate.cert(), Some(&certificate.key()));
    let versions = ["-tls1_3", "-tls1_2"];
    let files = versions.map(|version| certificate.cert().with_file_name(format!("session{version}")));
    for (version, file) in versions.iter().zip(&files) {
        first_visit(server.ws_port(), &[version], file);
        assert!(visit(server.ws_port(), &[version], file).contains("Reused, TLSv1."));
    }
    let (new, before) = (Certificate::ec(), pem(&certificate));
    fs::copy(new.cert(), certificate.cert()).unwrap();
    fs::copy(new.key(), certificate.key()).unwrap();
    server.signal(Signal::HUP);
    eventually(DEADLINE, "the new certificate is shown", || shown(server.ws_port()) != before);
    for (version, file) in versions.iter().zip(&files) {
        let text = visit(server.ws_port(), &[version], file);
        assert!(text.contains("New, TLSv1.") && text.contains("HTTP/1.1 426"), "{version}: {text}");
    }
}

#[test]
fn a_client_gets_its_tickets_before_it_has_said_anything() {
    let certificate = Certificate::ec();
    let server = start(&certificate.cert(), Some(&certificate.key()));
    let mut client = keys::client(&certificate);
    let mut socket = tcp(server.ws_port());
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    client.complete_io(&mut socket).unwrap();
    while client.tls13_tickets_received() == 0 {
        assert_ne!(client.read_tls(&mut socket).unwrap(), 0, "it ended without a ticket");
        client.process_new_packets().unwrap();
    }
}

#[test]
fn plain_http_on_a_tls_port_gets_one_helpful_answer() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::ec();
    let files = ["--http_directory", text(folder.path())];
    let server = Server::builder().args(&files).args(&certificate.args()).start();
    for port in [server.ws_port(), server.http_port()] {
        let mut conn = Conn::plain(port);
        let requests = "GET /v1/stop HTTP/1.1\r\nHost: here.example\r\n\r\n".repeat(2);
        let answer = http::exchange(&mut conn, requests).unwrap();
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("https") && answer.text().contains("wss"), "{}", answer.text());
        assert!(conn.ends(), "one answer only");
        let mut conn = Conn::plain(port);
        assert_eq!(http::exchange(&mut conn, b"\x80\x2e\x01\x03\x01\r\n\r\n").unwrap().status, 400);
    }
    speaks_tls(&server);
}

/// The certificate that the server shows now, as PEM.
fn shown(port: u16) -> String {
    let text = s_client(port, &["-ign_eof"]);
    let start = text.find("-----BEGIN CERTIFICATE-----").unwrap();
    let end = text.find("-----END CERTIFICATE-----").unwrap();
    text[start..end].replace(['\n', '\r'], "")
}

fn pem(certificate: &Certificate) -> String {
    let text = fs::read_to_string(certificate.cert()).unwrap();
    text[..text.find("-----END CERTIFICATE-----").unwrap()].replace(['\n', '\r'], "")
}

#[test]
fn sighup_reads_the_certificate_anew_and_harms_no_tunnel() {
    let (old, new) = (Certificate::ec(), Certificate::rsa());
    let names = pem(&old);
    let backend = Backend::echo();
    let server = Server::builder().args(&backend.args()).args(&old.args()).start();
    let mut tunnel = Ws::connect_tls(server.ws_port());
    let mut echoes = |byte: u8| {
        tunnel.send(&Frame::binary([byte]));
        assert_eq!(tunnel.take_data(1), [byte]);
    };
    echoes(1);
    assert_eq!(shown(server.ws_port()), names);

    // A broken file: the old certificate stays.
    let key = fs::read(old.key()).unwrap();
    fs::write(old.key(), b"junk").unwrap();
    server.signal(Signal::HUP);
    server.wait_log("WARN", DEADLINE);
    assert!(server.log().contains(text(&old.key())), "{}", server.log());
    assert_eq!(shown(server.ws_port()), names);
    echoes(2);

    // A certificate that does not fit the key, as in the middle of a change.
    fs::write(old.key(), key).unwrap();
    fs::copy(new.cert(), old.cert()).unwrap();
    server.signal(Signal::HUP);
    server.wait_log("does not belong", DEADLINE);
    assert_eq!(shown(server.ws_port()), names);

    fs::copy(new.key(), old.key()).unwrap();
    server.signal(Signal::HUP);
    eventually(DEADLINE, "the new certificate is shown", || shown(server.ws_port()) == pem(&new));
    echoes(3);
    let mut later = Ws::connect_tls(server.ws_port());
    later.send(&Frame::binary(*b"new"));
    assert_eq!(later.take_data(3), b"new");
}

#[test]
fn a_client_that_cuts_its_handshake_harms_nobody() {
    let certificate = Certificate::ec();
    let server = start(&certificate.cert(), Some(&certificate.key()));
    for bytes in [b"\x16".as_slice(), b"\x16\x03\x01\x00\x05hello", b"\x16\xff\xff\xff\xff", &[0x16; 9_000]] {
        let mut conn = Conn::plain(server.ws_port());
        drop(conn.try_send(bytes));
        if bytes.len() > 5 {
            assert!(!matches!(conn.look(DEADLINE), Look::Silence));
        }
        conn.reset();
        Conn::plain(server.ws_port()).end_writing();
    }
    speaks_tls(&server);
}
