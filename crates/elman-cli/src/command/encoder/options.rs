use std::path::PathBuf;

use clap::Args;
use elman::{
    embedding::{Pooling, encoder::EncoderConfig, train::EncoderTrainConfig},
    recurrence::CellKind,
};

use crate::arguments::one_of;

#[derive(Args, Debug)]
#[command(next_help_heading = "Network, of a new encoder")]
pub struct NetworkOptions {
    /// The tokenizer.json of any tokenizer [default: pieces of words, learned from the texts]
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    pub tokenizer: Option<PathBuf>,

    /// Vectors of the tokenizer's tokens, in their order, to begin with: a .npy or .safetensors file [vocabulary, N], of
    /// which the first numbers are used, as many as --embed says
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    pub token_vectors: Option<PathBuf>,

    /// Most tokens in a vocabulary that is learned
    #[arg(long, value_name = "N", default_value_t = 16000)]
    pub vocab: usize,

    /// Kind of recurrent cell
    #[arg(long, default_value = "gru", value_parser = one_of::<CellKind, _>(&CellKind::ALL.map(CellKind::name)))]
    cell: CellKind,

    /// Width of a token's embedding
    #[arg(long, value_name = "N", default_value_t = 256)]
    embed: usize,

    /// Hidden units per layer and direction
    #[arg(long, value_name = "N", default_value_t = 384)]
    hidden: usize,

    /// Recurrent layers
    #[arg(long, value_name = "N", default_value_t = 1)]
    layers: usize,

    /// Read texts backwards too
    #[arg(long)]
    bidirectional: bool,

    /// What the outputs at all tokens become: mean, max, last, attention, or several side by side, as in mean+max
    #[arg(long, value_name = "POOL", default_value = "mean")]
    pool: Pooling,

    /// Width of the vectors; 0 for that of what was pooled
    #[arg(long, value_name = "N", default_value_t = 256)]
    width: usize,

    /// Share of values dropped in training, of the embedding, between layers and of the outputs; of an encoder to begin with too,
    /// but for those between layers [default: 0, for texts without a teacher 0.1]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub dropout: Option<f64>,
}

impl NetworkOptions {
    /// The configuration for a vocabulary of so many tokens.
    pub fn config(&self, vocabulary: usize, dropout: f64) -> EncoderConfig {
        EncoderConfig {
            d_embed: self.embed,
            cell: self.cell,
            d_hidden: self.hidden,
            layers: self.layers,
            bidirectional: self.bidirectional,
            pooling: self.pool.clone(),
            d_projection: (self.width > 0).then_some(self.width),
            dropout,
            ..EncoderConfig::new(vocabulary)
        }
    }
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Training")]
pub struct TrainingOptions {
    /// How often the examples are read
    #[arg(long, value_name = "N", default_value_t = 4)]
    epochs: usize,

    /// Batches that are read, in place of a number of epochs
    #[arg(long, value_name = "N", conflicts_with = "epochs")]
    steps: Option<usize>,

    /// Examples that are read side by side, and contrasted with each other
    #[arg(long, value_name = "N", default_value_t = 512)]
    batch: usize,

    /// Tokens of a text that are learned from; what follows is left out
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub longest: usize,

    /// Learning rate, of AdamW
    #[arg(long, value_name = "X", default_value_t = 0.002, allow_negative_numbers = true)]
    lr: f64,

    /// Steps until the learning rate is that high, at most a tenth of all
    #[arg(long, value_name = "N", default_value_t = 500)]
    warmup: usize,

    /// Weight decay
    #[arg(long, value_name = "X", default_value_t = 0.01, allow_negative_numbers = true)]
    weight_decay: f64,

    /// Largest norm of the gradient
    #[arg(long, value_name = "X", default_value_t = 1.0, allow_negative_numbers = true)]
    clip: f64,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Objectives")]
pub struct ObjectiveOptions {
    /// With a teacher: weight of the cosine distance to its vector
    #[arg(long, value_name = "X", default_value_t = 1.0, allow_negative_numbers = true)]
    cosine: f64,

    /// With a teacher: weight of the squared distance to its vector
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    mse: f64,

    /// With a teacher: weight of the squared difference from its cosines within a batch
    #[arg(long, value_name = "X", default_value_t = 10.0, allow_negative_numbers = true)]
    relational: f64,

    /// For pairs, and for texts alone: what cosines are divided by before the softmax
    #[arg(long, value_name = "X", default_value_t = 0.05, allow_negative_numbers = true)]
    temperature: f64,

    /// For triplets: by how much the first must be nearer in cosine
    #[arg(long, value_name = "X", default_value_t = 0.2, allow_negative_numbers = true)]
    margin: f64,

    /// Widths that vectors may be cut to afterwards, as in 64,128
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    matryoshka: Vec<usize>,

    /// Weight of predicting the next token too
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    next_word: f64,
}

/// The settings of training.
pub fn settings(training: &TrainingOptions, objectives: &ObjectiveOptions, seed: u64) -> EncoderTrainConfig {
    EncoderTrainConfig {
        batch: training.batch,
        epochs: training.epochs,
        steps: training.steps,
        learning_rate: training.lr,
        warmup: training.warmup,
        weight_decay: training.weight_decay,
        clip: training.clip,
        seed,
        cosine: objectives.cosine,
        mse: objectives.mse,
        relational: objectives.relational,
        temperature: objectives.temperature,
        margin: objectives.margin,
        matryoshka: objectives.matryoshka.clone(),
        next_word: objectives.next_word,
        ..EncoderTrainConfig::default()
    }
}
