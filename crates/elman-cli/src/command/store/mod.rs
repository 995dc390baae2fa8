//! `elman store`, one file per action.

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

/// Inspect and edit stores: statistics, near duplicates, clusters, a map, deletion.
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

/// The argument that selects a store.
#[derive(Args, Debug)]
struct StoreArgument {
    /// Store: a directory, or an address such as postgres://me@host/notes, written by 'elman index'
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
