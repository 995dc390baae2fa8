use std::path::{Path, PathBuf};

use clap::Args;
use elman::classify::{CrossValidation, Examples, LogisticConfig, Scores, check_folds, cross_validate};
use serde::Serialize;

use crate::{
    arguments::DeviceOption,
    embedding::{self, EmbeddingOptions, Model},
    error::CliError,
    labelled::{Labelled, TABLES},
    model::EmbeddingModel,
    output,
    store::StoreModel,
};

/// Learn labels from examples.
///
/// Cross-validation says how well the classifier will do on texts that it has not seen: the examples are cut into
/// parts, and each part is judged by a classifier that learned from the others. What is kept has learned from all.
#[derive(Args, Debug)]
#[command(after_help = TABLES)]
pub struct Train {
    #[command(flatten)]
    labelled: Labelled,

    #[command(flatten)]
    model: EmbeddingModel,

    /// Where to put the classifier: a file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Replace a file that is there already
    #[arg(long)]
    force: bool,

    /// How much the examples count against the penalty on large weights, scikit-learn's C: lower it where there are few
    /// examples and the accuracy on them is much above that of cross-validation
    #[arg(long, value_name = "X", default_value_t = LogisticConfig::default().strength, allow_negative_numbers = true)]
    strength: f64,

    /// Parts of the cross-validation, with at least one example of each label in each; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 5)]
    folds: usize,

    /// Seed of the draw that decides which example is in which part
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    #[command(flatten)]
    device: DeviceOption,

    /// Print the figures as JSON
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
    /// Mean and standard deviation over the folds.
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
        let config = LogisticConfig::default().with_strength(self.strength);
        config.validate()?;
        if self.out.exists() && !self.force {
            return Err(CliError::ClassifierInTheWay { path: self.out.clone() });
        }
        output::check(&self.out)?;
        let device = self.device.open()?;
        // what is wrong with the labels is found before the texts are read by the model
        let counts = self.labelled.counts()?;
        if self.folds > 0 {
            check_folds(self.folds, counts.iter().map(|(label, count)| (label.as_str(), *count)))?;
        }

        let model = Model::open(self.model.path(), &self.embedding, true, &device)?;
        let mut examples = Examples::new(model.d_embedding());
        for row in embedding::rows(&model, self.labelled.read()?) {
            let (example, vector) = row?;
            examples.push(&vector, &example.label)?;
        }
        let validation = match self.folds {
            0 => None,
            folds => Some(cross_validate(&config, &examples, folds, self.seed)?.into()),
        };
        let trained = config.train(&examples)?;
        let model = serde_json::to_value(StoreModel::new(self.model.path(), &model));
        let classifier = trained.classifier.with_model(model.expect("a path and an identity are valid JSON"));
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
                "note: the regression has not settled after {} steps: lower --strength",
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
        output::line(format!("The classifier is in {out}: {labels} labels, learned from {examples} examples."))
    }
}
