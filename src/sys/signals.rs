//! Signals as calls on a thread of their own.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::stop::Stop;
use super::thread;

/// Exit code after a second SIGTERM or SIGINT: the user does not want to wait.
const IMPATIENT: i32 = 1;

/// SIGTERM and SIGINT ask `stop`; SIGHUP calls `on_hangup` (reopen the log, reread certificates).
///
/// A second SIGTERM or SIGINT ends the process at once.
///
/// # Errors
/// The handlers cannot be installed, or no thread can be made.
pub fn handle<F>(stop: &Stop, on_hangup: F) -> io::Result<()>
where
    F: Fn() + Send + 'static,
{
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let stop = stop.clone();
    thread::spawn("signals", move || {
        let mut asked = false;
        for signal in signals.forever() {
            match signal {
                SIGHUP => on_hangup(),
                _ if asked => std::process::exit(IMPATIENT),
                _ => {
                    asked = true;
                    stop.request(if signal == SIGTERM { "SIGTERM" } else { "SIGINT" });
                }
            }
        }
    })?;
    Ok(())
}
