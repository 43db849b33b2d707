//! The `websocketserver` command.

use std::io::{self, Write};
use std::process::ExitCode;

use berth::cli::websocketserver::{COMMAND, Parsed, parse};
use berth::sys::process::guardian;
use berth::sys::{logging, thread};
use berth::websocketserver::{self, Config};

/// Exit code of a command line that cannot be used.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    if let Some(code) = guardian::run_if_asked() {
        return code;
    }
    let env: Vec<_> = std::env::vars_os().collect();
    match parse(std::env::args_os().skip(1).collect(), &env) {
        Ok(Parsed::Run(config)) => run(*config),
        Ok(Parsed::Help(text) | Parsed::Version(text)) => {
            // Whoever closes the pipe early (`| head`) has read enough.
            let _ = writeln!(io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let name = COMMAND.name;
            let _ = writeln!(io::stderr(), "{name}: error: {error}\ntry '{name} --help'");
            ExitCode::from(USAGE)
        }
    }
}

/// Serves until it is told to stop.
fn run(config: Config) -> ExitCode {
    let result = logging::init(&config.log).and_then(|log| {
        thread::log_panics();
        let result = websocketserver::serve(config, &log);
        log.flush();
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{}: error: {error}", COMMAND.name);
            ExitCode::FAILURE
        }
    }
}
