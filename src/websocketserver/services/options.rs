//! What a client may say when it reserves, before any of it comes near a program.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::{CommandSpec, Kind, ServiceSpec, template};

/// The option that names the file an application opens.
pub(in super::super) const TARGET_PATHNAME: &str = "target_pathname";

/// Bytes of one value.
const LONGEST_VALUE: usize = 4_096;

/// Whether an instance of `spec` can be launched with these options of a reservation.
///
/// A command takes the options that it declares with a scalar default, and of those only values of the same kind;
/// others are kept with the reservation and go nowhere. A script gets all of them as strings.
///
/// # Errors
/// A sentence for the client.
pub fn check_options(spec: &ServiceSpec, options: &BTreeMap<String, String>) -> Result<(), String> {
    for (name, value) in options {
        if value.contains('\0') || name.contains('\0') {
            return Err(format!("option '{}' holds a NUL", name.escape_default()));
        }
        if value.len() > LONGEST_VALUE {
            return Err(format!("option '{name}' is longer than {LONGEST_VALUE} bytes"));
        }
        match &spec.kind {
            Kind::Command(command) => check_override(spec, command, name, value)?,
            Kind::App(_) if name == TARGET_PATHNAME => check_target(value)?,
            Kind::App(_) | Kind::Script(_) => {}
        }
    }
    Ok(())
}

fn check_override(spec: &ServiceSpec, command: &CommandSpec, name: &str, value: &str) -> Result<(), String> {
    if template::scalar(&spec.options, name).is_none() {
        return Ok(()); // no placeholder can ask for it
    }
    let fits = match spec.options.get(name) {
        // "NaN" and "inf" parse too, and no program expects them.
        Some(Value::Number(_)) => value.parse::<f64>().is_ok_and(f64::is_finite),
        Some(Value::Bool(_)) => matches!(value, "true" | "false"),
        _ => !value.contains(char::is_control),
    };
    if !fits {
        let kind = spec.options.get(name).map_or("a value", super::json::kind);
        let kind = if kind == "a string" { "text without control characters" } else { kind };
        return Err(format!("option '{name}' must be {kind}, and '{}' is not", value.escape_debug()));
    }
    if value.starts_with('-') && command.arguments.iter().any(|argument| argument.begins_with() == Some(name)) {
        return Err(format!("option '{name}' must not begin with '-'"));
    }
    Ok(())
}

/// What can be said about the file's name without looking for the file.
fn check_target(value: &str) -> Result<(), String> {
    if value.starts_with('-') {
        return Err(format!("{TARGET_PATHNAME} must not begin with '-'"));
    }
    let mut depth = 0_i32;
    for part in Path::new(value).components() {
        depth += match part {
            Component::Normal(_) => 1,
            Component::CurDir => 0,
            Component::ParentDir => -1,
            Component::RootDir | Component::Prefix(_) => i32::MIN / 2,
        };
        if depth < 0 {
            return Err(format!("{TARGET_PATHNAME} must be a path below the server's working directory"));
        }
    }
    Ok(())
}

/// The file to be opened, as an absolute path without links: it must be there, and below `folder`.
pub(in super::super) fn target_pathname(value: &str, folder: &Path) -> Result<PathBuf, String> {
    check_target(value)?;
    let name = || format!("{TARGET_PATHNAME} '{}'", value.escape_debug());
    let root = folder.canonicalize().map_err(|error| format!("the working directory cannot be read: {error}"))?;
    let path = root.join(value).canonicalize().map_err(|error| format!("{}: {error}", name()))?;
    if !path.starts_with(&root) {
        return Err(format!("{} leads out of the server's working directory", name()));
    }
    Ok(path)
}
