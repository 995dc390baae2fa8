//! What is in a store: one file per action.

mod delete;
mod duplicates;
mod info;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::error::CliError;

/// Look at what 'elman index' has stored, find what is there twice, and take entries out.
#[derive(Args, Debug)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Example:
  elman store info notes-index
  elman store duplicates notes-index --threshold 0.95
  elman store delete notes-index --filter \"file = 'old.txt'\""
)]
pub struct Store {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Info(info::Info),
    Duplicates(duplicates::Duplicates),
    Delete(delete::Delete),
}

/// The option that names a store.
#[derive(Args, Debug)]
struct StoreFolder {
    /// The store: a directory that 'elman index' wrote
    #[arg(value_name = "DIR")]
    store: PathBuf,
}

impl Store {
    pub fn run(&self) -> Result<(), CliError> {
        match &self.action {
            Action::Info(action) => action.run(),
            Action::Duplicates(action) => action.run(),
            Action::Delete(action) => action.run(),
        }
    }
}
