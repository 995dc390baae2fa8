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

/// See in a minute what a network learns from text: no data needed.
///
/// Repeats the experiment of Elman, "Finding Structure in Time" (1990). A network reads sentences of a small grammar,
/// learns to predict the next word, and is then found to have learned which words are nouns and which are verbs. The
/// directory holds the report (report.html), its drawings (*.svg), the model, and the sentences (sentences.txt).
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  elman demo
  elman demo --seed 2 --out second-demo")]
pub struct Demo {
    /// Where to put the report and the model: a directory, made if it is not there. A former demo's is replaced
    #[arg(long, value_name = "DIR", default_value = "elman-demo")]
    out: PathBuf,

    /// Seed of the sentences, the first weights and all draws
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    #[command(flatten)]
    device: DeviceOption,

    /// Print all figures as JSON instead of the story
    #[arg(long)]
    json: bool,
}

const SENTENCES: &str = "sentences.txt";
const DRAWINGS: [&str; 3] = ["curve.svg", "tree.svg", "words.svg"];

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
        let drawings = [
            page::curve(&experiment).to_svg(),
            page::tree(&experiment.words).to_svg(),
            page::map(&experiment.words).to_svg(),
        ];
        for (file, svg) in DRAWINGS.iter().zip(drawings) {
            replace(&self.out.join(file), &svg)?;
        }
        story.end(&experiment, &self.out, &report)?;
        if self.json { output::json(&experiment) } else { Ok(()) }
    }

    /// Refuses a directory where files that are not of a demo would be overwritten. A demo writes its sentences first,
    /// and they are always the same.
    fn check(&self) -> Result<(), CliError> {
        let sentences = elman_files::read(self.out.join(SENTENCES), u64::MAX);
        if sentences.is_ok_and(|found| found == sentences_file().as_bytes()) {
            return Ok(());
        }
        let mut files = model::MODEL.iter().chain(&[model::REPORT, SENTENCES]).chain(&DRAWINGS);
        match files.find(|file| self.out.join(file).exists()) {
            Some(file) => Err(CliError::NotOfDemo { path: self.out.clone(), file }),
            None => Ok(()),
        }
    }
}
