//! What PostgreSQL and the way to it said, as errors of this crate.

use std::{error::Error, fmt, io};

use tokio_postgres::{Error as PostgresError, error::SqlState};

use crate::server::ServerError;

/// What a server said, in one line.
#[derive(Debug)]
struct Said {
    text: String,
    code: Option<SqlState>,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Said {}

/// An error with its reasons, in one line.
pub(super) fn told(error: &PostgresError) -> String {
    match error.as_db_error() {
        Some(said) => {
            let more: Vec<&str> = said.detail().into_iter().chain(said.hint()).collect();
            let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join(" ")) };
            format!("{}{more}", said.message())
        }
        None => {
            let reasons = std::iter::successors(Some(error as &(dyn Error + 'static)), |&error| error.source());
            reasons.map(|error| error.to_string()).collect::<Vec<_>>().join(": ")
        }
    }
}

/// What a failed request means.
pub(super) fn failure(server: &str, error: PostgresError) -> ServerError {
    let server = server.to_string();
    let code = error.code().cloned();
    let source = Box::new(Said { text: told(&error), code: code.clone() });
    let no_password = || error.source().is_some_and(|source| source.to_string() == "password missing");
    match code.as_ref().map(SqlState::code) {
        Some(code) if code.starts_with("28") => ServerError::Credentials { server, source },
        Some(code) if is_away_code(code) => ServerError::Unreachable { server, waited: Default::default(), source },
        None if no_password() => ServerError::Credentials { server, source },
        None if is_lost(&error) => ServerError::Unreachable { server, waited: Default::default(), source },
        _ => ServerError::Failed { server, source },
    }
}

/// What a server said, and its code, if it said anything.
pub(super) fn said(error: &ServerError) -> Option<(&str, &SqlState)> {
    match error {
        ServerError::Failed { source, .. } => {
            let Said { text, code } = source.downcast_ref::<Said>()?;
            Some((text, code.as_ref()?))
        }
        _ => None,
    }
}

/// Whether the same request may succeed later: the server is away, or let another transaction go first.
pub(super) fn is_passing(error: &ServerError) -> bool {
    matches!(error, ServerError::Unreachable { .. })
        || said(error).is_some_and(|(_, code)| *code == SqlState::T_R_DEADLOCK_DETECTED)
}

/// The server is shutting down, starting up, has no connection left, or lost this one.
fn is_away_code(code: &str) -> bool {
    code.starts_with("08") || ["57P01", "57P02", "57P03", "53300"].contains(&code)
}

/// The connection was lost, or not made, and not for what was said on it.
fn is_lost(error: &PostgresError) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    error.is_closed()
        || source.is_some_and(|source| {
            !matches!(
                source.kind(),
                // what the encryption refuses, and what a firewall or a wrong host forbids
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::PermissionDenied
            )
        })
}
