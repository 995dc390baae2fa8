//! Labels from vectors: one file per action.

mod eval;
mod run;
mod train;

use clap::{Args, Subcommand};

use crate::error::CliError;

/// Sort texts by labels that a few hundred examples show.
///
/// A language model turns each text into a vector and stays as it is; logistic regression on the vectors learns the
/// labels, in seconds. Any number of labels can be told apart.
#[derive(Args, Debug)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Example:
  elman classify train reviews.tsv --model notes-model --out reviews
  elman classify run new.txt --classifier reviews
  elman classify eval held-out.tsv --classifier reviews"
)]
pub struct Classify {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Train(train::Train),
    Run(run::Run),
    Eval(eval::Eval),
}

impl Classify {
    pub fn run(&self) -> Result<(), CliError> {
        match &self.action {
            Action::Train(action) => action.run(),
            Action::Run(action) => action.run(),
            Action::Eval(action) => action.run(),
        }
    }
}
