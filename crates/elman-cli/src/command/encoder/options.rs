use std::path::PathBuf;

use clap::Args;
use elman::{
    embedding::{Pooling, encoder::EncoderConfig, train::EncoderTrainConfig},
    recurrence::CellKind,
};

use crate::arguments::one_of;

#[derive(Args, Debug)]
#[command(next_help_heading = "Network (without --from)")]
pub struct NetworkOptions {
    /// A Hugging Face tokenizer.json [default: BPE, trained on the texts]
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    pub tokenizer: Option<PathBuf>,

    /// Initial token embeddings, in the order of the tokenizer's ids: a .npy or .safetensors file [vocabulary, N],
    /// truncated to the first --embed dimensions
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    pub token_vectors: Option<PathBuf>,

    /// Maximum vocabulary size of a trained tokenizer
    #[arg(long, value_name = "N", default_value_t = 16000)]
    pub vocab_size: usize,

    /// Recurrent cell
    #[arg(long, default_value = "gru", value_parser = one_of::<CellKind, _>(&CellKind::ALL.map(CellKind::name)))]
    cell: CellKind,

    /// Dimension of the token embeddings
    #[arg(long, value_name = "N", default_value_t = 256)]
    embed: usize,

    /// Hidden units per layer and direction
    #[arg(long, value_name = "N", default_value_t = 384)]
    hidden: usize,

    /// Recurrent layers
    #[arg(long, value_name = "N", default_value_t = 1)]
    layers: usize,

    /// Use bidirectional layers
    #[arg(long)]
    bidirectional: bool,

    /// Pooling of the outputs at all tokens: mean, max, last, attention, or a concatenation such as mean+max
    #[arg(long, value_name = "POOL", default_value = "mean")]
    pool: Pooling,

    /// Dimension of the embeddings; 0 omits the projection and keeps the dimension after pooling
    #[arg(long, value_name = "N", default_value_t = 256)]
    dim: usize,

    /// Dropout probability, of token embeddings, between layers and of outputs. With --from, not between layers
    /// [default: 0; 0.1 for texts without a teacher]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub dropout: Option<f64>,
}

impl NetworkOptions {
    /// The configuration for a vocabulary size.
    pub fn config(&self, vocab_size: usize, dropout: f64) -> EncoderConfig {
        EncoderConfig {
            d_embed: self.embed,
            cell: self.cell,
            d_hidden: self.hidden,
            layers: self.layers,
            bidirectional: self.bidirectional,
            pooling: self.pool.clone(),
            d_projection: (self.dim > 0).then_some(self.dim),
            dropout,
            ..EncoderConfig::new(vocab_size)
        }
    }
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Training")]
pub struct TrainingOptions {
    /// Passes over the examples
    #[arg(long, value_name = "N", default_value_t = 4)]
    epochs: usize,

    /// Optimizer steps, instead of a number of epochs
    #[arg(long, value_name = "N", conflicts_with = "epochs")]
    steps: Option<usize>,

    /// Examples per batch; contrastive losses use the other examples of the batch as negatives
    #[arg(long, value_name = "N", default_value_t = 512)]
    batch: usize,

    /// Maximum number of tokens of a training text; longer texts are truncated
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub max_tokens: usize,

    /// Learning rate of AdamW
    #[arg(long, value_name = "X", default_value_t = 0.002, allow_negative_numbers = true)]
    lr: f64,

    /// Warmup steps of the learning rate, at most a tenth of all steps
    #[arg(long, value_name = "N", default_value_t = 500)]
    warmup: usize,

    /// Weight decay
    #[arg(long, value_name = "X", default_value_t = 0.01, allow_negative_numbers = true)]
    weight_decay: f64,

    /// Maximum norm of the gradient
    #[arg(long, value_name = "X", default_value_t = 1.0, allow_negative_numbers = true)]
    clip: f64,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Losses")]
pub struct ObjectiveOptions {
    /// With a teacher: weight of the cosine distance to the teacher's vector
    #[arg(long, value_name = "X", default_value_t = 1.0, allow_negative_numbers = true)]
    cosine: f64,

    /// With a teacher: weight of the squared distance to the teacher's vector
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    mse: f64,

    /// With a teacher: weight of the squared error of the cosines within a batch
    #[arg(long, value_name = "X", default_value_t = 10.0, allow_negative_numbers = true)]
    relational: f64,

    /// For pairs, and for texts without a teacher: softmax temperature of the cosines
    #[arg(long, value_name = "X", default_value_t = 0.05, allow_negative_numbers = true)]
    temperature: f64,

    /// For triplets: required margin between the cosines of the positive and the negative text
    #[arg(long, value_name = "X", default_value_t = 0.2, allow_negative_numbers = true)]
    margin: f64,

    /// Dimensions to which vectors can be truncated later, as in 64,128 (Matryoshka representation learning)
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    matryoshka: Vec<usize>,

    /// Weight of an additional next-token prediction loss
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    lm_loss_weight: f64,
}

/// The training configuration of these options.
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
        next_word: objectives.lm_loss_weight,
        ..EncoderTrainConfig::default()
    }
}
