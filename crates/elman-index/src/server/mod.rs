//! Shared code of stores on servers.

mod address;
mod connection;
mod error;

pub(crate) use address::Address;
pub(crate) use connection::{CONNECT_TIMEOUT, Connection, RETRY_TIMEOUT};
pub use error::ServerError;
