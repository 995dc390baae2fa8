//! `elman`: train a recurrent network on text, generate with it, and use its hidden state to embed and search.
//!
//! Exit code 0 is success, 1 a run that failed, 2 a command line that cannot be run.

mod arguments;
mod changed;
mod classifier;
mod command;
mod demo;
mod embedding;
mod error;
mod finding;
mod holdout;
mod labelled;
mod lines;
mod model;
mod number;
mod output;
mod passage;
mod paths;
mod plan;
mod plane;
mod sources;
mod store;
mod stored;
mod usage;
mod vectors;
mod words;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Cli;

/// Keeps the large tensors that a training step frees for the next step, where the system's allocator gives them back and
/// has the kernel clear new pages.
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
