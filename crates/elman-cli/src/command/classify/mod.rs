//! `elman classify`, one file per action.

mod eval;
mod run;
mod train;

use clap::{Args, Subcommand};

use crate::error::CliError;

/// Classify texts, with a classifier trained on labeled examples.
///
/// The classifier is a logistic regression on the texts' embeddings, with any number of labels. The embedding model is
/// not changed, so training takes seconds, and a few hundred examples are enough.
#[derive(Args, Debug)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
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
