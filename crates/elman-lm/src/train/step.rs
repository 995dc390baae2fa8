use burn::optim::{GradientsParams, ModuleOptimizer};
use elman_recurrence::State;
use elman_text::BpttBatch;

use super::{TrainConfig, clip::clip_by_global_norm, meter::Meter};
use crate::{error::LmError, model::LanguageModel};

/// What changes from step to step.
pub(super) struct Stepper<'a> {
    /// There is one but while the optimizer has it.
    pub model: Option<LanguageModel>,
    pub optimizer: ModuleOptimizer,
    pub config: &'a TrainConfig,
    /// Steps in all, which the schedule is stretched over.
    pub steps: usize,
    /// Steps done.
    pub step: usize,
    /// What a plateau has divided the learning rate to.
    pub divided: f64,
    pub meter: Meter,
}

impl Stepper<'_> {
    /// The model as it stands.
    pub fn model(&self) -> &LanguageModel {
        self.model.as_ref().expect("the optimizer gives it back")
    }

    /// One step of the optimizer; returns the detached state.
    pub fn step(&mut self, batch: &BpttBatch, state: Option<State>) -> Result<State, LmError> {
        // each step has a seed of its own, so the dropout masks after a checkpoint need no memory of those before it
        let model = self.model();
        model.device().seed(self.config.seed ^ (self.step as u64).rotate_left(32));
        let shape = [batch.rows, batch.steps];
        let inputs = model.tokens(&batch.inputs, shape)?;
        let targets = model.tokens(&batch.targets, shape)?;
        let (loss, state) = model.loss(inputs, targets, state);
        let gradients = GradientsParams::from_grads(loss.backward(), model);
        let (gradients, norm) = clip_by_global_norm(model, gradients, self.config.clip);
        let rate = self.learning_rate(self.step);
        // handed over rather than cloned, so that the weights are changed where they are
        self.model = self.model.take().map(|model| self.optimizer.step(rate, model, gradients));
        self.step += 1;
        self.meter.add(loss.inner(), norm, batch.steps, batch.rows);
        Ok(state.detach())
    }

    /// The last step's learning rate.
    pub fn last_learning_rate(&self) -> f64 {
        self.learning_rate(self.step.saturating_sub(1))
    }

    /// The learning rate of a step, counted from 0.
    fn learning_rate(&self, step: usize) -> f64 {
        self.config.learning_rate * self.divided * self.config.schedule.factor(step, self.steps)
    }
}
