use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Resumed, TrainConfig};
use crate::{config::LanguageModelConfig, error::LmError, evaluate::Evaluation, model::LanguageModel};

/// An event of training. Events are emitted in order.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Training starts.
    Start(&'a Start),
    /// A step is complete; its number, counted from 1 over all epochs.
    Step(usize),
    /// The losses since the last interval have been read.
    Interval(&'a Interval),
    /// An epoch is complete and validated; the model after it, in inference mode.
    Epoch(&'a Epoch, &'a LanguageModel),
    /// The best model so far (without validation: the latest), in inference mode. Training that resumes from a
    /// checkpoint first emits the best model of the checkpoint again.
    Best(&'a LanguageModel, &'a Epoch),
    /// A checkpoint has been written after this step.
    Checkpoint(&'a Path, usize),
}

/// A callback for training: shows progress, logs, saves.
pub trait Observer {
    /// Handles an event.
    ///
    /// # Errors
    /// An error stops training.
    fn observe(&mut self, event: Event<'_>) -> Result<(), LmError>;
}

/// Ignores all events.
impl Observer for () {
    fn observe(&mut self, _event: Event<'_>) -> Result<(), LmError> {
        Ok(())
    }
}

/// Calls the closure with every event.
impl<F: FnMut(Event<'_>) -> Result<(), LmError>> Observer for F {
    fn observe(&mut self, event: Event<'_>) -> Result<(), LmError> {
        self(event)
    }
}

/// Calls all observers in order.
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
    /// Tokens of an epoch.
    pub train_tokens: usize,
    /// Steps of an epoch.
    pub steps_per_epoch: usize,
    /// Total number of steps.
    pub steps: usize,
    /// Total number of epochs.
    pub epochs: usize,
    /// The checkpoint that training resumes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Resumed>,
}

/// Metrics averaged over some steps of training.
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
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Training throughput.
    pub tokens_per_second: f64,
    /// Seconds since training started.
    pub seconds: f64,
}

/// Metrics of one pass over the text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// The epoch, from 1.
    pub epoch: usize,
    /// The last step, from 1 over all epochs.
    pub step: usize,
    /// Mean cross-entropy over the epoch's steps, nats per token, with dropout.
    pub train_loss: f64,
    /// Metrics of the validation text, if there is one.
    pub valid: Option<Evaluation>,
    /// Whether this is the best epoch so far.
    pub best: bool,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Training throughput, without validation.
    pub tokens_per_second: f64,
    /// Seconds since training started.
    pub seconds: f64,
}

/// All metrics of a training run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct History {
    /// Every logged interval; of a resumed run, those after the checkpoint.
    pub intervals: Vec<Interval>,
    /// Every epoch.
    pub epochs: Vec<Epoch>,
}

impl History {
    /// The best epoch, whose model training returns.
    pub fn best(&self) -> Option<&Epoch> {
        self.epochs.iter().rev().find(|epoch| epoch.best)
    }
}

/// Collects intervals and epochs.
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
