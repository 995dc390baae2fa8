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
pub struct NetworkOptions {
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
pub struct TrainingOptions {
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
    pub fn config(&self) -> TokenizerConfig {
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
    pub fn config(&self, vocabulary: usize) -> LanguageModelConfig {
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
