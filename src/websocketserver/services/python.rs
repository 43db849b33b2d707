//! The interpreter for script services.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use crate::sys::process::{Exit, Processes, Spawn};

/// How long it may take to say its version: a cold file system or a wrapper script is slow.
const PATIENCE: Duration = Duration::from_secs(20);
/// The oldest version that the host of the scripts runs with.
const OLDEST: (u32, u32) = (3, 8);
const ASK: &str = "import sys; print('berth: %d %d' % sys.version_info[:2])";

/// The interpreter: `--python`, else `python3`; it was run once and is new enough.
///
/// # Errors
/// A sentence that names the flag and the cause.
pub(in super::super) fn interpreter(flag: Option<&Path>, processes: &Processes) -> Result<OsString, String> {
    let program = flag.map_or_else(|| OsString::from("python3"), |path| path.as_os_str().to_owned());
    let name = match flag {
        Some(path) => format!("--python {}", path.display()),
        None => "python3 (name another with --python)".to_owned(),
    };
    let fail = |cause: String| Err(format!("{name}: script services need Python 3.8 or newer, and {cause}"));
    let spawn = Spawn::new(vec![program.clone(), "-c".into(), ASK.into()]);
    let finished = match processes.run(spawn, PATIENCE) {
        Ok(finished) => finished,
        Err(error) => return fail(format!("it cannot be started: {}", error.to_string().to_lowercase())),
    };
    match (finished.exit, version(&finished.output)) {
        (Some(Exit::Code(0)), Some(found)) if found >= OLDEST => Ok(program),
        (_, Some((major, minor))) => fail(format!("this is {major}.{minor}")),
        (Some(exit), None) => {
            let said = finished.output.lines().next_back().unwrap_or_default().trim().to_owned();
            fail(format!(
                "trying it was no success: {exit}{}{}",
                if said.is_empty() { "" } else { ": " },
                said.escape_debug()
            ))
        }
        (None, None) => fail(format!("it says nothing for {} s", PATIENCE.as_secs())),
    }
}

fn version(output: &str) -> Option<(u32, u32)> {
    let mut numbers = output.lines().find_map(|line| line.strip_prefix("berth: "))?.split(' ');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}
