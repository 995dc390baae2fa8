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
    finding::Finding,
    model::{CURVES, LOG, OutOption, REPORT},
    output,
};

/// Train a language model on text.
///
/// Reads the text --epochs times and keeps the model of the epoch that predicts the validation text best. The
/// directory holds the model, a model card (README.md), a page about the training (report.html), its figures
/// (train.jsonl) and a drawing of its loss (curves.svg).
/// Ctrl-C stops after the step and saves; the same command with --resume goes on.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  A first model, with settings that suit a text of 100 kB to 10 MB:
    elman train notes.txt --out notes-model
  Better and slower:
    elman train notes.txt --out notes-model --hidden 512 --epochs 20
  Characters, for small texts, names, code, or to see it learn to spell:
    elman train names.txt --out names-model --tokens char --bptt 64
  The recipe of PyTorch's word-language-model example:
    elman train train.txt --valid valid.txt --out word-model --tokens word \\
      --embed 200 --hidden 200 --layers 2 --dropout 0.2 --batch 20 --bptt 35 \\
      --optimizer sgd --lr 20 --clip 0.25 --schedule plateau")]
pub struct Train {
    /// Text files, or folders of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    encoding: EncodingOption,

    #[command(flatten)]
    out: OutOption,

    /// Text to validate on; without it, the last 10 % of the text are held out for that
    #[arg(long, value_name = "FILE")]
    valid: Option<PathBuf>,

    /// Seed of the first weights and of dropout
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    #[command(flatten)]
    device: DeviceOption,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    // groups with a heading of their own come last: the heading holds for what follows
    #[command(flatten)]
    tokens: TokenOptions,
    #[command(flatten)]
    network: NetworkOptions,
    #[command(flatten)]
    training: TrainingOptions,
    #[command(flatten)]
    interruption: InterruptionOptions,
    #[command(flatten)]
    finding: Finding,
}

impl Train {
    pub fn run(&self) -> Result<(), CliError> {
        // mistakes are told before the text is read
        self.training.config(self.seed, 0).validate()?;
        self.network.config(1).validate()?;
        let checkpoints = self.interruption.checkpoints(&self.out.out);
        checkpoints.validate()?;
        self.out.check_run(&checkpoints, self.interruption.resume)?;
        let device = self.device.open()?;

        let (texts, complete) =
            Texts::read(&self.files, self.valid.as_ref(), &self.finding, self.encoding.name, &self.tokens.config())?;
        let settings = self.training.config(self.seed, texts.train.len());
        texts.check(&settings)?;
        let config = self.network.config(texts.tokenizer.vocab_size());
        device.seed(self.seed);
        let model = config.init(&device)?;
        let parameters = model.num_params();
        output::notice(format_args!(
            "vocabulary of {} ({}), {} parameters; training on {} tokens, validating on {}{}",
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
                "note: there is no checkpoint in '{}': training begins",
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

    /// What the log's first line says besides the settings.
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
                "The model is in {out}: epoch {} of {}, validation perplexity {:.2}, {:.3} bits per character.",
                best.epoch,
                trained.history.epochs.len(),
                valid.perplexity,
                valid.bits_per_character
            ))?;
        }
        let file = self.files[0].display();
        output::line(format!(
            "
What to do with it:
  elman generate --model {out} --prompt \"The\"
  elman embed {file} --model {out} -o vectors.npy
  elman index {file} --model {out} --store {out}-index
  elman search \"what I look for\" --store {out}-index"
        ))
    }
}

#[derive(Serialize)]
struct Report<'a> {
    model: &'a Path,
    vocabulary: usize,
    parameters: usize,
    /// The epoch whose model was kept.
    best: Option<&'a Epoch>,
    epochs: &'a [Epoch],
}

/// The command that is running, as one would type it.
pub fn command_line() -> String {
    let arguments = std::env::args_os().skip(1).map(|argument| output::shell_word(&argument.to_string_lossy()));
    std::iter::once("elman".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}
