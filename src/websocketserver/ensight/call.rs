//! A plan is carried out: EnSight is asked, and its reply becomes an answer.

use std::borrow::Cow;
use std::sync::PoisonError;
use std::time::Duration;

use crossbeam_channel::{Receiver, select};
use serde_json::{Value, json};

use super::super::Server;
use super::EnSight;
use super::line::{Failure, Kind, Line};
use super::messages::PythonReply;
use super::plan::{NO_FUNCTION, Plan};
use super::python::{HELPER, HELPER_NAME};
use crate::net::http::response::Response;

/// What a call that is under way still gets when the server stops.
const LAST_CHANCE: Duration = Duration::from_secs(1);

/// Why there is no result.
enum Missed {
    /// Python raised an error; its text.
    Python(String),
    /// EnSight did not answer.
    Failure(Failure),
}

impl From<Failure> for Missed {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl EnSight {
    /// Carries a plan out.
    pub(super) fn run(&self, server: &Server, line: &Line, plan: &Plan) -> Response {
        let result = match plan {
            Plan::Exec(sources) => {
                let mut sources = sources.iter();
                let all = sources.try_for_each(|source| self.ask(server, line, Kind::Exec, source).map(|_| ()));
                all.map(|()| None)
            }
            Plan::Do(source) => self.ask_helped(server, line, Kind::Exec, source).map(|_| None),
            Plan::Ask(source) => self.ask_helped(server, line, Kind::EvalJson, source).map(Some),
        };
        match result {
            Ok(None) => json_text("null".to_owned()),
            Ok(Some(value)) => result_of(&value),
            Err(Missed::Python(text)) => {
                // A text of several lines is no reason phrase.
                Response::json(400, &json!({ "error": text }))
            }
            Err(Missed::Failure(failure)) => {
                let (status, sentence) = match failure {
                    Failure::Away(sentence) => (502, sentence),
                    Failure::Slow(sentence) => (504, sentence),
                };
                log::warn!("a call to EnSight on {} failed: {sentence}", line.address);
                Response::error(status, &sentence)
            }
        }
    }

    /// Asks an EnSight that has to know the helper: it is told once, and again when it has forgotten.
    fn ask_helped(&self, server: &Server, line: &Line, kind: Kind, source: &str) -> Result<String, Missed> {
        if !self.is_helped(line) {
            self.help(server, line)?;
        }
        match self.ask(server, line, kind, source) {
            Err(Missed::Python(text)) if is_unknown_helper(&text) => {
                self.help(server, line)?;
                self.ask(server, line, kind, source)
            }
            other => other,
        }
    }

    fn help(&self, server: &Server, line: &Line) -> Result<(), Missed> {
        self.ask(server, line, Kind::Exec, HELPER)?;
        let mut helped = self.helped.lock().unwrap_or_else(PoisonError::into_inner);
        // Tokens of reservations come and go. Telling an EnSight once more does no harm.
        if helped.len() > 1_000 {
            helped.clear();
        }
        helped.insert(line.clone());
        Ok(())
    }

    fn is_helped(&self, line: &Line) -> bool {
        self.helped.lock().unwrap_or_else(PoisonError::into_inner).contains(line)
    }

    fn ask(&self, server: &Server, line: &Line, kind: Kind, source: &str) -> Result<String, Missed> {
        let answer = self.link.run(line, kind, source, self.patience);
        let reply = wait(&answer, server, self.patience).inspect_err(|_| {
            // It may be another EnSight the next time.
            self.helped.lock().unwrap_or_else(PoisonError::into_inner).remove(line);
        })?;
        if reply.error < 0 { Err(Missed::Python(reply.value)) } else { Ok(reply.value) }
    }
}

/// Waits for an answer, which comes within `patience`, or until the server stops.
fn wait(
    answer: &Receiver<Result<PythonReply, Failure>>,
    server: &Server,
    patience: Duration,
) -> Result<PythonReply, Failure> {
    let ended = |_| Err(Failure::Away("the thread for gRPC has failed".to_owned()));
    let stopping = || Err(Failure::Away("the server is stopping".to_owned()));
    select! {
        recv(answer) -> reply => reply.unwrap_or_else(ended),
        recv(server.stop.receiver()) -> _ => answer.recv_timeout(LAST_CHANCE).unwrap_or_else(|_| stopping()),
        // The other side keeps the time; this is for the case that it does not.
        default(patience + LAST_CHANCE) => Err(Failure::Slow("EnSight has not answered in time".to_owned())),
    }
}

fn is_unknown_helper(text: &str) -> bool {
    text.contains(HELPER_NAME) && text.contains("not defined")
}

/// The value of an expression that made a JSON text: EnSight answers JSON, so it is JSON in a JSON string.
fn result_of(value: &str) -> Response {
    match serde_json::from_str(value) {
        Ok(Value::String(text)) if text.is_empty() => Response::error(401, NO_FUNCTION),
        Ok(Value::String(text)) => json_text(text),
        _ => Response::error(502, "EnSight's answer is no JSON"),
    }
}

fn json_text(mut text: String) -> Response {
    text.push('\n');
    Response::bytes(200, Cow::Owned(text.into_bytes())).header("Content-Type", "application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_decoded_once() {
        let body = |value: &str| {
            let response = result_of(value);
            (response.status, String::from_utf8(response.body()).unwrap())
        };
        assert_eq!(body(r#""[1, \"@ENSOBJ=7@\"]""#), (200, "[1, \"@ENSOBJ=7@\"]\n".to_owned()));
        assert_eq!(body(r#""\"\\u00e9\"""#), (200, "\"\\u00e9\"\n".to_owned()));
        assert_eq!(body("\"\"").0, 401);
        assert_eq!(body("nothing").0, 502);
        assert_eq!(body("[1]").0, 502);
    }

    #[test]
    fn a_forgotten_helper_is_told_from_other_errors() {
        assert!(is_unknown_helper("NameError: name '_wss_rest_v1' is not defined"));
        assert!(!is_unknown_helper("NameError: name 'x' is not defined"));
    }
}
