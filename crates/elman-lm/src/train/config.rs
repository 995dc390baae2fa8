use serde::{Deserialize, Serialize};

use super::{Optimizer, Schedule};
use crate::{
    error::LmError,
    setting::{at_least_one, not_negative, positive},
};

/// Settings of [`train`](super::train()).
///
/// The defaults are those of PyTorch's word-language-model example: SGD with learning rate 20, divided by 4 when
/// validation stops improving, gradients clipped to 0.25, 20 columns, 35 tokens per step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainConfig {
    /// Batch size: the text is split into this number of columns.
    pub batch: usize,
    /// Window of truncated backpropagation through time, in tokens.
    pub bptt: usize,
    /// Passes over the text.
    pub epochs: usize,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// The learning rate, before the schedule.
    pub learning_rate: f64,
    /// The learning-rate schedule.
    pub schedule: Schedule,
    /// Weight decay; see [`Optimizer`].
    pub weight_decay: f64,
    /// Maximum global norm of the gradients; `None` does not clip.
    pub clip: Option<f64>,
    /// Seed of the dropout masks.
    pub seed: u64,
    /// Steps between two log lines. The loss is read from the device only then.
    pub log_every: usize,
}

impl Default for TrainConfig {
    fn default() -> Self {
        let optimizer = Optimizer::default();
        Self {
            batch: 20,
            bptt: 35,
            epochs: 2,
            optimizer,
            learning_rate: optimizer.default_learning_rate(),
            schedule: Schedule::default(),
            weight_decay: 0.0,
            clip: Some(0.25),
            seed: 1,
            log_every: 20,
        }
    }
}

impl TrainConfig {
    /// Checks that every setting is in its range.
    ///
    /// # Errors
    /// [`LmError::Setting`] for the first setting out of range.
    pub fn validate(&self) -> Result<(), LmError> {
        at_least_one("the batch", self.batch)?;
        at_least_one("bptt", self.bptt)?;
        at_least_one("the number of epochs", self.epochs)?;
        at_least_one("log_every", self.log_every)?;
        positive("the learning rate", self.learning_rate)?;
        not_negative("the weight decay", self.weight_decay)?;
        self.clip.map_or(Ok(()), |clip| positive("the gradient clip", clip))?;
        self.schedule.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(config: TrainConfig) -> String {
        config.validate().unwrap_err().to_string()
    }

    #[test]
    fn errors_name_settings_out_of_range() {
        let good = TrainConfig::default();
        good.validate().unwrap();
        for (found, text) in [(-1.0, "-1"), (f64::NAN, "NaN"), (0.0, "0"), (f64::INFINITY, "inf")] {
            let config = TrainConfig { learning_rate: found, ..good.clone() };
            assert_eq!(message(config), format!("the learning rate must be a number above 0, not {text}"));
            let config = TrainConfig { clip: Some(found), ..good.clone() };
            assert_eq!(message(config), format!("the gradient clip must be a number above 0, not {text}"));
        }
        assert_eq!(message(TrainConfig { batch: 0, ..good.clone() }), "the batch must be at least 1, not 0");
        assert_eq!(message(TrainConfig { bptt: 0, ..good.clone() }), "bptt must be at least 1, not 0");
        assert_eq!(
            message(TrainConfig { epochs: 0, ..good.clone() }),
            "the number of epochs must be at least 1, not 0"
        );
        let config = TrainConfig { weight_decay: -0.1, ..good };
        assert_eq!(message(config), "the weight decay must be a number of at least 0, not -0.1");
    }
}
