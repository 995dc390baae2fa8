//! Training of [encoders](crate::encoder): by distillation of a teacher, on pairs, triplets or scores, or on texts
//! alone.

mod checkpoint;
mod config;
mod examples;
#[cfg(test)]
mod mutants;
mod objective;
mod step;

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use burn::{
    module::Module,
    optim::{GradientsParams, ModuleOptimizer},
    tensor::Tensor,
};
use elman_lm::train::{Optimizer, clip_by_global_norm, is_finite};

pub use config::EncoderTrainConfig;
pub use examples::{Examples, Texts};
pub use objective::{
    cosine_distance, cosine_regression, info_nce, matryoshka, mean_squared_error, relational, triplet,
};

use crate::{encoder::EncoderModel, error::EmbeddingError};
use checkpoint::{LoadedCheckpoint, Progress};
use step::TrainingModel;

/// A training event.
#[derive(Debug)]
pub enum Event<'a> {
    /// Training starts.
    Start {
        /// Total steps.
        steps: usize,
        /// Examples per epoch.
        examples: usize,
        /// Skipped examples: those without tokens or with a zero teacher vector.
        left_out: usize,
        /// Steps done before the checkpoint that training resumes from, or 0.
        resumed: usize,
    },
    /// `log_every` steps are done.
    Interval {
        /// Steps so far.
        step: usize,
        /// Mean loss since the last report.
        loss: f32,
        /// Learning rate of the last step.
        learning_rate: f64,
        /// Examples per second.
        per_second: f64,
    },
    /// An epoch is done.
    Epoch {
        /// The epoch, from 1.
        epoch: usize,
        /// Mean loss of its steps; if training resumed within the epoch, of those since then.
        loss: f32,
        /// The current model, without autodiff.
        model: &'a EncoderModel,
        /// Training time in seconds, without the time between a checkpoint and resuming.
        seconds: f64,
    },
}

/// Training of an encoder.
///
/// On a given CPU device the result depends only on the arguments, whether or not training was interrupted.
pub struct Training<'a> {
    model: EncoderModel,
    examples: &'a Examples,
    config: &'a EncoderTrainConfig,
    checkpoint: Option<(PathBuf, Duration)>,
    interrupt: Option<&'a AtomicBool>,
}

impl<'a> Training<'a> {
    /// Training of `model` on `examples`.
    pub fn new(model: EncoderModel, examples: &'a Examples, config: &'a EncoderTrainConfig) -> Self {
        Self { model, examples, config, checkpoint: None, interrupt: None }
    }

    /// Writes a checkpoint at this interval and on interruption; resumes from an existing one.
    #[must_use]
    pub fn with_checkpoint(self, path: impl Into<PathBuf>, every: Duration) -> Self {
        Self { checkpoint: Some((path.into(), every)), ..self }
    }

    /// Stops after the current step once the flag is set.
    #[must_use]
    pub fn with_interrupt(self, flag: &'a AtomicBool) -> Self {
        Self { interrupt: Some(flag), ..self }
    }

