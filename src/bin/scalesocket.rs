//! The `scalesocket` command.

use std::io::{self, Write};
use std::process::ExitCode;

use berth::cli::scalesocket::{COMMAND, Parsed, parse};
use berth::scalesocket::{self, Config};
use berth::sys::process::guardian;
use berth::sys::{logging, thread};

/// Exit code of a command line that cannot be used.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    if let Some(code) = guardian::run_if_asked() {
        return code;
    }
    match parse(std::env::args_os().skip(1).collect()) {
        Ok(Parsed::Run(config)) => run(*config),
        Ok(Parsed::Help(text) | Parsed::Version(text)) => {
            // Whoever closes the pipe early (`| head`) has read enough.
            let _ = writeln!(io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}\ntry '{} --help'", COMMAND.name);
            ExitCode::from(USAGE)
        }
    }
}

/// Serves until it is told to stop, or has done its work.
fn run(config: Config) -> ExitCode {
    let result = logging::init(&config.log).and_then(|log| {
        thread::log_panics();
        let result = scalesocket::serve(config, &log);
        log.flush();
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}
