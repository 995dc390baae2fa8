use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Resumed, TrainConfig};
use crate::{config::LanguageModelConfig, error::LmError, evaluate::Evaluation, model::LanguageModel};

/// What happens in training, in the order in which it happens.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Training begins.
    Start(&'a Start),
    /// A step is done; its number, counted from 1 over all epochs.
    Step(usize),
    /// The losses since the last interval have been read.
    Interval(&'a Interval),
    /// An epoch is over and validated; the model after it, in a form for inference.
    Epoch(&'a Epoch, &'a LanguageModel),
    /// This model is the best so far (without validation: the latest), in a form for inference. Training that goes on
    /// from a checkpoint tells of the best model before it once more.
    Best(&'a LanguageModel, &'a Epoch),
    /// A checkpoint has been written after this step.
    Checkpoint(&'a Path, usize),
}

/// Something that follows training: draws, logs, saves.
pub trait Observer {
    /// Is told of an event.
    ///
    /// # Errors
    /// What fails here stops training.
    fn observe(&mut self, event: Event<'_>) -> Result<(), LmError>;
}

/// Follows nothing.
impl Observer for () {
    fn observe(&mut self, _event: Event<'_>) -> Result<(), LmError> {
        Ok(())
    }
}

/// A closure that is called with every event.
impl<F: FnMut(Event<'_>) -> Result<(), LmError>> Observer for F {
    fn observe(&mut self, event: Event<'_>) -> Result<(), LmError> {
        self(event)
    }
}

/// All of them, in order.
impl<O: Observer + ?Sized> Observer for Vec<Box<O>> {
    fn observe(&mut self, event: Event<'_>) -> Result<(), LmError> {
        self.iter_mut().try_for_each(|observer| observer.observe(event))
    }
}

/// What is known before the first step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The model.
    pub model: LanguageModelConfig,
    /// The settings.
    pub settings: TrainConfig,
    /// Number of the model's parameters.
    pub parameters: usize,
    /// Tokens that an epoch reads.
    pub train_tokens: usize,
    /// Steps in an epoch.
    pub steps_per_epoch: usize,
    /// Steps in all.
    pub steps: usize,
    /// Epochs in all.
    pub epochs: usize,
    /// The checkpoint that training goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Resumed>,
}

/// Some steps of training, averaged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The epoch, from 1.
    pub epoch: usize,
    /// The last step, from 1 over all epochs.
    pub step: usize,
    /// Mean cross-entropy, nats per token.
    pub loss: f64,
    /// `exp(loss)`
    #[serde(deserialize_with = "crate::setting::null_is_infinite")]
    pub perplexity: f64,
    /// Mean global norm of the gradients, before clipping.
    pub gradient_norm: f64,
    /// The last step's learning rate.
    pub learning_rate: f64,
    /// Training speed.
    pub tokens_per_second: f64,
    /// Seconds since training began.
    pub seconds: f64,
}

/// One reading of the text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// The epoch, from 1.
    pub epoch: usize,
    /// The last step, from 1 over all epochs.
    pub step: usize,
    /// Mean cross-entropy over the epoch's steps, nats per token, with dropout.
    pub train_loss: f64,
    /// The validation text's figures, if there is one.
    pub valid: Option<Evaluation>,
    /// Whether this is the best epoch so far.
    pub best: bool,
    /// The last step's learning rate.
    pub learning_rate: f64,
    /// Training speed, without validation.
    pub tokens_per_second: f64,
    /// Seconds since training began.
    pub seconds: f64,
}

/// All figures of a training run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct History {
    /// Every logged interval; of a run that went on from a checkpoint, those after it.
    pub intervals: Vec<Interval>,
    /// Every epoch.
    pub epochs: Vec<Epoch>,
}

impl History {
    /// The best epoch: the one whose model is kept.
    pub fn best(&self) -> Option<&Epoch> {
        self.epochs.iter().rev().find(|epoch| epoch.best)
    }
}

/// Gathers intervals and epochs.
impl Observer for History {
    fn observe(&mut self, event: Event<'_>) -> Result<(), LmError> {
        match event {
            Event::Interval(interval) => self.intervals.push(interval.clone()),
            Event::Epoch(epoch, _) => self.epochs.push(epoch.clone()),
            _ => {}
        }
        Ok(())
    }
}