    /// Trains and returns the model without autodiff.
    ///
    /// # Errors
    /// [`EmbeddingError::Setting`] for a setting out of range; [`EmbeddingError::Examples`], [`EmbeddingError::Count`],
    /// [`EmbeddingError::Width`], [`EmbeddingError::NotFinite`] for examples that do not fit;
    /// [`EmbeddingError::Model`] for a checkpoint that it cannot resume from, on interruption
    /// ([`Interrupted`](elman_lm::LmError::Interrupted)), and for a loss that is not finite
    /// ([`Diverged`](elman_lm::LmError::Diverged)); errors of the observer.
    pub fn run(
        self,
        observer: &mut dyn FnMut(Event<'_>) -> Result<(), EmbeddingError>,
    ) -> Result<EncoderModel, EmbeddingError> {
        let Self { model, examples, config, checkpoint, interrupt } = self;
        config.validate()?;
        check_examples(&model, examples, config)?;
        let (usable, skipped) = examples.usable()?;
        let per_epoch = examples.batches(&usable, config.batch, 0).len();
        let steps = config.steps.unwrap_or(per_epoch * config.epochs);
        let (settings, device) = (model.config().clone(), model.embedding.weight.device());
        device.seed(config.seed);
        let mut trained = TrainingModel::new(model, config)?.train();
        let mut optimizer = Optimizer::AdamW.init(config.weight_decay);
        let mut progress = Progress {
            model: settings,
            settings: config.clone(),
            examples: examples.fingerprint(),
            step: 0,
            seconds: 0.0,
        };
        if let Some((path, _)) = &checkpoint
            && let Some(saved) = LoadedCheckpoint::load(path)?
        {
            check_same_run(&progress, &saved.progress, path)?;
            (trained, optimizer) = saved.restore(trained, steps)?;
            progress = saved.progress;
        }
        let resumed = progress.step;
        observer(Event::Start { steps, examples: usable.len(), left_out: skipped, resumed })?;
        let mut metrics = TrainingMetrics::new(progress.seconds);
        let schedule = config.schedule(steps);
        while progress.step < steps {
            let epoch = progress.step / per_epoch;
            let batches = examples.batches(&usable, config.batch, config.seed.wrapping_add(epoch as u64));
            for rows in batches[progress.step - epoch * per_epoch..].iter().take(steps - progress.step) {
                let step = progress.step;
                device.seed(config.seed ^ (step as u64 + 1).rotate_left(32));
                let loss = trained.loss(examples, rows, config)?;
                let gradients = GradientsParams::from_grads(loss.backward(), &trained);
                let (gradients, norm) = clip_by_global_norm(&trained, gradients, Some(config.clip));
                let rate = config.learning_rate * schedule.factor(step, steps);
                trained = optimizer.step(rate, trained, gradients);
                metrics.add(loss.inner(), norm, rows.len());
                progress.step += 1;
                if progress.step.is_multiple_of(config.log_every) || progress.step == steps {
                    let (loss, per_second) = metrics.interval(progress.step)?;
                    observer(Event::Interval { step: progress.step, loss, learning_rate: rate, per_second })?;
                }
                let stop = interrupt.is_some_and(|flag| flag.load(Ordering::Relaxed));
                let due = checkpoint.as_ref().is_some_and(|(_, every)| metrics.last_checkpoint.elapsed() >= *every);
                if (stop || due) && progress.step < steps {
                    save(&checkpoint, &mut progress, &trained, &optimizer, &mut metrics)?;
                }
                if stop {
                    let checkpoint = checkpoint.map(|(path, _)| path);
                    return Err(elman_lm::LmError::Interrupted { step: progress.step, checkpoint }.into());
                }
            }
            let (loss, model) = (metrics.epoch(progress.step)?, trained.encoder.valid());
            if !is_finite(&model) {
                return Err(elman_lm::LmError::NotFinite.into());
            }
            observer(Event::Epoch { epoch: epoch + 1, loss, model: &model, seconds: metrics.seconds() })?;
        }
        Ok(trained.encoder.valid())
    }
}

fn save(
    checkpoint: &Option<(PathBuf, Duration)>,
    progress: &mut Progress,
    trained: &TrainingModel,
    optimizer: &ModuleOptimizer,
    metrics: &mut TrainingMetrics,
) -> Result<(), EmbeddingError> {
    let Some((path, _)) = checkpoint else { return Ok(()) };
    metrics.read_pending(progress.step)?;
    // a diverged model must not replace a good checkpoint
    if !is_finite(trained) {
        return Err(elman_lm::LmError::NotFinite.into());
    }
    progress.seconds = metrics.seconds();
    checkpoint::save(path, progress, trained, optimizer)?;
    metrics.last_checkpoint = Instant::now();
    Ok(())
}

/// Rejects examples that do not fit the model or the settings, before training starts.
fn check_examples(
    model: &EncoderModel,
    examples: &Examples,
    config: &EncoderTrainConfig,
) -> Result<(), EmbeddingError> {
    let width = model.config().d_embedding();
    let invalid = |reason: &str| Err(EmbeddingError::Examples { reason: reason.into() });
    match examples {
        Examples::Texts(_, Some(teacher)) if teacher.width() < width && config.cosine + config.mse > 0.0 => {
            let (path, found) = (teacher.path().into(), teacher.width());
            Err(EmbeddingError::Width { path, expected: width, found })
        }
        Examples::Texts(_, Some(_)) if config.cosine + config.mse + config.relational == 0.0 => {
            invalid("the teacher would be unused: set the weight of cosine, mse or relational above 0")
        }
        Examples::Texts(_, None) if model.config().dropout == 0.0 => {
            invalid("training on texts alone needs dropout (SimCSE): use a model with dropout above 0, or a teacher")
        }
        _ => Ok(()),
    }
}

/// Checks that a checkpoint belongs to this run.
fn check_same_run(now: &Progress, was: &Progress, path: &std::path::Path) -> Result<(), EmbeddingError> {
    let differs = |setting: &str, was: String, now: String| {
        let (path, setting) = (path.into(), setting.into());
        Err(elman_lm::LmError::OtherRun { path, setting, was, now }.into())
    };
    let json = |value: serde_json::Result<serde_json::Value>| value.expect("settings are valid JSON");
    let pairs = [
        (json(serde_json::to_value(&now.model)), json(serde_json::to_value(&was.model))),
        (json(serde_json::to_value(&now.settings)), json(serde_json::to_value(&was.settings))),
    ];
    for (now, was) in pairs {
        for (name, value) in now.as_object().expect("settings are JSON objects") {
            if name != "log_every" && was.get(name) != Some(value) {
                return differs(name, was.get(name).map_or("nothing".into(), ToString::to_string), value.to_string());
            }
        }
    }
    if now.examples != was.examples {
        let [was, now] = [&was.examples, &now.examples].map(|hash| hash.chars().take(12).collect());
        return differs("the examples (SHA-256 of their tokens)", was, now);
    }
    Ok(())
}

/// Losses, throughput and time. Losses stay on the device and are read together, so that a GPU is not synchronized at
/// every step.
struct TrainingMetrics {
    start: Instant,
    previous_seconds: f64,
    interval_start: Instant,
    interval_rows: usize,
    /// Loss and gradient norm of steps that are not read yet.
    pending: Vec<Tensor<1>>,
    interval_losses: Vec<f32>,
    /// Sum and number of the epoch's losses.
    epoch_sum: (f64, usize),
    last_checkpoint: Instant,
}

impl TrainingMetrics {
    fn new(previous_seconds: f64) -> Self {
        let now = Instant::now();
        Self {
            start: now,
            previous_seconds,
            interval_start: now,
            interval_rows: 0,
            pending: vec![],
            interval_losses: vec![],
            epoch_sum: (0.0, 0),
            last_checkpoint: now,
        }
    }

