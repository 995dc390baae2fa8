use burn::optim::{GradientsParams, ModuleOptimizer};
use elman_recurrence::State;
use elman_text::BpttBatch;

use super::{TrainConfig, clip::clip_by_global_norm, meter::Meter};
use crate::{error::LmError, model::LanguageModel};

/// Model and optimizer, and what else changes from step to step.
pub(super) struct Stepper<'a> {
    /// `None` only while the optimizer step owns the model.
    pub model: Option<LanguageModel>,
    pub optimizer: ModuleOptimizer,
    pub config: &'a TrainConfig,
    /// Total number of steps, which the schedule spans.
    pub steps: usize,
    /// Completed steps.
    pub step: usize,
    /// Factor of the learning rate due to plateaus.
    pub lr_scale: f64,
    pub meter: Meter,
}

impl Stepper<'_> {
    /// The current model.
    pub fn model(&self) -> &LanguageModel {
        self.model.as_ref().expect("the optimizer returns it")
    }

    /// One optimizer step; returns the detached state.
    pub fn step(&mut self, batch: &BpttBatch, state: Option<State>) -> Result<State, LmError> {
        // each step has its own seed, so a checkpoint need not store the random state of dropout
        let model = self.model();
        model.device().seed(self.config.seed ^ (self.step as u64).rotate_left(32));
        let shape = [batch.rows, batch.steps];
        let inputs = model.tokens(&batch.inputs, shape)?;
        let targets = model.tokens(&batch.targets, shape)?;
        let (loss, state) = model.loss(inputs, targets, state);
        let gradients = GradientsParams::from_grads(loss.backward(), model);
        let (gradients, norm) = clip_by_global_norm(model, gradients, self.config.clip);
        let rate = self.learning_rate(self.step);
        // moved, not cloned, so that the weights are updated in place
        self.model = self.model.take().map(|model| self.optimizer.step(rate, model, gradients));
        self.step += 1;
        self.meter.add(loss.inner(), norm, batch.steps, batch.rows);
        Ok(state.detach())
    }

    /// The learning rate of the last step.
    pub fn last_learning_rate(&self) -> f64 {
        self.learning_rate(self.step.saturating_sub(1))
    }

    /// The learning rate of a step, counted from 0.
    fn learning_rate(&self, step: usize) -> f64 {
        self.config.learning_rate * self.lr_scale * self.config.schedule.factor(step, self.steps)
    }
}
