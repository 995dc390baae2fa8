//! What the stores on servers share.

mod address;
mod connection;
mod error;

pub(crate) use address::Address;
pub(crate) use connection::{Connection, FIRST, LATER};
pub use error::ServerError;
