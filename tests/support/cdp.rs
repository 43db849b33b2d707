//! The browser's `DevTools` protocol over a pair of pipes: JSON messages that end with a NUL byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, ChildStdout};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use serde_json::{Value, json};

use super::process::Output;
use super::wait::{self, DEADLINE};

/// A line to the browser: one command at a time.
#[derive(Debug)]
pub struct Cdp {
    commands: ChildStdin,
    answers: Receiver<Value>,
    last_id: u64,
}

impl Cdp {
    /// Speaks over the browser's pipes. What the pages say on their consoles goes to `console`.
    pub fn new(commands: ChildStdin, events: ChildStdout, console: Output) -> Self {
        let (sender, answers) = sync_channel(1); // there is never more than one command without its answer
        wait::spawn("browser events", move || listen(events, &sender, &console));
        Self { commands, answers, last_id: 0 }
    }

    /// Sends a command, to one page when `session` names it, and returns its result, or the error's text.
    ///
    /// # Panics
    /// When the browser does not answer by the deadline, or is gone.
    pub fn command(&mut self, session: Option<&str>, method: &str, params: &Value) -> Result<Value, String> {
        self.last_id += 1;
        let mut message = json!({ "id": self.last_id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.commands.write_all(&bytes).unwrap_or_else(|e| panic!("the browser is gone before {method}: {e}"));
        let mut answer = self.answers.recv_timeout(DEADLINE).unwrap_or_else(|e| panic!("no answer to {method}: {e}"));
        assert_eq!(answer["id"], self.last_id, "an answer to {method}");
        match answer.get("error") {
            Some(error) => Err(error["message"].as_str().unwrap_or("an error without a message").to_owned()),
            None => Ok(answer["result"].take()),
        }
    }
}

/// Reads messages to the end of the pipe; the sender goes with it, which tells a waiting command.
fn listen(events: impl Read, answers: &SyncSender<Value>, console: &Output) {
    let mut events = BufReader::new(events);
    let mut bytes = Vec::new();
    while matches!(events.read_until(0, &mut bytes), Ok(1..)) {
        let message: Value = serde_json::from_slice(bytes.strip_suffix(&[0]).unwrap_or(&bytes)).unwrap_or_default();
        bytes.clear();
        if message.get("id").is_some() {
            if answers.send(message).is_err() {
                return; // nobody is left to ask
            }
        } else if let Some(line) = spoken(&message) {
            println!("page| {line}");
            console.note(&line);
        }
    }
}

/// What a page says on its console, throws, or is told by the browser (a failed load, for instance).
fn spoken(event: &Value) -> Option<String> {
    let params = &event["params"];
    match event["method"].as_str()? {
        "Runtime.consoleAPICalled" => {
            let words = params["args"].as_array()?.iter().map(|arg| shown(&arg["value"], &arg["description"]));
            Some(format!("{}: {}", params["type"].as_str()?, words.collect::<Vec<_>>().join(" ")))
        }
        "Runtime.exceptionThrown" => Some(format!("exception: {}", exception(&params["exceptionDetails"]))),
        "Log.entryAdded" => {
            let entry = &params["entry"];
            let url = entry["url"].as_str().unwrap_or_default();
            Some(format!("{}: {} {url}", entry["level"].as_str()?, entry["text"].as_str()?))
        }
        "Inspector.targetCrashed" | "Target.targetCrashed" => Some("exception: the page crashed".to_owned()),
        _ => None,
    }
}

/// The text of an exception.
pub fn exception(details: &Value) -> String {
    let text = details["text"].as_str().unwrap_or_default();
    format!("{text} {}", shown(&details["exception"]["value"], &details["exception"]["description"]))
}

fn shown(value: &Value, description: &Value) -> String {
    match (value, description) {
        (Value::String(text), _) | (Value::Null, Value::String(text)) => text.clone(),
        (value, _) => value.to_string(),
    }
}