    fn add(&mut self, loss: Tensor<1>, norm: Tensor<1>, rows: usize) {
        self.pending.push(Tensor::cat(vec![loss, norm], 0));
        self.interval_rows += rows;
    }

    /// Reads the pending losses; a value that is not finite is an error.
    fn read_pending(&mut self, step: usize) -> Result<(), EmbeddingError> {
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() {
            return Ok(());
        }
        let first = step + 1 - pending.len();
        let values: Vec<f32> = Tensor::cat(pending, 0).into_data().iter::<f32>().collect();
        for (n, pair) in values.as_chunks::<2>().0.iter().enumerate() {
            let [loss, gradient_norm] = *pair;
            if !loss.is_finite() || !gradient_norm.is_finite() {
                return Err(elman_lm::LmError::Diverged { step: first + n, loss, gradient_norm }.into());
            }
            self.interval_losses.push(loss);
            self.epoch_sum = (self.epoch_sum.0 + f64::from(loss), self.epoch_sum.1 + 1);
        }
        Ok(())
    }

    /// The mean loss since the last call, and examples per second.
    fn interval(&mut self, step: usize) -> Result<(f32, f64), EmbeddingError> {
        self.read_pending(step)?;
        let loss = self.interval_losses.iter().sum::<f32>() / self.interval_losses.len().max(1) as f32;
        let per_second = self.interval_rows as f64 / self.interval_start.elapsed().as_secs_f64();
        (self.interval_rows, self.interval_start) = (0, Instant::now());
        self.interval_losses.clear();
        Ok((loss, per_second))
    }

    /// The mean loss of the completed epoch.
    fn epoch(&mut self, step: usize) -> Result<f32, EmbeddingError> {
        self.read_pending(step)?;
        let (sum, count) = std::mem::take(&mut self.epoch_sum);
        Ok((sum / count.max(1) as f64) as f32)
    }

    fn seconds(&self) -> f64 {
        self.previous_seconds + self.start.elapsed().as_secs_f64()
    }
}
