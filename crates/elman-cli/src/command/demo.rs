use std::path::PathBuf;

use clap::Args;
use elman::text::{Corpus, TokenizerConfig, Unit};
use elman_report::Chart;

use crate::{
    arguments::DeviceOption,
    demo::{Experiment, Story, page, sentences_file},
    error::CliError,
    model,
    output::{self, replace},
};

/// Run a demonstration that needs no data and takes about a minute.
///
/// Repeats the experiment of Elman, "Finding Structure in Time" (1990): a network that learns to predict the next word
/// of sentences of a small grammar separates nouns from verbs in its hidden states. Writes a report (report.html), its
/// charts (*.svg), the model, and the sentences (sentences.txt).
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  elman demo
  elman demo --seed 2 --out second-demo")]
pub struct Demo {
    /// Output directory, created if it does not exist; an earlier demo's is overwritten
    #[arg(long, value_name = "DIR", default_value = "elman-demo")]
    out: PathBuf,

    /// Random seed of the sentences, the initial weights and the samples
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    #[command(flatten)]
    device: DeviceOption,

    /// Print the results as JSON instead of text
    #[arg(long)]
    json: bool,
}

const SENTENCES: &str = "sentences.txt";
const CHARTS: [&str; 3] = ["curve.svg", "tree.svg", "words.svg"];

impl Demo {
    pub fn run(&self) -> Result<(), CliError> {
        self.check()?;
        let device = self.device.open()?;
        std::fs::create_dir_all(&self.out).map_err(|source| CliError::Write { path: self.out.clone(), source })?;
        let sentences = self.out.join(SENTENCES);
        replace(&sentences, sentences_file())?;
        let tokenizer = TokenizerConfig::new(Unit::Word).train(&Corpus::open([&sentences])?)?;

        let story = Story::new(self.json);
        let experiment = Experiment::run(&tokenizer, self.seed, &self.out, &device, &story)?;
        let report = self.out.join(model::REPORT);
        replace(&report, page::page(&experiment).to_html())?;
        let charts = [
            page::curve(&experiment).to_svg(),
            page::tree(&experiment.words).to_svg(),
            page::map(&experiment.words).to_svg(),
        ];
        for (file, svg) in CHARTS.iter().zip(charts) {
            replace(&self.out.join(file), &svg)?;
        }
        story.end(&experiment, &self.out, &report)?;
        if self.json { output::json(&experiment) } else { Ok(()) }
    }

    /// Fails if files that no demo wrote would be overwritten. A demo is recognized by its sentences, which it writes
    /// first and which are always the same.
    fn check(&self) -> Result<(), CliError> {
        let sentences = elman_files::read(self.out.join(SENTENCES), u64::MAX);
        if sentences.is_ok_and(|found| found == sentences_file().as_bytes()) {
            return Ok(());
        }
        let mut files = model::MODEL_FILES.iter().chain(&[model::REPORT, SENTENCES]).chain(&CHARTS);
        match files.find(|file| self.out.join(file).exists()) {
            Some(file) => Err(CliError::NotADemo { path: self.out.clone(), file }),
            None => Ok(()),
        }
    }
}
