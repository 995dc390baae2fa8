use elman_lm::train::Schedule;
use serde::{Deserialize, Serialize};

use crate::error::EmbeddingError;

/// Configuration of the training of an encoder.
///
/// The loss depends on the [examples](super::Examples): with a teacher, the weighted sum of the three distillation
/// losses; otherwise the loss for that kind of example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EncoderTrainConfig {
    /// Batch size.
    pub batch: usize,
    /// Number of epochs.
    pub epochs: usize,
    /// Number of optimizer steps, which overrides `epochs`.
    pub steps: Option<usize>,
    /// Peak learning rate of AdamW.
    pub learning_rate: f64,
    /// Steps of linear warmup, at most a tenth of all steps; cosine decay follows.
    pub warmup: usize,
    /// Weight decay of AdamW.
    pub weight_decay: f64,
    /// Maximum global norm of the gradients.
    pub clip: f64,
    /// Random seed.
    pub seed: u64,
    /// Weight of [`cosine_distance`](super::cosine_distance).
    pub cosine: f64,
    /// Weight of [`mean_squared_error`](super::mean_squared_error).
    pub mse: f64,
    /// Weight of [`relational`](super::relational).
    pub relational: f64,
    /// Temperature of [`info_nce`](super::info_nce).
    pub temperature: f64,
    /// Margin of [`triplet`](super::triplet).
    pub margin: f64,
    /// Dimensions that vectors can be truncated to; see [`matryoshka`](super::matryoshka). The full dimension is always
    /// included.
    pub matryoshka: Vec<usize>,
    /// Weight of an auxiliary next-token loss, as of a language model; for unidirectional networks.
    pub next_word: f64,
    /// Steps between reports.
    pub log_every: usize,
}

impl Default for EncoderTrainConfig {
    fn default() -> Self {
        Self {
            batch: 512,
            epochs: 4,
            steps: None,
            learning_rate: 0.002,
            warmup: 500,
            weight_decay: 0.01,
            clip: 1.0,
            seed: 1,
            cosine: 1.0,
            mse: 0.0,
            relational: 10.0,
            temperature: 0.05,
            margin: 0.2,
            matryoshka: Vec::new(),
            next_word: 0.0,
            log_every: 50,
        }
    }
}

impl EncoderTrainConfig {
    /// Checks that every setting is in its range.
    ///
    /// # Errors
    /// [`EmbeddingError::Setting`] for the first that is not.
    pub fn validate(&self) -> Result<(), EmbeddingError> {
        let check = |name, expected: &str, found: String, ok: bool| match ok {
            true => Ok(()),
            false => Err(EmbeddingError::Setting { name, expected: expected.into(), found }),
        };
        for (name, found) in [
            ("the batch", self.batch),
            ("the number of epochs", self.epochs),
            ("the number of steps", self.steps.unwrap_or(1)),
            ("log_every", self.log_every),
        ] {
            check(name, "at least 1", found.to_string(), found > 0)?;
        }
        for (name, found) in
            [("the learning rate", self.learning_rate), ("the clip", self.clip), ("the temperature", self.temperature)]
        {
            check(name, "a number above 0", found.to_string(), found.is_finite() && found > 0.0)?;
        }
        for (name, found) in [
            ("the weight decay", self.weight_decay),
            ("the weight of cosine", self.cosine),
            ("the weight of mse", self.mse),
            ("the weight of relational", self.relational),
            ("the weight of the next-token loss", self.next_word),
            ("the margin", self.margin),
        ] {
            check(name, "a number of at least 0", found.to_string(), found.is_finite() && found >= 0.0)?;
        }
        let min_dim = self.matryoshka.iter().min().copied().unwrap_or(1);
        check("a matryoshka dimension", "at least 1", min_dim.to_string(), min_dim > 0)
    }

    pub(super) fn schedule(&self, steps: usize) -> Schedule {
        Schedule::Cosine { warmup: self.warmup.min(steps / 10) }
    }
}
