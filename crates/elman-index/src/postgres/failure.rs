//! Mapping of PostgreSQL and connection errors to errors of this crate.

use std::{error::Error, fmt, io};

use tokio_postgres::{Error as PostgresError, error::SqlState};

use crate::server::ServerError;

/// An error message of a server, in one line.
#[derive(Debug)]
struct ServerMessage {
    text: String,
    code: Option<SqlState>,
}

impl fmt::Display for ServerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for ServerMessage {}

/// An error and its sources, in one line.
pub(super) fn message(error: &PostgresError) -> String {
    match error.as_db_error() {
        Some(error) => {
            let details: Vec<&str> = error.detail().into_iter().chain(error.hint()).collect();
            let details = if details.is_empty() { String::new() } else { format!(" ({})", details.join(" ")) };
            format!("{}{details}", error.message())
        }
        None => {
            let sources = std::iter::successors(Some(error as &(dyn Error + 'static)), |&error| error.source());
            sources.map(|error| error.to_string()).collect::<Vec<_>>().join(": ")
        }
    }
}

/// Maps the error of a request.
pub(super) fn failure(server: &str, error: PostgresError) -> ServerError {
    let server = server.to_string();
    let code = error.code().cloned();
    let source = Box::new(ServerMessage { text: message(&error), code: code.clone() });
    let no_password = || error.source().is_some_and(|source| source.to_string() == "password missing");
    match code.as_ref().map(SqlState::code) {
        Some(code) if code.starts_with("28") => ServerError::Credentials { server, source },
        Some(code) if is_unavailable_code(code) => {
            ServerError::Unreachable { server, waited: Default::default(), source }
        }
        None if no_password() => ServerError::Credentials { server, source },
        None if is_connection_lost(&error) => ServerError::Unreachable { server, waited: Default::default(), source },
        _ => ServerError::Failed { server, source },
    }
}

/// The message and code of a server error.
pub(super) fn server_message(error: &ServerError) -> Option<(&str, &SqlState)> {
    match error {
        ServerError::Failed { source, .. } => {
            let ServerMessage { text, code } = source.downcast_ref::<ServerMessage>()?;
            Some((text, code.as_ref()?))
        }
        _ => None,
    }
}

/// Whether the request can be retried: the server is unreachable, or a deadlock was detected.
pub(super) fn is_transient(error: &ServerError) -> bool {
    matches!(error, ServerError::Unreachable { .. })
        || server_message(error).is_some_and(|(_, code)| *code == SqlState::T_R_DEADLOCK_DETECTED)
}

/// Whether the server is shutting down, starting up, out of connections, or lost this connection.
fn is_unavailable_code(code: &str) -> bool {
    code.starts_with("08") || ["57P01", "57P02", "57P03", "53300"].contains(&code)
}

/// Whether the connection was lost or could not be made, other than by a protocol or TLS error.
fn is_connection_lost(error: &PostgresError) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    error.is_closed()
        || source.is_some_and(|source| {
            !matches!(
                source.kind(),
                // rejected by TLS, a firewall or an invalid host
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::PermissionDenied
            )
        })
}
