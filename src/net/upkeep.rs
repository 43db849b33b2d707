//! What a running server is told by signals.

use std::sync::Arc;

use super::tls::TlsSource;
use crate::sys::logging::LogControl;
use crate::sys::signals;
use crate::sys::stop::Stop;

/// SIGTERM and SIGINT stop the server; SIGHUP reopens the log and reads the certificate anew.
///
/// # Errors
/// The handlers cannot be installed, or no thread can be made.
pub fn handle_signals(stop: &Stop, log: &LogControl, tls: Option<Arc<TlsSource>>) -> Result<(), String> {
    let log = log.clone();
    let hangup = move || {
        log.reopen();
        match tls.as_ref().map(|tls| tls.reload()) {
            Some(Err(error)) => log::warn!("the old certificate stays in use: {error}"),
            Some(Ok(())) => log::info!("SIGHUP: the log was reopened and the certificate read anew"),
            None => log::info!("SIGHUP: the log was reopened"),
        }
    };
    signals::handle(stop, hangup).map_err(|error| format!("cannot handle signals: {error}"))
}
