use std::path::{Path, PathBuf};

use clap::Args;
use elman::{
    burn::module::Module,
    lm::{
        self, CorpusInfo, Dropouts, LanguageModelConfig, ModelCard, TrainConfig, Trained,
        train::{Curves, Epoch, LogFile, Observer, Optimizer, Progress, SaveBest, Schedule},
    },
    recurrence::CellKind,
    text::{BpttBatches, Corpus, TextTokenizer, Tokenizer, TokenizerConfig, Tokens, Unit},
};
use serde::Serialize;

use crate::{
    arguments::{DeviceOption, one_of},
    error::CliError,
    holdout,
    model::{CURVES, LOG, OutOption},
    output,
};

/// Train a language model on text.
///
/// Reads the text --epochs times and keeps the model of the epoch that predicts the validation text best. The
/// directory holds the model, a model card (README.md), the figures (train.jsonl) and their plot (curves.svg).
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
    /// Text files in UTF-8, or folders of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

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
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Tokens")]
struct TokenOptions {
    /// What the text is cut into: bpe (pieces of words, learned from the text), word (at white space), char
    #[arg(long, value_name = "UNIT", default_value = "bpe", value_parser = one_of::<Unit, _>(&["char", "word", "bpe"]))]
    tokens: Unit,

    /// Most tokens in the vocabulary, which comes from all texts given [default: 2000 for bpe, else all]
    #[arg(long, value_name = "N")]
    vocab: Option<usize>,

    /// How often a word or character must occur to be in the vocabulary, or a pair to be merged [default: 2 for
    /// bpe, else 1]
    #[arg(long, value_name = "N")]
    min_frequency: Option<u64>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Network")]
struct NetworkOptions {
    /// Kind of recurrent cell
    #[arg(long, default_value = "lstm", value_parser = one_of::<CellKind, _>(&CellKind::ALL.map(CellKind::name)))]
    cell: CellKind,

    /// Width of a token's embedding
    #[arg(long, value_name = "N", default_value_t = 128)]
    embed: usize,

    /// Hidden units per layer; the width of text embeddings too
    #[arg(long, value_name = "N", default_value_t = 256)]
    hidden: usize,

    /// Recurrent layers
    #[arg(long, value_name = "N", default_value_t = 2)]
    layers: usize,

    /// Share of values dropped in training after the embedding, between layers and before the output
    #[arg(long, value_name = "P", default_value_t = 0.2, allow_negative_numbers = true)]
    dropout: f64,

    /// Use the embedding's weights for the output too: a smaller model, often better on words
    #[arg(long)]
    tied: bool,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Training")]
struct TrainingOptions {
    /// How often the text is read
    #[arg(long, value_name = "N", default_value_t = 10)]
    epochs: usize,

    /// Parts that the text is cut into and read side by side [default: 20; fewer for a short text, so that an epoch
    /// has some 100 steps]
    #[arg(long, value_name = "N")]
    batch: Option<usize>,

    /// Tokens that the gradient reaches back
    #[arg(long, value_name = "N", default_value_t = 35)]
    bptt: usize,

    /// How weights follow the gradient
    #[arg(long, default_value = "adam", value_parser = one_of::<Optimizer, _>(&["sgd", "adam", "adamw"]))]
    optimizer: Optimizer,

    /// Learning rate [default: 0.002, for sgd 20]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    lr: Option<f64>,

    /// How the learning rate changes: constant, cosine, cosine:warmup=STEPS, plateau, plateau:factor=NUMBER
    /// [default: cosine, for sgd plateau]
    #[arg(long)]
    schedule: Option<Schedule>,

    /// Largest norm of the gradient; 0 does not clip [default: 1, for sgd 0.25]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    clip: Option<f64>,

