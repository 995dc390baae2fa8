use std::{error::Error, time::Duration};

/// An error of a server. Addresses are displayed without passwords.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address of a server is invalid.
    #[error("invalid server address '{found}' ({reason}): expected {expected}")]
    Address {
        /// The address, without its password.
        found: String,
        /// What is wrong with it.
        reason: String,
        /// The expected syntax.
        expected: &'static str,
    },
    /// A server cannot be reached.
    #[error("no response from {server} for {:.0?}: {source}", waited)]
    Unreachable {
        /// The server.
        server: String,
        /// How long requests were retried.
        waited: Duration,
        /// The last error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A server rejected the user name or password.
    #[error("{server} rejected the credentials: {source}")]
    Credentials {
        /// The server.
        server: String,
        /// The server's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A request failed.
    #[error("{server}: {source}")]
    Failed {
        /// The server.
        server: String,
        /// The server's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A server has no store of this name.
    #[error("{server} has no store '{name}': create it, or check the name")]
    NoStore {
        /// The server.
        server: String,
        /// The table or collection.
        name: String,
    },
    /// A store cannot be created because its name is taken.
    #[error("{server} already has '{name}': open it, or choose another name")]
    Exists {
        /// The server.
        server: String,
        /// The table or collection.
        name: String,
    },
    /// A table or collection was not created by this crate, or has another format.
    #[error("'{name}' on {server} is not a store of elman: {reason}")]
    NotAStore {
        /// The server.
        server: String,
        /// The table or collection.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A field of an entry exceeds the limit of a server.
    #[error("the {part} of entry '{}' has {found} bytes; the limit of {server} is {limit}", id.escape_debug())]
    TooLong {
        /// The server.
        server: String,
        /// The id of the entry.
        id: String,
        /// The field: id, text or metadata.
        part: &'static str,
        /// Maximum size in bytes.
        limit: usize,
        /// Size of the field in bytes.
        found: usize,
    },
    /// A server lacks a feature, or does not support a value.
    #[error("unsupported by {server}: {what}")]
    Unsupported {
        /// The server.
        server: String,
        /// What is not supported, and what to do.
        what: String,
    },
}
