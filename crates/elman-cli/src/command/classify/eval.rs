use clap::Args;
use elman::classify::{Confusion, Scores};

use crate::{
    arguments::DeviceOption,
    classifier::ClassifierOption,
    embedding,
    error::CliError,
    labeled::{LabeledTexts, TABLES},
    output,
};

/// Evaluate a classifier on labeled texts.
///
/// Prints accuracy and macro F1, and for each label precision (the share of texts classified as the label that have
/// it), recall (the share of texts with the label that are classified as it) and F1, the harmonic mean of both.
#[derive(Args, Debug)]
#[command(after_help = TABLES)]
pub struct Eval {
    #[command(flatten)]
    texts: LabeledTexts,

    #[command(flatten)]
    classifier: ClassifierOption,

    #[command(flatten)]
    device: DeviceOption,

    /// Print the metrics as JSON
    #[arg(long)]
    json: bool,
}

impl Eval {
    pub fn run(&self) -> Result<(), CliError> {
        let device = self.device.open()?;
        let (classifier, embedder) = self.classifier.load(&device)?;
        let mut confusion = Confusion::new(classifier.labels());
        let examples = self.texts.read()?.map(|example| {
            let example = example?;
            let class = classifier.class(&example.label).map_err(|source| example.error(&self.texts.file, source))?;
            Ok(Example { text: example.text, class })
        });
        for row in embedding::embed_stream(&embedder, examples) {
            let (example, vector) = row?;
            confusion.add(example.class, classifier.predict(&vector)?.class);
        }
        let scores = confusion.scores();
        if scores.examples == 0 {
            return Err(self.texts.no_examples());
        }
        if self.json { output::json(&scores) } else { table(&scores) }
    }
}

/// A text and its true class.
struct Example {
    text: String,
    class: usize,
}

impl AsRef<str> for Example {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

fn table(scores: &Scores) -> Result<(), CliError> {
    output::line(format!(
        "accuracy {:.3} over {} examples, macro F1 {:.3}",
        scores.accuracy, scores.examples, scores.macro_f1
    ))?;
    let widest = scores.labels.iter().map(|label| label.label.chars().count()).max().unwrap_or(0);
    let width = widest.max("label".len());
    output::line(format!("{:width$}  precision  recall     F1  examples", "label"))?;
    for row in &scores.labels {
        let (label, precision, recall, f1) = (&row.label, row.precision, row.recall, row.f1);
        output::line(format!("{label:width$}  {precision:>9.3}  {recall:>6.3}  {f1:>5.3}  {:>8}", row.examples))?;
    }
    Ok(())
}
