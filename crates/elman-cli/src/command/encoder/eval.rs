use std::path::{Path, PathBuf};

use clap::Args;
use elman::{
    classify::{Examples, LogisticConfig, cross_validate},
    embedding::spearman,
    index::cosine,
    text::{Columns, Table},
};
use serde::Serialize;

use crate::{
    arguments::{DeviceOption, EncodingOption},
    embedding::{self, EmbeddingOptions, Model},
    error::CliError,
    model::EmbeddingModel,
    output,
};

/// Measure how good a model's vectors are.
///
/// On pairs of texts with scores: Spearman's ρ between the scores and the cosines of their vectors, times 100. On texts with labels:
/// how often a logistic regression on the vectors is right, in cross-validation.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  elman encoder eval --pairs stsb-dev.csv --labels reviews.tsv --model my-encoder --widths 64,128

Kinds of file: .tsv, .csv, .jsonl, .ndjson, each also with .gz, and .parquet; columns sentence1, sentence2, score, and text,
label, in this order or under these names.")]
pub struct Eval {
    /// Pairs of texts with scores
    #[arg(long, value_name = "FILE", required_unless_present = "labels")]
    pairs: Vec<PathBuf>,

    /// Texts with labels
    #[arg(long, value_name = "FILE")]
    labels: Vec<PathBuf>,

    #[command(flatten)]
    encoding: EncodingOption,

    /// Widths to cut vectors to, besides their own
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    widths: Vec<usize>,

    #[command(flatten)]
    model: EmbeddingModel,

    #[command(flatten)]
    device: DeviceOption,

    /// Print the figures as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    embedding: EmbeddingOptions,
}

/// Parts of the cross-validation, and the seed of the draw.
const FOLDS: usize = 5;
const SEED: u64 = 1;

#[derive(Serialize)]
struct Figure<'a> {
    file: &'a Path,
    measure: &'static str,
    width: usize,
    value: f64,
    texts: usize,
}

impl Eval {
    pub fn run(&self) -> Result<(), CliError> {
        let model = Model::open(self.model.path(), &self.embedding, true, &self.device.open()?)?;
        let mut widths: Vec<usize> =
            self.widths.iter().copied().filter(|w| (1..model.d_embedding()).contains(w)).collect();
        widths.push(model.d_embedding());
        let mut figures = Vec::new();
        for file in &self.pairs {
            self.pairs(file, &model, &widths, &mut figures)?;
        }
        for file in &self.labels {
            self.labels(file, &model, &widths, &mut figures)?;
        }
        if self.json {
            return output::json(&figures);
        }
        for Figure { file, measure, width, value, texts } in figures {
            output::line(format!(
                "{measure:<11} {:>6.2}  {width:>4} numbers, {texts} texts  {}",
                100.0 * value,
                file.display()
            ))?;
        }
        Ok(())
    }

    fn pairs<'a>(
        &self,
        file: &'a Path,
        model: &Model,
        widths: &[usize],
        figures: &mut Vec<Figure<'a>>,
    ) -> Result<(), CliError> {
        let (mut texts, mut scores) = (Vec::new(), Vec::new());
        for row in Table::open_in(file, Columns::new(["sentence1", "sentence2", "score"]), self.encoding.name)? {
            let row = row?;
            texts.extend([row.text(0).to_owned(), row.text(1).to_owned()]);
            scores.extend(row.number(2)?);
        }
        if scores.is_empty() {
            return Err(CliError::NoExamples { path: file.into() });
        }
        let vectors = model.embed(&texts)?;
        for &width in widths {
            let pairs = vectors.as_chunks::<2>().0.iter();
            let cosines: Vec<f64> = pairs.map(|[a, b]| f64::from(cosine(&a[..width], &b[..width]))).collect();
            let value = spearman(&cosines, &scores);
            if !value.is_finite() {
                return Err(CliError::NoCorrelation { path: file.into() });
            }
            figures.push(Figure { file, measure: "spearman", width, value, texts: texts.len() });
        }
        Ok(())
    }

    fn labels<'a>(
        &self,
        file: &'a Path,
        model: &Model,
        widths: &[usize],
        figures: &mut Vec<Figure<'a>>,
    ) -> Result<(), CliError> {
        let mut labels = Vec::new();
        let rows = Table::open_in(file, Columns::new(["text", "label"]), self.encoding.name)?.map(|row| {
            let row = row?;
            labels.push(row.text(1).to_owned());
            Ok(row.text(0).to_owned())
        });
        let vectors: Vec<Vec<f32>> =
            embedding::rows(model, rows).map(|row| Ok(row?.1)).collect::<Result<_, CliError>>()?;
        if vectors.is_empty() {
            return Err(CliError::NoExamples { path: file.into() });
        }
        for &width in widths {
            let mut examples = Examples::new(width);
            for (vector, label) in vectors.iter().zip(&labels) {
                let square = |x: &f32| f64::from(*x).powi(2);
                let norm = vector[..width].iter().map(square).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
                let vector: Vec<f32> = vector[..width].iter().map(|x| (f64::from(*x) / norm) as f32).collect();
                examples.push(&vector, label)?;
            }
            let value = cross_validate(&LogisticConfig::default(), &examples, FOLDS, SEED)?.mean();
            figures.push(Figure { file, measure: "accuracy", width, value, texts: labels.len() });
        }
        Ok(())
    }
}
