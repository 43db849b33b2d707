//! A small service that starts within milliseconds: this test program, started once more with words in its command line.
//!
//! It greets each connection with `pid N`, and sends lines back. The line `exit CODE WORDS` ends it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process;
use std::time::Duration;

use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;

use crate::support::stream::tcp;
use crate::support::wait::{pace, spawn};

/// Its command line in a configuration. Words without a dash are names of tests to libtest, and of none here.
pub(super) fn command() -> Vec<String> {
    let program = std::env::current_exe().unwrap().display().to_string();
    let words = ["--exact", "services::application::it_greets_and_sends_back", "--nocapture"];
    let placeholders = ["port={port}", "mode={mode}"];
    std::iter::once(program).chain(words.into_iter().chain(placeholders).map(str::to_owned)).collect()
}

fn word(name: &str) -> Option<String> {
    let prefix = format!("{name}=");
    std::env::args().find_map(|word| word.strip_prefix(&prefix).map(str::to_owned))
}

fn play(port: u16, mode: &str) {
    match mode {
        "die" => {
            let _ = writeln!(std::io::stderr(), "there is no fuel");
            process::exit(3);
        }
        "never" => pace(Duration::from_secs(1_000)),
        "stubborn" => {
            let mut signals = Signals::new([SIGTERM]).unwrap();
            spawn("signals", move || {
                signals.forever().next();
                pace(Duration::from_secs(1));
                process::exit(0);
            });
        }
        _ => {}
    }
    serve(&TcpListener::bind(("127.0.0.1", port)).unwrap());
}

fn serve(listener: &TcpListener) {
    for stream in listener.incoming() {
        let stream = stream.unwrap();
        spawn("connection", move || drop(talk(&stream)));
    }
}

fn talk(mut stream: &TcpStream) -> std::io::Result<()> {
    writeln!(stream, "pid {}", process::id())?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        if let Some((code, words)) = line.strip_prefix("exit ").and_then(|rest| rest.split_once(' ')) {
            writeln!(stream, "{words}")?;
            process::exit(code.parse().unwrap());
        }
        writeln!(stream, "{line}")?;
    }
    Ok(())
}

#[test]
fn it_greets_and_sends_back() {
    if let (Some(port), Some(mode)) = (word("port"), word("mode")) {
        return play(port.parse().unwrap(), &mode);
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut stream = tcp(listener.local_addr().unwrap().port());
    spawn("application", move || serve(&listener));
    writeln!(stream, "hello").unwrap();
    let lines: Vec<String> = BufReader::new(stream).lines().take(2).map(Result::unwrap).collect();
    assert_eq!(lines, [format!("pid {}", process::id()), "hello".to_owned()]);
}
