//! Where the Ansys installation is, as far as the command line and the environment say.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The script whose command lines this program takes over.
const SCRIPT: &[u8] = b"websocketserver.py";

/// The folder in `…/CEI/nexus###/` that holds it.
const SCRIPT_FOLDER: &[u8] = b"nexus_launcher";

/// The script's path, if a launcher has left it in front of the arguments.
pub(super) fn take_script(args: &mut Vec<OsString>) -> Option<OsString> {
    let is_script = args.first()?.as_bytes().rsplit(|&byte| is_separator(byte)).next() == Some(SCRIPT);
    is_script.then(|| args.remove(0))
}

/// The installation's root: above the script, else `CEI_HOME`, else in the newest release's `AWP_ROOT###`.
pub(super) fn root(script: Option<&OsStr>, env: &[(OsString, OsString)]) -> Option<PathBuf> {
    script.and_then(above_script).or_else(|| from_home(env)).or_else(|| from_release(env))
}

/// `X` from `X/nexus###/nexus_launcher/websocketserver.py`, with slashes of either kind.
fn above_script(script: &OsStr) -> Option<PathBuf> {
    let mut parts = script.as_bytes().rsplitn(4, |&byte| is_separator(byte));
    let (_, launcher, nexus) = (parts.next()?, parts.next()?, parts.next()?);
    if launcher != SCRIPT_FOLDER || !nexus.starts_with(b"nexus") {
        return None;
    }
    Some(match parts.next() {
        None => PathBuf::from("."),
        Some(b"") => PathBuf::from("/"),
        Some(root) => PathBuf::from(OsStr::from_bytes(root)),
    })
}

fn from_home(env: &[(OsString, OsString)]) -> Option<PathBuf> {
    env.iter().find(|(name, value)| name == "CEI_HOME" && !value.is_empty()).map(|(_, value)| value.into())
}

fn from_release(env: &[(OsString, OsString)]) -> Option<PathBuf> {
    env.iter()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, value)| Some((release(name)?, value)))
        .max_by_key(|(release, _)| *release)
        .map(|(_, value)| PathBuf::from(value).join("CEI"))
}

/// The number in `AWP_ROOT###`.
fn release(name: &OsStr) -> Option<u32> {
    name.to_str()?.strip_prefix("AWP_ROOT")?.parse().ok()
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\')
}
