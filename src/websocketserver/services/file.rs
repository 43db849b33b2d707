//! `--remote_session_config`: read once at start, and refused with a sentence if anything in it is wrong.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::json::{Document, Node, kind};
use super::template::{self, Template};
use super::{CommandSpec, Connect, Kind, MOST_INSTANCES, ServiceSpec, program};

/// Bytes of the file.
const LARGEST: u64 = 4 * 1024 * 1024;
/// Bytes of a service's name; it travels in URLs.
const LONGEST_NAME: usize = 200;
const KEYS: [&str; 6] = ["script", "command", "count", "options", "connect", "group_token"];
/// Likeness from which on a key is taken for another that was misspelt.
const ALIKE: f64 = 0.6;

/// All services of the file, in its order.
pub(super) fn load(path: &Path) -> Result<Vec<ServiceSpec>, String> {
    let fail = |cause: String| format!("{}: {cause}", path.display());
    let text = read(path).map_err(fail)?;
    // Editors on Windows put a mark in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let Document(entries) = serde_json::from_str(text).map_err(|error| fail(error.to_string()))?;
    let folder = folder_of(path).map_err(fail)?;
    let mut names = HashSet::new();
    let mut services = Vec::new();
    for (name, node) in entries {
        let fail = |cause: String| fail(format!("service '{}': {cause}", name.escape_debug()));
        check_name(&name).map_err(fail)?;
        if !names.insert(name.clone()) {
            return Err(fail("there are two of this name".to_owned()));
        }
        services.push(service(&name, node, &folder).map_err(fail)?);
    }
    Ok(services)
}