    /// Weight decay
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    weight_decay: f64,
}

impl TokenOptions {
    fn config(&self) -> TokenizerConfig {
        let bpe = self.tokens == Unit::Bpe;
        let config = TokenizerConfig::new(self.tokens);
        let config = config.with_min_frequency(self.min_frequency.unwrap_or(if bpe { 2 } else { 1 }));
        match self.vocab.or(bpe.then_some(2000)) {
            Some(size) => config.with_vocab_size(size),
            None => config,
        }
    }
}

impl NetworkOptions {
    fn config(&self, vocabulary: usize) -> LanguageModelConfig {
        LanguageModelConfig {
            cell: self.cell,
            d_embed: self.embed,
            d_hidden: self.hidden,
            layers: self.layers,
            tied: self.tied,
            dropout: Dropouts::all(self.dropout),
            ..LanguageModelConfig::new(vocabulary)
        }
    }
}

impl TrainingOptions {
    /// The settings for a text of so many tokens.
    fn config(&self, seed: u64, tokens: usize) -> TrainConfig {
        let sgd = self.optimizer == Optimizer::Sgd;
        let clip = self.clip.unwrap_or(if sgd { 0.25 } else { 1.0 });
        TrainConfig {
            batch: self.batch.unwrap_or((tokens / (100 * self.bptt.max(1))).clamp(1, 20)),
            bptt: self.bptt,
            epochs: self.epochs,
            optimizer: self.optimizer,
            learning_rate: self.lr.unwrap_or(self.optimizer.default_learning_rate()),
            schedule: self.schedule.unwrap_or(if sgd { Schedule::default() } else { Schedule::Cosine { warmup: 0 } }),
            weight_decay: self.weight_decay,
            clip: (clip != 0.0).then_some(clip),
            seed,
            ..TrainConfig::default()
        }
    }
}

impl Train {
    pub fn run(&self) -> Result<(), CliError> {
        // mistakes are told before the text is read
        self.training.config(self.seed, 0).validate()?;
        self.network.config(1).validate()?;
        self.out.check()?;
        let device = self.device.open()?;

        let texts = self.read()?;
        let settings = self.training.config(self.seed, texts.train.len());
        texts.check(&settings)?;
        let config = self.network.config(texts.tokenizer.vocab_size());
        device.seed(self.seed);
        let model = config.init(&device)?;
        let parameters = model.num_params();
        eprintln!(
            "vocabulary of {} ({}), {} parameters; training on {} tokens, validating on {}{}",
            config.vocabulary,
            texts.tokenizer.unit(),
            parameters,
            texts.train.len(),
            texts.valid.len(),
            if self.valid.is_none() { " (the last 10 % of the text)" } else { "" },
        );

        self.out.create()?;
        let card = self.card(&texts, &settings);
        let mut observers: Vec<Box<dyn Observer + '_>> = vec![
            Box::new(Progress::new()),
            Box::new(LogFile::create(self.out.out.join(LOG))?),
            Box::new(Curves::new(self.out.out.join(CURVES))),
            Box::new(SaveBest::new(&self.out.out, &texts.tokenizer, card)),
        ];
        let trained = lm::train(model, &texts.train, Some(&texts.valid), &settings, &mut observers)?;
        self.report(&trained, parameters)
    }

    fn read(&self) -> Result<Texts, CliError> {
        let corpus = Corpus::open(&self.files)?;
        let every = Corpus::open(self.files.iter().chain(&self.valid))?;
        let tokenizer = self.tokens.config().train(&every)?;
        let (train, valid) = match &self.valid {
            Some(valid) => (corpus.encode(&tokenizer)?, Corpus::open([valid])?.encode(&tokenizer)?),
            None => holdout::encode(&corpus, &tokenizer)?,
        };
        Ok(Texts { tokenizer, train, valid })
    }

    fn card(&self, texts: &Texts, settings: &TrainConfig) -> ModelCard {
        let names = |files: &[PathBuf]| files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", ");
        let info = |role: &str, name: String, tokens: &Tokens| CorpusInfo {
            role: role.into(),
            name,
            tokens: tokens.len(),
            characters: tokens.characters(),
            bytes: tokens.bytes(),
        };
        let valid = match &self.valid {
            Some(valid) => valid.display().to_string(),
            None => format!("the last {} % of the same", holdout::PERCENT),
        };
        ModelCard {
            corpus: vec![info("train", names(&self.files), &texts.train), info("validation", valid, &texts.valid)],
            training: Some(settings.clone()),
            command: Some(command_line()),
            ..ModelCard::new(self.out.name())
        }
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

/// What a model is trained with.
struct Texts {
    tokenizer: TextTokenizer,
    train: Tokens,
    valid: Tokens,
}

impl Texts {
    /// Fails before anything is written where the texts are too short to train or to validate on.
    fn check(&self, settings: &TrainConfig) -> Result<(), CliError> {
        BpttBatches::new(&self.train, settings.batch, settings.bptt)?;
        match self.valid.len() {
            tokens @ 0..2 => Err(CliError::ShortValidation { tokens }),
            _ => Ok(()),
        }
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
fn command_line() -> String {
    let quote = |argument: String| {
        let plain = |c: char| c.is_alphanumeric() || "-_./:=,+@%".contains(c);
        if !argument.is_empty() && argument.chars().all(plain) {
            argument
        } else {
            format!("'{}'", argument.replace('\'', r"'\''"))
        }
    };
    let arguments = std::env::args_os().skip(1).map(|argument| quote(argument.to_string_lossy().into_owned()));
    std::iter::once("elman".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}
