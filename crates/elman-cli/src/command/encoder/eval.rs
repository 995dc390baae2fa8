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

/// Evaluate a model's embeddings.
///
/// On scored pairs of texts: Spearman's ρ between the scores and the cosines of the embeddings, times 100. On labeled
/// texts: the cross-validated accuracy of a logistic regression on the embeddings, in percent.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  elman encoder eval --pairs stsb-dev.csv --labels reviews.tsv --model my-encoder --dims 64,128

Table formats: .tsv, .csv, .jsonl, .ndjson, also gzip-compressed (.gz), and .parquet. The columns
are sentence1, sentence2, score for --pairs and text, label for --labels, in this order or with
these names.")]
pub struct Eval {
    /// Table of scored pairs of texts; may be repeated
    #[arg(long, value_name = "FILE", required_unless_present = "labels")]
    pairs: Vec<PathBuf>,

    /// Table of labeled texts; may be repeated
    #[arg(long, value_name = "FILE")]
    labels: Vec<PathBuf>,

    #[command(flatten)]
    encoding: EncodingOption,

    /// Also evaluate vectors truncated to these dimensions
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    dims: Vec<usize>,

    #[command(flatten)]
    model: EmbeddingModel,

    #[command(flatten)]
    device: DeviceOption,

    /// Print the metrics as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    embedding: EmbeddingOptions,
}

/// Folds of the cross-validation, and the seed of the assignment to them.
const FOLDS: usize = 5;
const SEED: u64 = 1;

#[derive(Serialize)]
struct Metric<'a> {
    file: &'a Path,
    measure: &'static str,
    width: usize,
    value: f64,
    texts: usize,
}

impl Eval {
    pub fn run(&self) -> Result<(), CliError> {
        let model = Model::open(self.model.path(), &self.embedding, true, &self.device.open()?)?;
        let mut dims: Vec<usize> =
            self.dims.iter().copied().filter(|dim| (1..model.d_embedding()).contains(dim)).collect();
        dims.push(model.d_embedding());
        let mut metrics = Vec::new();
        for file in &self.pairs {
            self.pairs(file, &model, &dims, &mut metrics)?;
        }
        for file in &self.labels {
            self.labels(file, &model, &dims, &mut metrics)?;
        }
        if self.json {
            return output::json(&metrics);
        }
        for Metric { file, measure, width, value, texts } in metrics {
            output::line(format!(
                "{measure:<11} {:>6.2}  {width:>4} dimensions, {texts} texts  {}",
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
        dims: &[usize],
        metrics: &mut Vec<Metric<'a>>,
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
        for &dim in dims {
            let pairs = vectors.as_chunks::<2>().0.iter();
            let cosines: Vec<f64> = pairs.map(|[a, b]| f64::from(cosine(&a[..dim], &b[..dim]))).collect();
            let value = spearman(&cosines, &scores);
            if !value.is_finite() {
                return Err(CliError::NoCorrelation { path: file.into() });
            }
            metrics.push(Metric { file, measure: "spearman", width: dim, value, texts: texts.len() });
        }
        Ok(())
    }

    fn labels<'a>(
        &self,
        file: &'a Path,
        model: &Model,
        dims: &[usize],
        metrics: &mut Vec<Metric<'a>>,
    ) -> Result<(), CliError> {
        let mut labels = Vec::new();
        let rows = Table::open_in(file, Columns::new(["text", "label"]), self.encoding.name)?.map(|row| {
            let row = row?;
            labels.push(row.text(1).to_owned());
            Ok(row.text(0).to_owned())
        });
        let vectors: Vec<Vec<f32>> =
            embedding::embed_stream(model, rows).map(|row| Ok(row?.1)).collect::<Result<_, CliError>>()?;
        if vectors.is_empty() {
            return Err(CliError::NoExamples { path: file.into() });
        }
        for &dim in dims {
            let mut examples = Examples::new(dim);
            for (vector, label) in vectors.iter().zip(&labels) {
                let square = |x: &f32| f64::from(*x).powi(2);
                let norm = vector[..dim].iter().map(square).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
                let vector: Vec<f32> = vector[..dim].iter().map(|x| (f64::from(*x) / norm) as f32).collect();
                examples.push(&vector, label)?;
            }
            let value = cross_validate(&LogisticConfig::default(), &examples, FOLDS, SEED)?.mean();
            metrics.push(Metric { file, measure: "accuracy", width: dim, value, texts: labels.len() });
        }
        Ok(())
    }
}