fn read(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {}", error.to_string().to_lowercase());
    let mut bytes = Vec::new();
    File::open(path).map_err(cannot)?.take(LARGEST + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LARGEST {
        return Err(format!("is larger than {LARGEST} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = valid.split(|&byte| byte == b'\n').count();
        format!("is not UTF-8 at line {line}")
    })
}

fn folder_of(path: &Path) -> Result<PathBuf, String> {
    let path = std::path::absolute(path).map_err(|error| error.to_string())?;
    Ok(path.parent().map_or_else(|| PathBuf::from("/"), Path::to_path_buf))
}

fn check_name(name: &str) -> Result<(), String> {
    if name.trim().is_empty() {
        return Err("a name is empty".to_owned());
    }
    if name.len() > LONGEST_NAME || name.contains(char::is_control) {
        return Err(format!("a name has at most {LONGEST_NAME} bytes and no control characters"));
    }
    Ok(())
}

/// The values of a service's keys.
#[derive(Default)]
struct Fields {
    script: Option<Value>,
    command: Option<Value>,
    count: Option<Value>,
    options: Option<Value>,
    connect: Option<Value>,
    group_token: Option<Value>,
}

impl Fields {
    fn collect(entries: Vec<(String, Value)>) -> Result<Self, String> {
        let mut fields = Self::default();
        for (key, value) in entries {
            let field = match key.as_str() {
                "script" => &mut fields.script,
                "command" => &mut fields.command,
                "count" => &mut fields.count,
                "options" => &mut fields.options,
                "connect" => &mut fields.connect,
                "group_token" => &mut fields.group_token,
                _ => return Err(format!("unknown key '{}'{}", key.escape_debug(), did_you_mean(&key, &KEYS, "'"))),
            };
            if field.replace(value).is_some() {
                return Err(format!("{key}: the key is used twice"));
            }
        }
        Ok(fields)
    }
}

/// ` (did you mean …?)`, when one of `known` is like `word`.
fn did_you_mean(word: &str, known: &[&str], mark: &str) -> String {
    let likeness = |known: &str| strsim::normalized_damerau_levenshtein(&word.to_lowercase(), known);
    let best = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match best.filter(|best| likeness(best) >= ALIKE) {
        Some(best) => format!(" (did you mean {mark}{best}{}?)", if mark == "{" { "}" } else { mark }),
        None => String::new(),
    }
}

fn service(name: &str, node: Node, folder: &Path) -> Result<ServiceSpec, String> {
    let entries = match node {
        Node::Object(entries) => entries,
        Node::Other(kind) => return Err(format!("must be an object, and is {kind}")),
    };
    let fields = Fields::collect(entries)?;
    let count = count(fields.count.as_ref())?;
    let options = match fields.options {
        None => Map::new(),
        Some(Value::Object(options)) => options,
        Some(other) => return Err(wrong("options", "an object", &other)),
    };
    for key in ["group"] {
        if let Some(value) = options.get(key).filter(|value| !value.is_string()) {
            return Err(format!("options: {}", wrong(key, "a string", value)));
        }
    }
    let group_token = match fields.group_token {
        None => None,
        Some(Value::String(token)) if token.is_empty() => return Err("group_token: must not be empty".to_owned()),
        Some(Value::String(token)) => Some(token),
        Some(other) => return Err(wrong("group_token", "a string", &other)),
    };
    let kind = match (fields.script, fields.command) {
        (Some(_), Some(_)) => return Err("script: stands beside 'command', and only one of them can be".to_owned()),
        (None, None) => return Err("has neither 'script' nor 'command'".to_owned()),
        (Some(_), None) if fields.connect.is_some() => {
            return Err("connect: belongs to 'command', and this is a 'script'".to_owned());
        }
        (Some(script), None) => Kind::Script(script_path(&script, folder).map_err(|cause| format!("script: {cause}"))?),
        (None, Some(command)) => {
            let connect = connect(fields.connect.as_ref())?;
            Kind::Command(
                parse_command(&command, connect, &options, folder).map_err(|cause| format!("command: {cause}"))?,
            )
        }
    };
    Ok(ServiceSpec { name: name.to_owned(), count, options, group_token, kind })
}

fn wrong(key: &str, expected: &str, found: &Value) -> String {
    format!("{key}: must be {expected}, and is {}", kind(found))
}

fn count(value: Option<&Value>) -> Result<u32, String> {
    let value = value.ok_or_else(|| "count: is missing (how many instances there may be)".to_owned())?;
    let number = value.as_number().ok_or_else(|| wrong("count", "a number", value))?;
    let count = number.as_u64().and_then(|count| u32::try_from(count).ok());
    count
        .filter(|count| (1..=MOST_INSTANCES).contains(count))
        .ok_or_else(|| format!("count: {number} is not a number of instances (1 to {MOST_INSTANCES})"))
}

fn connect(value: Option<&Value>) -> Result<Connect, String> {
    match value {
        None => Ok(Connect::Tcp),
        Some(Value::String(word)) => match word.as_str() {
            "tcp" => Ok(Connect::Tcp),
            "unix" => Ok(Connect::Unix),
            "stdio" => Ok(Connect::Stdio),
            other => Err(format!("connect: '{}' is none of tcp, unix, stdio", other.escape_debug())),
        },
        Some(other) => Err(wrong("connect", "a string", other)),
    }
}

fn script_path(value: &Value, folder: &Path) -> Result<PathBuf, String> {
    let name = value.as_str().ok_or_else(|| format!("must be a string, and is {}", kind(value)))?;
    if name.is_empty() || name.contains('\0') {
        return Err("is not the name of a file".to_owned());
    }
    let path = folder.join(name);
    let cannot =
        |error: std::io::Error| format!("{} cannot be read: {}", path.display(), error.to_string().to_lowercase());
    let file = File::open(&path).map_err(cannot)?;
    if !file.metadata().map_err(cannot)?.is_file() {
        return Err(format!("{} is not a file", path.display()));
    }
    Ok(path)
}

fn parse_command(
    value: &Value,
    connect: Connect,
    options: &Map<String, Value>,
    folder: &Path,
) -> Result<CommandSpec, String> {
    let words = value.as_array().ok_or_else(|| format!("must be a list of strings, and is {}", kind(value)))?;
    let texts = words.iter().enumerate().map(|(at, word)| {
        let text = word.as_str().ok_or_else(|| format!("element {at} must be a string, and is {}", kind(word)))?;
        if text.contains('\0') { Err(format!("element {at} holds a NUL")) } else { Ok(text) }
    });
    let texts: Vec<&str> = texts.collect::<Result<_, String>>()?;
    let (first, rest) = texts.split_first().ok_or_else(|| "is empty".to_owned())?;
    // Which program runs is the administrator's choice alone.
    let name = Template::parse(first)?.literal();
    let name = name.ok_or_else(|| format!("'{first}' is the program, and must have no placeholder"))?;
    if name.is_empty() {
        return Err("the program has no name".to_owned());
    }
    let program = program::find(&name, folder, std::env::var_os("PATH").as_deref())?;
    let arguments = rest.iter().map(|text| Template::parse(text)).collect::<Result<Vec<_>, _>>()?;
    check_placeholders(&arguments, connect, options)?;
    Ok(CommandSpec { program, arguments, connect })
}

fn check_placeholders(arguments: &[Template], connect: Connect, options: &Map<String, Value>) -> Result<(), String> {
    if let Some(name) = template::RESERVED.into_iter().find(|name| options.contains_key(*name)) {
        return Err(format!("the option '{name}' has the name of a placeholder that has a meaning of its own"));
    }
    let used: Vec<&str> = arguments.iter().flat_map(Template::placeholders).collect();
    for name in &used {
        if template::RESERVED.contains(name) || template::scalar(options, name).is_some() {
            continue;
        }
        if options.contains_key(*name) {
            return Err(format!("{{{name}}} needs a default in the options that is a string, a number, true or false"));
        }
        let known: Vec<&str> = template::RESERVED.into_iter().chain(options.keys().map(String::as_str)).collect();
        let hint = did_you_mean(name, &known, "{");
        return Err(format!("{{{}}} is neither a placeholder nor an option with a default{hint}", name.escape_debug()));
    }
    let (wanted, unwanted): (Option<&str>, &[&str]) = match connect {
        Connect::Tcp => (Some("port"), &["path"]),
        Connect::Unix => (Some("path"), &["port"]),
        Connect::Stdio => (None, &["port", "path"]),
    };
    let word = match connect {
        Connect::Tcp => "tcp",
        Connect::Unix => "unix",
        Connect::Stdio => "stdio",
    };
    if let Some(name) = wanted.filter(|name| !used.contains(name)) {
        return Err(format!("connect is {word}, and no argument has {{{name}}}"));
    }
    if let Some(name) = unwanted.iter().find(|name| used.contains(name)) {
        return Err(format!("connect is {word}, and then there is no {{{name}}}"));
    }
    Ok(())
}
