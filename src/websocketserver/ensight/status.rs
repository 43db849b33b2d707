//! How a gRPC call failed, in words.

use std::error::Error;
use std::time::Duration;

use tonic::{Code, ConnectError, Status};

use super::line::Failure;

/// Nobody is there.
pub(super) fn away(cause: &str) -> Failure {
    Failure::Away(format!("EnSight cannot be reached: {cause}"))
}

/// It took too long.
pub(super) fn slow(patience: Duration) -> Failure {
    Failure::Slow(format!("EnSight has not answered within {} s", patience.as_secs_f64()))
}

/// Why a call was not sent at all; `None` when it may have been.
pub(super) fn unsent(status: &Status) -> Option<String> {
    let mut error: Option<&(dyn Error + 'static)> = status.source();
    while let Some(cause) = error {
        if let Some(ConnectError(cause)) = cause.downcast_ref() {
            return Some(innermost(&**cause));
        }
        error = cause.source();
    }
    None
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string().to_lowercase()
}

/// What a call has failed of that may have been sent.
pub(super) fn failure(status: &Status) -> Failure {
    match status.code() {
        Code::DeadlineExceeded => Failure::Slow("EnSight has given the call up".to_owned()),
        Code::Unauthenticated | Code::PermissionDenied => {
            Failure::Away(format!("EnSight refuses the shared secret: {}", status.message()))
        }
        Code::Unavailable | Code::Unknown if status.source().is_some() => {
            Failure::Away("the connection to EnSight was lost during the call".to_owned())
        }
        code => Failure::Away(format!("EnSight's gRPC service failed: {code}: {}", status.message())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn what_was_not_sent_is_told_from_what_was_lost() {
        let refused = ConnectError(Box::new(io::Error::from(io::ErrorKind::ConnectionRefused)));
        assert_eq!(unsent(&Status::from_error(Box::new(refused))).as_deref(), Some("connection refused"));
        assert_eq!(unsent(&Status::from_error(Box::new(io::Error::from(io::ErrorKind::BrokenPipe)))), None);
        assert_eq!(unsent(&Status::unavailable("shutting down")), None);
    }

    #[test]
    fn codes_become_failures() {
        assert!(matches!(failure(&Status::deadline_exceeded("")), Failure::Slow(_)));
        let Failure::Away(text) = failure(&Status::unauthenticated("who?")) else { panic!() };
        assert_eq!(text, "EnSight refuses the shared secret: who?");
        assert!(matches!(failure(&Status::unimplemented("")), Failure::Away(_)));
    }
}
