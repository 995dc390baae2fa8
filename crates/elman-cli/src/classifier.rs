//! Loading a classifier with the model whose vectors it was trained on.

use std::path::{Path, PathBuf};

use clap::Args;
use elman::{burn::tensor::Device, classify::Classifier};

use crate::{embedding::Model, error::CliError, store::StoreModel};

/// The options that select a trained classifier.
#[derive(Args, Debug)]
pub struct ClassifierOption {
    /// Classifier file, written by 'elman classify train'
    #[arg(long, value_name = "FILE")]
    classifier: PathBuf,

    /// Model directory of the classifier, if it has moved
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
}

impl ClassifierOption {
    /// Loads the classifier and its model, with the embedding settings of its training.
    pub fn load(&self, device: &Device) -> Result<(Classifier, Model), CliError> {
        let path = &self.classifier;
        let classifier = Classifier::load(path)?;
        let model: StoreModel = serde_json::from_value(classifier.model().clone())
            .map_err(|_| CliError::NoClassifierModel { path: path.clone() })?;
        let embedder = model
            .load(&path.display(), self.model.as_deref(), device)
            .map_err(|error| classifier_error(path, error))?;
        Ok((classifier, embedder))
    }
}

/// Converts an error about a store's model into one about a classifier's model.
fn classifier_error(classifier: &Path, error: CliError) -> CliError {
    match error {
        CliError::OtherModel { model, .. } => CliError::OtherClassifierModel { classifier: classifier.into(), model },
        CliError::StoreModel { source, .. } => CliError::ClassifierModel { classifier: classifier.into(), source },
        other => other,
    }
}
