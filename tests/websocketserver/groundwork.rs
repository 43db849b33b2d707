//! What the other tests rely on: their own tools.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use tungstenite::protocol::frame::FrameHeader;

use crate::support::backend::Backend;
use crate::support::browser::Browser;
use crate::support::desktop::Desktop;
use crate::support::keyboard::Key;
use crate::support::netstat;
use crate::support::random::{Digest, Random};
use crate::support::stream::{Conn, Look};
use crate::support::tls::{Certificate, KeyForm};
use crate::support::wait::{DEADLINE, eventually};
use crate::support::ws::{Frame, Length};

#[test]
fn random_bytes_do_not_depend_on_how_they_are_read() {
    let whole = Random::new(7).vec(1000);
    let mut random = Random::new(7);
    let pieces: Vec<u8> = [1, 2, 3, 5, 8, 13, 968].iter().flat_map(|n| random.vec(*n)).collect();
    assert_eq!(whole, pieces);
    assert_ne!(whole, Random::new(8).vec(1000));
    assert_eq!(Digest::of(&whole), Digest::of_random(7, 1000));
}

#[test]
fn frames_are_encoded_as_another_implementation_reads_them() {
    for length in [0, 1, 125, 126, 65535, 65536, 100_000] {
        for form in [Length::Shortest, Length::In64Bits] {
            let payload = Random::new(length as u64).vec(length);
            let frame = Frame { length: form, ..Frame::binary(payload.clone()) };
            let bytes = frame.encode();
            let mut cursor = std::io::Cursor::new(&bytes);
            let (header, announced) = FrameHeader::parse(&mut cursor).unwrap().unwrap();
            assert_eq!((header.is_final, header.mask, announced), (true, frame.mask, length as u64));
            let mut rest = Vec::new();
            cursor.read_to_end(&mut rest).unwrap();
            let mask = frame.mask.unwrap();
            rest.iter_mut().enumerate().for_each(|(i, byte)| *byte ^= mask[i % 4]);
            assert_eq!(rest, payload);
        }
    }
}

#[test]
fn fragments_make_up_their_message() {
    let frames = Frame::fragments(b"abcdefgh", 3);
    let shape: Vec<_> = frames.iter().map(|f| (f.fin, f.opcode, f.payload.as_slice())).collect();
    assert_eq!(shape, [(false, 2, b"abc".as_slice()), (false, 0, b"def"), (true, 0, b"gh")]);
    assert_eq!(Frame::fragments(b"", 3).len(), 1);
}

#[test]
fn key_files_have_the_forms_that_they_are_asked_for() {
    for (certificate, traditional) in [(Certificate::ec(), "EC"), (Certificate::rsa(), "RSA")] {
        let starts = |form, start: &str| {
            let text = fs::read_to_string(certificate.key_as(form)).unwrap();
            assert!(text.starts_with(start), "{form:?} starts with {start}: {text}");
            text
        };
        starts(KeyForm::Pkcs8, "-----BEGIN PRIVATE KEY-----");
        let start = format!("-----BEGIN {traditional} PRIVATE KEY-----");
        assert!(!starts(KeyForm::Traditional, &start).contains("ENCRYPTED"));
        assert!(starts(KeyForm::EncryptedTraditional, &start).contains("Proc-Type: 4,ENCRYPTED"));
        starts(KeyForm::EncryptedPkcs8, "-----BEGIN ENCRYPTED PRIVATE KEY-----");
        let combined = fs::read_to_string(certificate.combined()).unwrap();
        assert_eq!(combined.matches("-----BEGIN").count(), 2);
    }
}

#[test]
fn backends_do_what_their_names_say() {
    let closes = Backend::closes();
    assert!(Conn::plain(closes.port()).ends());

    let source = Backend::source(9, 70_000);
    assert_eq!(Digest::of(&Conn::plain(source.port()).take_rest()), Digest::of_random(9, 70_000));

    let sink = Backend::sink();
    let mut conn = Conn::plain(sink.port());
    conn.send(b"one two three");
    conn.end_writing();
    sink.wait_ended(1);
    assert_eq!((sink.accepted(), sink.received()), (1, Digest::of(b"one two three")));

    let deaf = Backend::never_reads();
    let mut conn = Conn::plain(deaf.port());
    conn.send(b"anybody?");
    assert_eq!(conn.look(std::time::Duration::from_millis(20)), Look::Silence);
    assert_eq!(deaf.ended(), 0);
    conn.reset();
    deaf.wait_ended(1);
}

#[test]
fn a_dropped_backend_closes_its_port_and_its_connections() {
    let backend = Backend::echo();
    let port = backend.port();
    let mut conn = Conn::plain(port);
    conn.send(b"x");
    assert_eq!(conn.take(1).unwrap(), b"x");
    eventually(DEADLINE, "the kernel shows both", || netstat::listening(port) && netstat::established(port) == 1);
    drop(backend);
    assert!(conn.ends());
    assert!(!netstat::listening(port));
}

/// Processes whose environment names a folder. Zombies have none; their parents and init reap them.
fn processes_at_home_in(folder: &Path) -> Vec<PathBuf> {
    let home = [b"HOME=", folder.as_os_str().as_encoded_bytes(), b"\0"].concat();
    let lives = |process: &PathBuf| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        environment.windows(home.len()).any(|window| window == home)
    };
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes.map(|entry| entry.path()).filter(lives).collect()
}

#[test]
fn a_dropped_desktop_and_a_dropped_browser_leave_nothing_behind() {
    let (desktop, mut browser) = (Desktop::with_terminal(), Browser::start());
    browser.open("data:text/html,<p>Hello");
    assert_eq!(browser.eval("document.body.textContent"), "Hello");
    for (home, least) in [(desktop.home().to_owned(), 3), (browser.home().to_owned(), 2)] {
        let processes = processes_at_home_in(&home);
        assert!(processes.len() >= least, "{processes:?}");
    }
    let homes = [desktop.home().to_owned(), browser.home().to_owned()];
    drop((desktop, browser));
    for home in homes {
        eventually(DEADLINE, "the last process ends", || processes_at_home_in(&home).is_empty());
        assert!(!home.exists());
    }
}

#[test]
fn what_a_page_throws_is_told() {
    let mut browser = Browser::start();
    browser.open("data:text/html,<script>console.error('hear', 1); nothing()</script>");
    eventually(DEADLINE, "both are recorded", || browser.console_errors().len() == 2);
    let errors = browser.console_errors().join("\n");
    assert!(errors.contains("error: hear 1") && errors.contains("nothing is not defined"), "{errors}");
    assert!(browser.try_eval("Promise.reject(new Error('no'))").unwrap_err().contains("Error: no"));
    assert_eq!(browser.eval("Promise.resolve({a: [1, null]})"), serde_json::json!({"a": [1, null]}));
}

#[test]
fn keys_are_named_as_on_a_keyboard() {
    let codes: Vec<_> = "aZ5%?\n".chars().map(|c| (Key::of(c).code, Key::of(c).shift)).collect();
    let expected =
        [("KeyA", false), ("KeyZ", true), ("Digit5", false), ("Digit5", true), ("Slash", true), ("Enter", false)];
    assert_eq!(codes, expected.map(|(code, shift)| (code.to_owned(), shift)));
}
