use clap::Args;
use elman::{
    lm::{
        Dropouts, LanguageModelConfig, TrainConfig,
        train::{Optimizer, Schedule},
    },
    recurrence::CellKind,
    text::{TokenizerConfig, Unit},
};

use crate::arguments::one_of;

#[derive(Args, Debug)]
#[command(next_help_heading = "Tokens")]
pub struct TokenOptions {
    /// Tokenizer: bpe (subwords, trained on the text), word (split at whitespace) or char
    #[arg(long, value_name = "UNIT", default_value = "bpe", value_parser = one_of::<Unit, _>(&["char", "word", "bpe"]))]
    tokens: Unit,

    /// Maximum vocabulary size; the validation text counts, too [default: 2000 for bpe, else unlimited]
    #[arg(long, value_name = "N")]
    vocab_size: Option<usize>,

    /// Minimum frequency of words and characters in the vocabulary, or of merged pairs [default: 2 for bpe, else 1]
    #[arg(long, value_name = "N")]
    min_frequency: Option<u64>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Network")]
pub struct NetworkOptions {
    /// Recurrent cell
    #[arg(long, default_value = "lstm", value_parser = one_of::<CellKind, _>(&CellKind::ALL.map(CellKind::name)))]
    cell: CellKind,

    /// Dimension of the token embeddings
    #[arg(long, value_name = "N", default_value_t = 128)]
    embed: usize,

    /// Hidden units per layer; also the dimension of text embeddings
    #[arg(long, value_name = "N", default_value_t = 256)]
    hidden: usize,

    /// Recurrent layers
    #[arg(long, value_name = "N", default_value_t = 2)]
    layers: usize,

    /// Dropout probability, after the embedding, between layers and before the output
    #[arg(long, value_name = "P", default_value_t = 0.2, allow_negative_numbers = true)]
    dropout: f64,

    /// Tie the weights of embedding and output: a smaller model, often better with word tokens
    #[arg(long)]
    tied: bool,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Training")]
pub struct TrainingOptions {
    /// Passes over the text
    #[arg(long, value_name = "N", default_value_t = 10)]
    epochs: usize,

    /// Batch size: the text is split into this many parallel parts [default: 20; fewer for short texts, for about 100
    /// steps per epoch]
    #[arg(long, value_name = "N")]
    batch: Option<usize>,

    /// Truncation length of backpropagation through time, in tokens
    #[arg(long, value_name = "N", default_value_t = 35)]
    bptt: usize,

    /// Optimizer
    #[arg(long, default_value = "adam", value_parser = one_of::<Optimizer, _>(&["sgd", "adam", "adamw"]))]
    optimizer: Optimizer,

    /// Learning rate [default: 0.002; 20 for sgd]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    lr: Option<f64>,

    /// Learning rate schedule: constant, cosine, cosine:warmup=STEPS, plateau, plateau:factor=NUMBER [default: cosine;
    /// plateau for sgd]
    #[arg(long)]
    schedule: Option<Schedule>,

    /// Maximum norm of the gradient; 0 disables clipping [default: 1; 0.25 for sgd]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    clip: Option<f64>,

    /// Weight decay
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    weight_decay: f64,
}

impl TokenOptions {
    pub fn config(&self) -> TokenizerConfig {
        let bpe = self.tokens == Unit::Bpe;
        let config = TokenizerConfig::new(self.tokens);
        let config = config.with_min_frequency(self.min_frequency.unwrap_or(if bpe { 2 } else { 1 }));
        match self.vocab_size.or(bpe.then_some(2000)) {
            Some(size) => config.with_vocab_size(size),
            None => config,
        }
    }
}

impl NetworkOptions {
    pub fn config(&self, vocab_size: usize) -> LanguageModelConfig {
        LanguageModelConfig {
            cell: self.cell,
            d_embed: self.embed,
            d_hidden: self.hidden,
            layers: self.layers,
            tied: self.tied,
            dropout: Dropouts::all(self.dropout),
            ..LanguageModelConfig::new(vocab_size)
        }
    }
}

impl TrainingOptions {
    /// The settings for a text with this number of tokens.
    pub fn config(&self, seed: u64, tokens: usize) -> TrainConfig {
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
