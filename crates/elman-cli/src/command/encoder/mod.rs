mod eval;
mod examples;
mod export;
mod options;
mod reporter;
mod train;

use clap::{Args, Subcommand};

use self::{eval::Eval, export::Export, train::Train};
use crate::error::CliError;

/// Train, evaluate and export sentence encoders, networks that compute embeddings of texts.
#[derive(Args, Debug)]
pub struct Encoder {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(Box<Train>),
    Eval(Eval),
    Export(Export),
}

impl Encoder {
    pub fn run(&self) -> Result<(), CliError> {
        match &self.command {
            Command::Train(command) => command.run(),
            Command::Eval(command) => command.run(),
            Command::Export(command) => command.run(),
        }
    }
}
