use std::path::{Path, PathBuf};

use clap::Args;
use elman::classify::{CrossValidation, Examples, LogisticConfig, Scores, check_folds, cross_validate};
use serde::Serialize;

use crate::{
    arguments::DeviceOption,
    embedding::{self, EmbeddingOptions, Model},
    error::CliError,
    labeled::{LabeledTexts, TABLES},
    model::EmbeddingModel,
    output,
    store::StoreModel,
};

/// Train a classifier on labeled texts.
///
/// Reports the accuracy in k-fold cross-validation: for each fold, a classifier is trained on the other folds and
/// evaluated on this one. The saved classifier is trained on all examples.
#[derive(Args, Debug)]
#[command(after_help = TABLES)]
pub struct Train {
    #[command(flatten)]
    texts: LabeledTexts,

    #[command(flatten)]
    model: EmbeddingModel,

    /// Output file for the classifier
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Overwrite an existing file
    #[arg(long)]
    force: bool,

    /// Inverse regularization strength, like scikit-learn's C; lower values reduce overfitting
    #[arg(long, value_name = "X", default_value_t = LogisticConfig::default().strength, allow_negative_numbers = true)]
    c: f64,

    /// Folds of the cross-validation, at most as many as each label has examples; 0 disables it
    #[arg(long, value_name = "N", default_value_t = 5)]
    folds: usize,

    /// Seed of the random assignment to folds
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    #[command(flatten)]
    device: DeviceOption,

    /// Print the metrics as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    embedding: EmbeddingOptions,
}

#[derive(Serialize)]
struct Report<'a> {
    classifier: &'a Path,
    examples: usize,
    labels: &'a [String],
    d_embedding: usize,
    iterations: u64,
    converged: bool,
    cross_validation: Option<Validation>,
}

#[derive(Serialize)]
struct Validation {
    /// Mean over the folds; `deviation` is the standard deviation.
    accuracy: f64,
    deviation: f64,
    accuracies: Vec<f64>,
    /// Over all examples.
    scores: Scores,
}

impl From<CrossValidation> for Validation {
    fn from(validation: CrossValidation) -> Self {
        let (accuracy, deviation) = (validation.mean(), validation.deviation());
        Self { accuracy, deviation, scores: validation.confusion.scores(), accuracies: validation.accuracies }
    }
}

impl Train {
    pub fn run(&self) -> Result<(), CliError> {
        let config = LogisticConfig::default().with_strength(self.c);
        config.validate()?;
        if self.out.exists() && !self.force {
            return Err(CliError::ClassifierExists { path: self.out.clone() });
        }
        output::check(&self.out)?;
        let device = self.device.open()?;
        // finds invalid labels before the texts are embedded
        let counts = self.texts.counts()?;
        if self.folds > 0 {
            check_folds(self.folds, counts.iter().map(|(label, count)| (label.as_str(), *count)))?;
        }

        let model = Model::open(self.model.path(), &self.embedding, true, &device)?;
        let mut examples = Examples::new(model.d_embedding());
        for row in embedding::embed_stream(&model, self.texts.read()?) {
            let (example, vector) = row?;
            examples.push(&vector, &example.label)?;
        }
        let validation = match self.folds {
            0 => None,
            folds => Some(cross_validate(&config, &examples, folds, self.seed)?.into()),
        };
        let trained = config.train(&examples)?;
        let model = serde_json::to_value(StoreModel::new(self.model.path(), &model));
        let classifier = trained.classifier.with_model(model.expect("a path and a fingerprint are valid JSON"));
        classifier.save(&self.out)?;
        self.report(&Report {
            classifier: &self.out,
            examples: examples.len(),
            labels: classifier.labels(),
            d_embedding: examples.width(),
            iterations: trained.iterations,
            converged: trained.converged,
            cross_validation: validation,
        })
    }

    fn report(&self, report: &Report) -> Result<(), CliError> {
        if !report.converged {
            output::notice(format_args!(
                "note: the regression did not converge in {} iterations: lower --c",
                report.iterations
            ));
        }
        if self.json {
            return output::json(report);
        }
        if let Some(validation) = &report.cross_validation {
            let Validation { accuracy, deviation, .. } = validation;
            output::line(format!("accuracy in {}-fold cross-validation  {accuracy:.3} ± {deviation:.3}", self.folds))?;
        }
        let (out, examples, labels) = (self.out.display(), report.examples, report.labels.len());
        output::line(format!("Classifier written to {out}: {labels} labels, {examples} examples."))
    }
}
