use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use serde::Serialize;

use crate::{
    arguments::{DeviceOption, EncodingOption},
    classifier::ClassifierOption,
    embedding,
    error::CliError,
    lines, output,
};

/// Predict the label of each line of a text.
///
/// Prints the most probable label of each line and its probability, separated by a tab.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  elman classify run new.txt --classifier reviews
  echo \"one line\" | elman classify run --classifier reviews --json")]
pub struct Run {
    /// Text file with one text per line; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,

    #[command(flatten)]
    encoding: EncodingOption,

    #[command(flatten)]
    classifier: ClassifierOption,

    #[command(flatten)]
    device: DeviceOption,

    /// Print one JSON object per line, with the text and the probabilities of all labels
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    text: &'a str,
    label: &'a str,
    probability: f64,
    probabilities: BTreeMap<&'a str, f64>,
}

impl Run {
    pub fn run(&self) -> Result<(), CliError> {
        let device = self.device.open()?;
        let (classifier, embedder) = self.classifier.load(&device)?;
        let labels = classifier.labels();
        for row in embedding::embed_stream(&embedder, lines::open(&self.file, self.encoding.name)?) {
            let (text, vector) = row?;
            let prediction = classifier.predict(&vector)?;
            let (label, probability) = (labels[prediction.class].as_str(), prediction.probability());
            if self.json {
                let probabilities = labels.iter().map(String::as_str).zip(prediction.probabilities).collect();
                let line = Line { text: &text, label, probability, probabilities };
                output::json_line(&serde_json::to_string(&line).expect("texts and finite values are valid JSON"))?;
            } else {
                output::exact_line(format!("{label}\t{probability:.3}"))?;
            }
        }
        Ok(())
    }
}
