//! What is in a store: one file per action.

mod clusters;
mod delete;
mod duplicates;
#[cfg(feature = "graph")]
pub mod graph;
mod grouping;
mod info;
mod map;

use clap::{Args, Subcommand};
use elman::index::Location;

use crate::{error::CliError, store::LocationParser};

/// Look at what 'elman index' has stored, find what is there twice, group it, draw a map of it, and take entries out.
#[derive(Args, Debug)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  elman store info notes-index
  elman store duplicates notes-index --threshold 0.95
  elman store clusters notes-index -k 12
  elman store map notes-index -o map.html
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
    Clusters(clusters::Clusters),
    Map(map::Map),
    #[cfg(feature = "graph")]
    Graph(graph::Graph),
    Delete(delete::Delete),
}

/// The option that names a store.
#[derive(Args, Debug)]
struct StoreFolder {
    /// The store: a directory that 'elman index' wrote, or an address that it was given
    #[arg(value_name = "STORE", value_parser = LocationParser)]
    store: Location,
}

impl Store {
    pub fn run(&self) -> Result<(), CliError> {
        match &self.action {
            Action::Info(action) => action.run(),
            Action::Duplicates(action) => action.run(),
            Action::Clusters(action) => action.run(),
            Action::Map(action) => action.run(),
            #[cfg(feature = "graph")]
            Action::Graph(action) => action.run(),
            Action::Delete(action) => action.run(),
        }
    }
}
