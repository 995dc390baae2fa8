mod interruption;
mod options;
mod texts;

use std::path::{Path, PathBuf};

use clap::Args;
use elman::{
    Environment,
    burn::module::Module,
    lm::{
        ModelCard, TrainConfig, Trained,
        train::{self, Epoch, LogFile, Observer, Progress, SaveBest, Training},
    },
    text::Tokenizer,
};
use serde::Serialize;
use serde_json::json;

pub use self::interruption::interrupt_flag;
use self::{
    interruption::InterruptionOptions,
    options::{NetworkOptions, TokenOptions, TrainingOptions},
    texts::Texts,
};
use crate::{
    arguments::{DeviceOption, EncodingOption},
    error::CliError,
    file_selection::FileSelection,
    model::{CURVES, LOG, OutOption, REPORT},
    output,
};

/// Train a language model on text.
///
/// Saves the model of the epoch with the lowest validation loss. The output directory holds the model, a model card
/// (README.md), a training report (report.html), a log (train.jsonl) and the loss curve (curves.svg).
/// Ctrl-C stops after the current step and writes a checkpoint; the same command with --resume continues.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  Default settings, for texts of 100 kB to 10 MB:
    elman train notes.txt --out notes-model
  A larger model, better and slower:
    elman train notes.txt --out notes-model --hidden 512 --epochs 20
  Character tokens, for small texts, names or code:
    elman train names.txt --out names-model --tokens char --bptt 64
  The settings of PyTorch's word_language_model example:
    elman train train.txt --valid valid.txt --out word-model --tokens word \\
      --embed 200 --hidden 200 --layers 2 --dropout 0.2 --batch 20 --bptt 35 \\
      --optimizer sgd --lr 20 --clip 0.25 --schedule plateau")]
pub struct Train {
    /// Text files or directories
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    encoding: EncodingOption,

    #[command(flatten)]
    out: OutOption,

    /// Validation text [default: the last 10 % of the text, which are held out]
    #[arg(long, value_name = "FILE")]
    valid: Option<PathBuf>,

    /// Random seed of the initial weights and of dropout
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    #[command(flatten)]
    device: DeviceOption,

    /// Print a summary as JSON
    #[arg(long)]
    json: bool,

    // option groups with a heading come last, since a heading applies to all options that follow
    #[command(flatten)]
    tokens: TokenOptions,
    #[command(flatten)]
    network: NetworkOptions,
    #[command(flatten)]
    training: TrainingOptions,
    #[command(flatten)]
    interruption: InterruptionOptions,
    #[command(flatten)]
    selection: FileSelection,
}

impl Train {
    pub fn run(&self) -> Result<(), CliError> {
        // reports errors before reading the text
        self.training.config(self.seed, 0).validate()?;
        self.network.config(1).validate()?;
        let checkpoints = self.interruption.checkpoints(&self.out.out);
        checkpoints.validate()?;
        self.out.check_run(&checkpoints, self.interruption.resume)?;
        let device = self.device.open()?;

        let (texts, complete) =
            Texts::read(&self.files, self.valid.as_ref(), &self.selection, self.encoding.name, &self.tokens.config())?;
        let settings = self.training.config(self.seed, texts.train.len());
        texts.check(&settings)?;
        let config = self.network.config(texts.tokenizer.vocab_size());
        device.seed(self.seed);
        let model = config.init(&device)?;
        let parameters = model.num_params();
        output::notice(format_args!(
            "vocabulary size {} ({}), {} parameters; training on {} tokens, validating on {}{}",
            config.vocabulary,
            texts.tokenizer.unit(),
            parameters,
            texts.train.len(),
            texts.valid.len(),
            if self.valid.is_none() { " (the last 10 % of the text)" } else { "" },
        ));

        self.out.create()?;
        if !self.interruption.resume {
            checkpoints.clear()?;
        } else if checkpoints.list()?.is_empty() {
            output::notice(format_args!(
                "note: no checkpoint in '{}': training from the beginning",
                self.out.out.display()
            ));
        }
        let card = self.card(&texts, &settings);
        let [log, page, curves] = [LOG, REPORT, CURVES].map(|file| self.out.out.join(file));
        let report = train::Report::new(&log, page, curves);
        let log = LogFile::new(log).with_about(self.about(&card)).with_samples(&texts.tokenizer);
        let mut observers: Vec<Box<dyn Observer + '_>> = vec![
            Box::new(Progress::new()),
            Box::new(log),
            Box::new(report),
            Box::new(SaveBest::new(&self.out.out, &texts.tokenizer, card)),
        ];
        let training = Training::new(model, &texts.train, &settings).with_validation(&texts.valid);
        let training = training.with_checkpoints(checkpoints).with_interrupt(interrupt_flag()?);
        let training = if self.interruption.resume { training.resuming() } else { training };
        let trained = training.run(&mut observers).map_err(|source| CliError::training(source, command_line()))?;
        self.report(&trained, parameters)?;
        complete
    }

    fn card(&self, texts: &Texts, settings: &TrainConfig) -> ModelCard {
        ModelCard {
            corpus: texts.info(),
            training: Some(settings.clone()),
            command: Some(command_line()),
            ..ModelCard::new(self.out.name())
        }
    }

    /// What the first line of the log says in addition to the settings.
    fn about(&self, card: &ModelCard) -> serde_json::Value {
        let ModelCard { name, corpus, command, .. } = card;
        json!({
            "name": name,
            "corpus": corpus,
            "command": command,
            "device": self.device.name(),
            "environment": Environment::read(),
        })
    }

    fn report(&self, trained: &Trained, parameters: usize) -> Result<(), CliError> {
        let out = self.out.out.display();
        let best = trained.history.best();
        if self.json {
            return output::json(&Report {
                model: &self.out.out,
                vocabulary: trained.model.config().vocabulary,
                parameters,
                best,
                epochs: &trained.history.epochs,
            });
        }
        if let Some((best, valid)) = best.and_then(|best| Some((best, best.valid.as_ref()?))) {
            output::line(format!(
                "Model written to {out}: epoch {} of {}, validation perplexity {:.2}, {:.3} bits per character.",
                best.epoch,
                trained.history.epochs.len(),
                valid.perplexity,
                valid.bits_per_character
            ))?;
        }
        let file = self.files[0].display();
        output::line(format!(
            "
Next steps:
  elman generate --model {out} --prompt \"The\"
  elman embed {file} --model {out} -o vectors.npy
  elman index {file} --model {out} --store {out}-index
  elman search \"a question\" --store {out}-index"
        ))
    }
}

#[derive(Serialize)]
struct Report<'a> {
    model: &'a Path,
    vocabulary: usize,
    parameters: usize,
    /// The epoch whose model was saved.
    best: Option<&'a Epoch>,
    epochs: &'a [Epoch],
}

/// The command line of this process, quoted for a shell.
pub fn command_line() -> String {
    let arguments = std::env::args_os().skip(1).map(|argument| output::shell_word(&argument.to_string_lossy()));
    std::iter::once("elman".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}
