use elman_lm::train::Schedule;
use serde::{Deserialize, Serialize};

use crate::error::EmbeddingError;

/// How an encoder is trained, and on what.
///
/// Which objectives count depends on the [examples](super::Examples): with a teacher the three of distillation, each times its
/// weight; else the one that fits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EncoderTrainConfig {
    /// Examples that are read side by side.
    pub batch: usize,
    /// How often all examples are read.
    pub epochs: usize,
    /// Batches that are read, in place of a number of epochs.
    pub steps: Option<usize>,
    /// Of AdamW, at its highest.
    pub learning_rate: f64,
    /// Steps until it is that, at most a tenth of all; it falls along half a cosine then.
    pub warmup: usize,
    /// Of AdamW.
    pub weight_decay: f64,
    /// The largest norm of the gradients.
    pub clip: f64,
    /// Of everything that is random.
    pub seed: u64,
    /// Weight of [`cosine_distance`](super::cosine_distance).
    pub cosine: f64,
    /// Weight of [`mean_squared_error`](super::mean_squared_error).
    pub mse: f64,
    /// Weight of [`relational`](super::relational).
    pub relational: f64,
    /// Of [`info_nce`](super::info_nce).
    pub temperature: f64,
    /// Of [`triplet`](super::triplet).
    pub margin: f64,
    /// Widths that vectors may be cut to; see [`matryoshka`](super::matryoshka). The whole vector is learned in any case.
    pub matryoshka: Vec<usize>,
    /// Weight of predicting the next token at every token, as a language model does: for networks of one direction.
    pub next_word: f64,
    /// Steps between two reports.
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
    /// [`EmbeddingError::Setting`] with the first that is not.
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
            ("the weight of the next word", self.next_word),
            ("the margin", self.margin),
        ] {
            check(name, "a number of at least 0", found.to_string(), found.is_finite() && found >= 0.0)?;
        }
        let shortest = self.matryoshka.iter().min().copied().unwrap_or(1);
        check("a width of matryoshka", "at least 1", shortest.to_string(), shortest > 0)
    }

    pub(super) fn schedule(&self, steps: usize) -> Schedule {
        Schedule::Cosine { warmup: self.warmup.min(steps / 10) }
    }
}
