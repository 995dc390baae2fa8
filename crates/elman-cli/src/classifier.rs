//! Classifiers, and the models that made the vectors that they know.

use std::path::{Path, PathBuf};

use clap::Args;
use elman::{burn::tensor::Device, classify::Classifier};

use crate::{embedding::Model, error::CliError, store::StoreModel};

/// The options that name a trained classifier.
#[derive(Args, Debug)]
pub struct ClassifierOption {
    /// The classifier: a file that 'elman classify train' wrote
    #[arg(long, value_name = "FILE")]
    classifier: PathBuf,

    /// Where the classifier's model is, if it has moved
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
}

impl ClassifierOption {
    /// Loads the classifier and its model, with the settings that it was trained with.
    pub fn load(&self, device: &Device) -> Result<(Classifier, Model), CliError> {
        let path = &self.classifier;
        let classifier = Classifier::load(path)?;
        let model: StoreModel = serde_json::from_value(classifier.model().clone())
            .map_err(|_| CliError::NoClassifierModel { path: path.clone() })?;
        let embedder =
            model.load(&path.display(), self.model.as_deref(), device).map_err(|error| of_classifier(path, error))?;
        Ok((classifier, embedder))
    }
}

/// What is said of a store, said of a classifier.
fn of_classifier(classifier: &Path, error: CliError) -> CliError {
    match error {
        CliError::OtherModel { model, .. } => CliError::OtherClassifierModel { classifier: classifier.into(), model },
        CliError::StoreModel { source, .. } => CliError::ClassifierModel { classifier: classifier.into(), source },
        other => other,
    }
}
