//! What EnSight is asked to run for an operation: nothing of a request becomes source but what it asks to be run.

use serde_json::Value;

use super::operation::{Operation, Parameters};
use super::python::{self, is_attribute, is_ensight_name, is_name, is_public_name};

/// What to send.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// These sources, one after another, as they are. They need no helper.
    Exec(Vec<String>),
    /// A statement without a result.
    Do(String),
    /// An expression whose value is a JSON text.
    Ask(String),
}

/// A no: its status and a sentence.
pub(super) type Refused = (u16, String);

/// A request's body.
pub(super) struct Body {
    text: String,
    /// The client said that it is JSON; else plain text may be meant.
    says_json: bool,
}

impl Body {
    /// Checks that `bytes` are text.
    pub(super) fn new(bytes: Vec<u8>, content_type: Option<&str>) -> Result<Self, Refused> {
        let text = String::from_utf8(bytes).map_err(|_| refusal("the body is not UTF-8"))?;
        let says_json = content_type.is_none_or(|kind| kind.to_ascii_lowercase().contains("json"));
        Ok(Self { text, says_json })
    }

    /// The JSON value; `empty` stands for no body at all.
    fn json<'a>(&'a self, empty: &'a str) -> Result<(Value, &'a str), Refused> {
        let text = if self.text.trim().is_empty() { empty } else { &self.text };
        let value = serde_json::from_str(text).map_err(|error| refusal(&format!("the body is no JSON: {error}")))?;
        // The client's own text goes on, since numbers of any length survive in it.
        Ok((value, text))
    }

    /// A string: in JSON, or the whole text where the client did not promise JSON.
    fn string(&self) -> Result<String, Refused> {
        match serde_json::from_str(&self.text) {
            Ok(Value::String(text)) => Ok(text),
            _ if !self.says_json => Ok(self.text.clone()),
            _ => Err(refusal("the body is no JSON string")),
        }
    }

    /// A string or a list of them.
    fn strings(&self) -> Result<Vec<String>, Refused> {
        match serde_json::from_str(&self.text) {
            Ok(Value::Array(items)) => {
                let texts: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
                match texts {
                    Some(texts) => Ok(texts),
                    None if !self.says_json => Ok(vec![self.text.clone()]),
                    None => Err(refusal("the body is no list of JSON strings")),
                }
            }
            _ => match self.string() {
                Ok(text) => Ok(vec![text]),
                Err(_) => Err(refusal("the body is neither a JSON string nor a list of them")),
            },
        }
    }
}

fn refusal(sentence: &str) -> Refused {
    (400, sentence.to_owned())
}

/// What `operation` asks for. Events have the prefix `events`.
pub(super) fn plan(op: &Operation, with: &Parameters, body: &Body, events: &str) -> Result<Plan, Refused> {
    let returns = python::names(&with.returns);
    let suppress = python::truth(with.suppress_errors);
    match op {
        Operation::Exec => Ok(Plan::Exec(body.strings()?)),
        Operation::Eval => {
            // The parentheses let an expression go over several lines, as it may where it stands in a file.
            let expression = body.string()?;
            if expression.trim().is_empty() {
                return Err(refusal("there is no expression")); // in parentheses it would be an empty tuple
            }
            let source = python::text(&format!("(\n{expression}\n)"));
            Ok(ask("out", &[&format!("eval({source})"), &returns]))
        }
        Operation::DefFunc { app, name } => {
            if !is_name(app) || !is_name(name) {
                return Err(refusal("app and function must be Python names"));
            }
            let source = python::text(&body.string()?);
            let imports = if with.imports.is_empty() { "[]".to_owned() } else { python::names(&with.imports) };
            Ok(act("def_func", &[&python::literal(app), &python::literal(name), &source, &imports]))
        }
        Operation::CallFunc { app, name } => {
            if !is_name(app) || !is_name(name) {
                return Err((401, NO_FUNCTION.to_owned()));
            }
            let kwargs = object(body, "the body is no JSON object of named parameters")?;
            Ok(ask("call_func", &[&python::literal(app), &python::literal(name), &kwargs, &returns]))
        }
        Operation::Cmd(name) => {
            if !is_ensight_name(name) {
                return Err(refusal("a native command is a name such as ensight.view_transf.rotate"));
            }
            let (value, text) = body.json("[]")?;
            if !value.is_array() {
                return Err(refusal("the body is no JSON list of parameters"));
            }
            Ok(ask("cmd", &[&python::literal(name), &python::json(text)]))
        }
        Operation::Get { object, attribute } => {
            Ok(ask("get", &[&reference(object)?, &attribute_name(attribute)?, &returns]))
        }
        Operation::Set { object, attribute } => {
            let (_, text) = body.json("")?;
            Ok(act("set", &[&reference(object)?, &attribute_name(attribute)?, &python::json(text)]))
        }
        Operation::GetAttrs => {
            let (value, text) = body.json("")?;
            check_references(Some(&value))?;
            Ok(ask("getattrs", &[&python::json(text), &returns, suppress]))
        }
        Operation::SetAttrs => {
            let (value, _) = body.json("")?;
            check_references(value.get("objects"))?;
            let part = if value.get("values").is_some() { "values" } else { "value" };
            let values = value.get(part).and_then(Value::as_object);
            if !values.is_some_and(|values| values.keys().all(|name| is_attribute(name))) {
                return Err(refusal("values is no JSON object of attributes"));
            }
            let all = python::json(&body.text);
            let statement =
                format!("(lambda all: {HELPER}.setattrs(all[\"objects\"],all[\"{part}\"],{suppress}))({all})");
            Ok(Plan::Do(statement))
        }
        Operation::Method { object, method } => called_method(object, method, body, &returns),
        Operation::RegisterEvent(tag) => register(tag, body, events),
        Operation::UnregisterEvent(id) => match id.parse::<u64>() {
            Ok(id) => Ok(act("unregister", &[&id.to_string()])),
            Err(_) => Err(refusal("the id of an event is a number")),
        },
        Operation::CallbackStream => Err(refusal("a stream runs nothing")),
    }
}

