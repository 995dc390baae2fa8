//! One file per subcommand.

pub mod classify;
pub mod demo;
pub mod devices;
pub mod embed;
pub mod encoder;
pub mod eval;
pub mod generate;
pub mod import;
pub mod index;
pub mod search;
pub mod store;
pub mod train;
