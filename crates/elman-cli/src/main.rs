//! `elman`: train recurrent networks on text; generate, embed, search and classify with them.
//!
//! Exit codes: 0 success, 1 failure, 2 invalid command line, 130 interrupted.

mod arguments;
mod changed_texts;
mod classifier;
mod command;
mod demo;
mod embedding;
mod error;
mod file_selection;
mod highlight;
mod holdout;
mod index_plan;
mod keywords;
mod labeled;
mod lines;
mod model;
mod output;
mod paths;
mod sources;
mod store;
mod stored_entries;
mod tsne;
mod usage;
mod vector_element;
mod vectors;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Cli;

/// Reuses the large tensors that a training step frees. The system allocator returns them to the kernel, which must
/// zero new pages in each step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::answer(&error),
    };
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
