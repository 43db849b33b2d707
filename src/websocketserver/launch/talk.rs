//! The conversation with a script's host: one JSON value per line, each way, and nobody waits for the other.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use serde::Deserialize;
use serde_json::Value;

use super::{Endpoint, Started};
use crate::sys::process::do_not_block;

/// Bytes of a line; endpoints are short.
const LONGEST_LINE: usize = 256 * 1024;

/// Our side.
pub(super) struct Talk {
    from: Option<OwnedFd>,
    to: Option<OwnedFd>,
    unsent: Vec<u8>,
    heard: Vec<u8>,
}

/// What the host says.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Word {
    /// The script's `start` has returned.
    Started { host: String, port: u16, endpoints: BTreeMap<String, (String, u16)> },
    /// It has not, and this is why. Its `stop` is called now.
    Failed(String),
}

impl Talk {
    pub(super) fn new(from: OwnedFd, to: OwnedFd) -> io::Result<Self> {
        do_not_block(&from)?;
        do_not_block(&to)?;
        Ok(Self { from: Some(from), to: Some(to), unsent: Vec::new(), heard: Vec::new() })
    }

    /// Says something, now or when the host listens.
    pub(super) fn say(&mut self, value: &Value) {
        self.unsent.extend_from_slice(value.to_string().as_bytes());
        self.unsent.push(b'\n');
        self.send();
    }

    fn send(&mut self) {
        while let Some(to) = self.to.as_ref().filter(|_| !self.unsent.is_empty()) {
            match rustix::io::write(to, &self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count.min(self.unsent.len()))),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => self.to = None, // the host has ended, which is seen elsewhere
            }
        }
    }

    /// Goes on sending, and takes in what was said.
    pub(super) fn exchange(&mut self) -> Vec<Word> {
        self.send();
        let mut chunk = [0; 4_096];
        while let Some(from) = &self.from {
            match rustix::io::read(from, &mut chunk) {
                Ok(0) => self.from = None,
                Ok(count) => self.heard.extend_from_slice(chunk.get(..count).unwrap_or_default()),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => self.from = None,
            }
            if self.heard.len() > LONGEST_LINE {
                break;
            }
        }
        self.words()
    }

    fn words(&mut self) -> Vec<Word> {
        let mut words = Vec::new();
        while let Some(end) = self.heard.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            let nonsense = |error| Word::Failed(format!("its host says what cannot be understood: {error}"));
            words.push(serde_json::from_slice(&line).unwrap_or_else(nonsense));
        }
        if self.heard.len() > LONGEST_LINE {
            self.from = None;
            self.heard.clear();
            words.push(Word::Failed("its host says too much".to_owned()));
        }
        words
    }

    /// What can be read from, while there is something to come.
    pub(super) fn from(&self) -> Option<BorrowedFd<'_>> {
        self.from.as_ref().map(AsFd::as_fd)
    }

    /// What can be written to, while there is something to send.
    pub(super) fn to(&self) -> Option<BorrowedFd<'_>> {
        self.to.as_ref().filter(|_| !self.unsent.is_empty()).map(AsFd::as_fd)
    }
}

/// The endpoints that a script has named.
pub(super) fn started(host: String, port: u16, endpoints: BTreeMap<String, (String, u16)>) -> Started {
    let named = endpoints.into_iter().map(|(name, (host, port))| (name, Endpoint::Tcp { host, port })).collect();
    Started { default: Endpoint::Tcp { host, port }, named, grpc_port: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pair() -> (Talk, OwnedFd, OwnedFd) {
        let ((their_input, to), (from, their_output)) = (io::pipe().unwrap(), io::pipe().unwrap());
        (Talk::new(from.into(), to.into()).unwrap(), their_input.into(), their_output.into())
    }

    #[test]
    fn a_host_that_does_not_listen_holds_nobody_up() {
        let (mut talk, their_input, _their_output) = pair();
        let long = json!("x".repeat(300_000));
        talk.say(&long);
        assert!(talk.to().is_some(), "a pipe does not hold that much");
        let mut heard = Vec::new();
        let mut chunk = [0; 8_192];
        while heard.last() != Some(&b'\n') {
            let count = rustix::io::read(&their_input, &mut chunk).unwrap();
            heard.extend_from_slice(&chunk[..count]);
            assert_eq!(talk.exchange(), []);
        }
        assert_eq!(heard.len(), 300_003);
        assert!(talk.to().is_none());
        drop(their_input);
        talk.say(&long);
        assert!(talk.to().is_none(), "who is gone is told nothing");
    }

    #[test]
    fn words_are_understood_and_nonsense_is_a_failure() {
        let (mut talk, _their_input, their_output) = pair();
        let mut said = |text: &[u8]| {
            rustix::io::write(&their_output, text).unwrap();
            talk.exchange()
        };
        assert_eq!(said(b"{\"failed\": \"no"), []);
        assert_eq!(said(b" luck\"}\n"), [Word::Failed("no luck".to_owned())]);
        let endpoints = BTreeMap::from([("web".to_owned(), ("h".to_owned(), 2))]);
        let expected = [Word::Started { host: "h".to_owned(), port: 1, endpoints }];
        assert_eq!(said(b"{\"started\":{\"host\":\"h\",\"port\":1,\"endpoints\":{\"web\":[\"h\",2]}}}\n"), expected);
        for nonsense in [&b"\xff\n"[..], b"[]\n", b"{\"started\":{\"host\":\"h\",\"port\":70000,\"endpoints\":{}}}\n"] {
            assert!(matches!(said(nonsense).as_slice(), [Word::Failed(_)]));
        }
        drop(their_output);
        assert_eq!(talk.exchange(), []);
        assert!(talk.from().is_none());
    }
}