/// Said where `call_func` finds nothing to call.
pub(super) const NO_FUNCTION: &str = "there is no such app or function";

const HELPER: &str = python::HELPER_NAME;

fn act(name: &str, arguments: &[&str]) -> Plan {
    Plan::Do(format!("{HELPER}.{name}({})", arguments.join(",")))
}

fn ask(name: &str, arguments: &[&str]) -> Plan {
    Plan::Ask(format!("{HELPER}.{name}({})", arguments.join(",")))
}

/// An object as data.
fn reference(text: &str) -> Result<String, Refused> {
    if is_reference(text) { Ok(python::literal(text)) } else { Err(refusal(NO_OBJECT)) }
}

const NO_OBJECT: &str = "an object is a name such as ensight.objs.core, or a number";

fn is_number(text: &str) -> bool {
    (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `ensight.objs.core`, a number, or what results call an object: `@ENSOBJ=12@`.
fn is_reference(text: &str) -> bool {
    let number = text.strip_prefix("@ENSOBJ=").and_then(|text| text.strip_suffix('@')).unwrap_or(text);
    is_number(number) || is_ensight_name(text)
}

/// A JSON list of references to objects.
fn check_references(list: Option<&Value>) -> Result<(), Refused> {
    let items = list.and_then(Value::as_array).ok_or_else(|| refusal("the body holds no list of objects"))?;
    let good = |item: &Value| item.is_u64() || item.as_str().is_some_and(is_reference);
    if items.iter().all(good) { Ok(()) } else { Err(refusal(NO_OBJECT)) }
}

fn attribute_name(name: &str) -> Result<String, Refused> {
    if is_attribute(name) { Ok(python::literal(name)) } else { Err(refusal("an attribute is a name such as VISIBLE")) }
}

/// The body as keyword arguments.
fn object(body: &Body, otherwise: &str) -> Result<String, Refused> {
    let (value, text) = body.json("{}")?;
    if value.is_object() { Ok(python::json(text)) } else { Err(refusal(otherwise)) }
}

fn called_method(object: &str, method: &str, body: &Body, returns: &str) -> Result<Plan, Refused> {
    if !is_public_name(method) {
        return Err(refusal("a method is a name such as createvariable"));
    }
    let (value, text) = body.json("{}")?;
    let is_call = value.is_object()
        && value.get("args").is_none_or(Value::is_array)
        && value.get("kwargs").is_none_or(Value::is_object);
    if !is_call {
        return Err(refusal("the body is no JSON object with a list 'args' and an object 'kwargs'"));
    }
    let (object, method) = (reference(object)?, python::literal(method));
    let call = format!("{HELPER}.method({object},{method},call.get(\"args\",[]),call.get(\"kwargs\",{{}}),{returns})");
    Ok(Plan::Ask(format!("(lambda call: {call})({})", python::json(text))))
}

/// `{"object": …, "attributes": […], "compress": true}`
fn register(tag: &str, body: &Body, events: &str) -> Result<Plan, Refused> {
    if !is_name(tag) {
        return Err(refusal("a tag is made of letters, digits and underscores"));
    }
    let (value, _) = body.json("")?;
    let target = match value.get("object") {
        Some(Value::Number(number)) if number.is_u64() => number.to_string(),
        Some(Value::String(text)) if is_reference(text) || is_class(text) => python::literal(text),
        _ => return Err(refusal("object is a name such as ensight.objs.core, a number, or a class such as ENS_PART")),
    };
    let attributes = value.get("attributes").and_then(Value::as_array);
    let names: Option<Vec<String>> = attributes.map(Vec::as_slice).filter(|list| !list.is_empty()).and_then(|list| {
        list.iter().map(|name| name.as_str().filter(|name| is_attribute(name)).map(str::to_owned)).collect()
    });
    let Some(names) = names else {
        return Err(refusal("attributes is a list of attribute names such as VISIBLE"));
    };
    let compress = match value.get("compress") {
        None => true,
        Some(Value::Bool(compress)) => *compress,
        Some(_) => return Err(refusal("compress is true or false")),
    };
    let url = python::literal(&format!("{events}{tag}"));
    Ok(ask("register", &[&target, &url, &python::names(&names), python::truth(compress)]))
}

fn is_class(text: &str) -> bool {
    text.starts_with("ENS_") && is_name(text)
}

#[cfg(test)]
mod tests;
