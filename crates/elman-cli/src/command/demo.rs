use std::{
    io::Write,
    path::{Path, PathBuf},
};

use atomic_write_file::AtomicWriteFile;
use clap::Args;
use elman::text::{Corpus, TokenizerConfig, Unit};
use elman_report::Chart;

use crate::{
    arguments::DeviceOption,
    demo::{Experiment, Story, page, sentences_file},
    error::CliError,
    output,
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
    /// Where to put the report and the model: a directory, made if it is not there
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

const REPORT: &str = "report.html";
const SENTENCES: &str = "sentences.txt";

impl Demo {
    pub fn run(&self) -> Result<(), CliError> {
        let device = self.device.open()?;
        std::fs::create_dir_all(&self.out).map_err(|source| CliError::Write { path: self.out.clone(), source })?;
        let sentences = self.out.join(SENTENCES);
        replace(&sentences, &sentences_file())?;
        let tokenizer = TokenizerConfig::new(Unit::Word).train(&Corpus::open([&sentences])?)?;

        let story = Story::new(self.json);
        let experiment = Experiment::run(&tokenizer, self.seed, &self.out, &device, &story)?;
        let report = self.out.join(REPORT);
        replace(&report, &page::page(&experiment).to_html())?;
        for (file, svg) in [
            ("curve.svg", page::curve(&experiment).to_svg()),
            ("tree.svg", page::tree(&experiment.words).to_svg()),
            ("words.svg", page::map(&experiment.words).to_svg()),
        ] {
            replace(&self.out.join(file), &svg)?;
        }
        story.end(&experiment, &self.out, &report)?;
        if self.json { output::json(&experiment) } else { Ok(()) }
    }
}

/// Writes a file, replacing it at once or not at all.
fn replace(path: &Path, content: &str) -> Result<(), CliError> {
    let written = AtomicWriteFile::open(path).and_then(|mut file| {
        file.write_all(content.as_bytes())?;
        file.commit()
    });
    written.map_err(|source| CliError::Write { path: path.into(), source })
}
