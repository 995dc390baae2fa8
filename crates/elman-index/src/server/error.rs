use std::{error::Error, time::Duration};

/// Why a server could not be used. Addresses are told without passwords.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// A text is no address of a server.
    #[error("'{found}' is no address of a server ({reason}): {expected} is expected")]
    Address {
        /// The text, without a password.
        found: String,
        /// What is wrong with it.
        reason: String,
        /// How one is written.
        expected: &'static str,
    },
    /// A server cannot be reached.
    #[error("{server} does not answer, for {:.0?}: {source}", waited)]
    Unreachable {
        /// The server.
        server: String,
        /// For how long it was tried.
        waited: Duration,
        /// The last reason.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A server refuses the name or the password.
    #[error("{server} refuses the name or the password: {source}")]
    Credentials {
        /// The server.
        server: String,
        /// The server's reason.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A server did not do what it was asked for.
    #[error("{server}: {source}")]
    Failed {
        /// The server.
        server: String,
        /// The server's reason.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A server has no store of this name.
    #[error("{server} has no store '{name}': make it first, or check the name")]
    NoStore {
        /// The server.
        server: String,
        /// The table or collection.
        name: String,
    },
    /// A store cannot be made, for the server has something of its name.
    #[error("{server} has '{name}' already: open it, or choose another name")]
    Exists {
        /// The server.
        server: String,
        /// The table or collection.
        name: String,
    },
    /// What a server has under the name of a store was not made by this crate, or is of another format.
    #[error("{server} has '{name}', but not as a store of elman's: {reason}")]
    NotAStore {
        /// The server.
        server: String,
        /// The table or collection.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A part of an entry is longer than a server can keep.
    #[error("the {part} of the entry '{}' has {found} bytes, and {server} keeps {limit}", id.escape_debug())]
    TooLong {
        /// The server.
        server: String,
        /// The entry.
        id: String,
        /// The id, the text or the metadata.
        part: &'static str,
        /// The most bytes.
        limit: usize,
        /// Those of the part.
        found: usize,
    },
    /// Something cannot be had from this kind of server.
    #[error("{server} cannot do this: {what}")]
    Unsupported {
        /// The server.
        server: String,
        /// What, and what to do instead.
        what: String,
    },
}
