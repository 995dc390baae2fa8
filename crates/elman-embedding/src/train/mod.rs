//! Training of [encoders](crate::encoder): by a teacher's vectors, by pairs, triplets or scores, or by texts alone.

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
use checkpoint::{Progress, Saved};
use step::Trainee;

/// What is told while training goes on.
#[derive(Debug)]
pub enum Event<'a> {
    /// It begins.
    Start {
        /// Steps in all.
        steps: usize,
        /// Examples of an epoch.
        examples: usize,
        /// Examples that cannot be learned from: without tokens, or with a vector of zeros.
        left_out: usize,
        /// Steps that a checkpoint has done.
        resumed: usize,
    },
    /// Some steps are done.
    Interval {
        /// How many in all.
        step: usize,
        /// Their mean loss.
        loss: f32,
        /// The last one's learning rate.
        learning_rate: f64,
        /// Examples per second.
        per_second: f64,
    },
    /// An epoch is done.
    Epoch {
        /// Which, from 1.
        epoch: usize,
        /// The mean loss of its steps, since a checkpoint was resumed if it was within the epoch.
        loss: f32,
        /// The model as it stands, in a form for inference.
        model: &'a EncoderModel,
        /// Seconds since the first step, without those between a checkpoint and its resumption.
        seconds: f64,
    },
}

/// Training of an encoder.
///
/// On one CPU device the result depends on nothing but the arguments, whether it was interrupted or not.
pub struct Training<'a> {
    model: EncoderModel,
    examples: &'a Examples,
    config: &'a EncoderTrainConfig,
    checkpoint: Option<(PathBuf, Duration)>,
    interrupt: Option<&'a AtomicBool>,
}

impl<'a> Training<'a> {
    /// Training of `model` on examples.
    pub fn new(model: EncoderModel, examples: &'a Examples, config: &'a EncoderTrainConfig) -> Self {
        Self { model, examples, config, checkpoint: None, interrupt: None }
    }

    /// Writes a checkpoint so often, and when it is interrupted; goes on from the one that is there.
    #[must_use]
    pub fn with_checkpoint(self, path: impl Into<PathBuf>, every: Duration) -> Self {
        Self { checkpoint: Some((path.into(), every)), ..self }
    }

    /// Stops after the step during which the flag is set.
    #[must_use]
    pub fn with_interrupt(self, flag: &'a AtomicBool) -> Self {
        Self { interrupt: Some(flag), ..self }
    }

    /// Trains; returns the model in a form for inference.
    ///
    /// # Errors
    /// [`EmbeddingError::Setting`] for a setting out of range; [`EmbeddingError::Examples`], [`EmbeddingError::Count`],
    /// [`EmbeddingError::Width`], [`EmbeddingError::NotFinite`] for examples that do not fit;
    /// [`EmbeddingError::Model`] for a checkpoint that it cannot go on from, when the flag was set
    /// ([`Interrupted`](elman_lm::LmError::Interrupted)), and at a loss that is not finite
    /// ([`Diverged`](elman_lm::LmError::Diverged)); what the observer returns.
    pub fn run(
        self,
        observer: &mut dyn FnMut(Event<'_>) -> Result<(), EmbeddingError>,
    ) -> Result<EncoderModel, EmbeddingError> {
        let Self { model, examples, config, checkpoint, interrupt } = self;
        config.validate()?;
        check(&model, examples, config)?;
        let (usable, left_out) = examples.usable()?;
        let per_epoch = examples.batches(&usable, config.batch, 0).len();
        let steps = config.steps.unwrap_or(per_epoch * config.epochs);
        let (settings, device) = (model.config().clone(), model.embedding.weight.device());
        device.seed(config.seed);
        let mut trainee = Trainee::new(model, config)?.train();
        let mut optimizer = Optimizer::AdamW.init(config.weight_decay);
        let mut progress = Progress {
            model: settings,
            settings: config.clone(),
            examples: examples.fingerprint(),
            step: 0,
            seconds: 0.0,
        };
        if let Some((path, _)) = &checkpoint
            && let Some(saved) = Saved::load(path)?
        {
            same(&progress, &saved.progress, path)?;
            (trainee, optimizer) = saved.restore(trainee, steps)?;
            progress = saved.progress;
        }
        let resumed = progress.step;
        observer(Event::Start { steps, examples: usable.len(), left_out, resumed })?;
        let mut clock = Clock::new(progress.seconds);
        let schedule = config.schedule(steps);
        while progress.step < steps {
            let epoch = progress.step / per_epoch;
            let batches = examples.batches(&usable, config.batch, config.seed.wrapping_add(epoch as u64));
            for rows in batches[progress.step - epoch * per_epoch..].iter().take(steps - progress.step) {
                let step = progress.step;
                device.seed(config.seed ^ (step as u64 + 1).rotate_left(32));
                let loss = trainee.loss(examples, rows, config)?;
                let gradients = GradientsParams::from_grads(loss.backward(), &trainee);
                let (gradients, norm) = clip_by_global_norm(&trainee, gradients, Some(config.clip));
                let rate = config.learning_rate * schedule.factor(step, steps);
                trainee = optimizer.step(rate, trainee, gradients);
                clock.add(loss.inner(), norm, rows.len());
                progress.step += 1;
                if progress.step.is_multiple_of(config.log_every) || progress.step == steps {
                    let (loss, per_second) = clock.interval(progress.step)?;
                    observer(Event::Interval { step: progress.step, loss, learning_rate: rate, per_second })?;
                }
                let stop = interrupt.is_some_and(|flag| flag.load(Ordering::Relaxed));
                let due = checkpoint.as_ref().is_some_and(|(_, every)| clock.saved.elapsed() >= *every);
                if (stop || due) && progress.step < steps {
                    save(&checkpoint, &mut progress, &trainee, &optimizer, &mut clock)?;
                }
                if stop {
                    let checkpoint = checkpoint.map(|(path, _)| path);
                    return Err(elman_lm::LmError::Interrupted { step: progress.step, checkpoint }.into());
                }
            }
            let (loss, model) = (clock.epoch(progress.step)?, trainee.encoder.valid());
            if !is_finite(&model) {
                return Err(elman_lm::LmError::NotFinite.into());
            }
            observer(Event::Epoch { epoch: epoch + 1, loss, model: &model, seconds: clock.seconds() })?;
        }
        Ok(trainee.encoder.valid())
    }
}

fn save(
    checkpoint: &Option<(PathBuf, Duration)>,
    progress: &mut Progress,
    trainee: &Trainee,
    optimizer: &ModuleOptimizer,
    clock: &mut Clock,
) -> Result<(), EmbeddingError> {
    let Some((path, _)) = checkpoint else { return Ok(()) };
    clock.settle(progress.step)?;
    // what has diverged must not take a good checkpoint's place
    if !is_finite(trainee) {
        return Err(elman_lm::LmError::NotFinite.into());
    }
    progress.seconds = clock.seconds();
    checkpoint::save(path, progress, trainee, optimizer)?;
    clock.saved = Instant::now();
    Ok(())
}

/// Examples and settings that do not fit each other are told before anything is computed.
fn check(model: &EncoderModel, examples: &Examples, config: &EncoderTrainConfig) -> Result<(), EmbeddingError> {
    let width = model.config().d_embedding();
    let bad = |reason: &str| Err(EmbeddingError::Examples { reason: reason.into() });
    match examples {
        Examples::Texts(_, Some(teacher)) if teacher.width() < width && config.cosine + config.mse > 0.0 => {
            let (path, found) = (teacher.path().into(), teacher.width());
            Err(EmbeddingError::Width { path, expected: width, found })
        }
        Examples::Texts(_, Some(_)) if config.cosine + config.mse + config.relational == 0.0 => {
            bad("nothing would be learned from the teacher: give cosine, mse or relational a weight above 0")
        }
        Examples::Texts(_, None) if model.config().dropout == 0.0 => bad(
            "texts alone are told apart by dropout (SimCSE): give the model a dropout above 0, or the texts a teacher",
        ),
        _ => Ok(()),
    }
}

/// That a checkpoint is of this run.
fn same(now: &Progress, was: &Progress, path: &std::path::Path) -> Result<(), EmbeddingError> {
    let other = |setting: &str, was: String, now: String| {
        let (path, setting) = (path.into(), setting.into());
        Err(elman_lm::LmError::OtherRun { path, setting, was, now }.into())
    };
    let json = |value: serde_json::Result<serde_json::Value>| value.expect("settings are valid JSON");
    let pairs = [
        (json(serde_json::to_value(&now.model)), json(serde_json::to_value(&was.model))),
        (json(serde_json::to_value(&now.settings)), json(serde_json::to_value(&was.settings))),
    ];
    for (now, was) in pairs {
        for (name, value) in now.as_object().expect("settings have names") {
            if name != "log_every" && was.get(name) != Some(value) {
                return other(name, was.get(name).map_or("nothing".into(), ToString::to_string), value.to_string());
            }
        }
    }
    if now.examples != was.examples {
        let [was, now] = [&was.examples, &now.examples].map(|hash| hash.chars().take(12).collect());
        return other("the examples (SHA-256 of their tokens)", was, now);
    }
    Ok(())
}

/// Losses wait on the device and are read together, so that a graphics card is not stopped at every step.
struct Clock {
    start: Instant,
    before: f64,
    interval: Instant,
    rows: usize,
    waiting: Vec<Tensor<1>>,
    read: Vec<f32>,
    /// The sum and the number of the epoch's losses.
    sum: (f64, usize),
    saved: Instant,
}

impl Clock {
    fn new(before: f64) -> Self {
        let now = Instant::now();
        Self { start: now, before, interval: now, rows: 0, waiting: vec![], read: vec![], sum: (0.0, 0), saved: now }
    }

    fn add(&mut self, loss: Tensor<1>, norm: Tensor<1>, rows: usize) {
        self.waiting.push(Tensor::cat(vec![loss, norm], 0));
        self.rows += rows;
    }

    /// Reads what waits; refuses what is not finite.
    fn settle(&mut self, step: usize) -> Result<(), EmbeddingError> {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        let first = step + 1 - waiting.len();
        let figures: Vec<f32> = Tensor::cat(waiting, 0).into_data().iter::<f32>().collect();
        for (n, pair) in figures.as_chunks::<2>().0.iter().enumerate() {
            let [loss, gradient_norm] = *pair;
            if !loss.is_finite() || !gradient_norm.is_finite() {
                return Err(elman_lm::LmError::Diverged { step: first + n, loss, gradient_norm }.into());
            }
            self.read.push(loss);
            self.sum = (self.sum.0 + f64::from(loss), self.sum.1 + 1);
        }
        Ok(())
    }

    /// The mean loss since the last call, and examples per second.
    fn interval(&mut self, step: usize) -> Result<(f32, f64), EmbeddingError> {
        self.settle(step)?;
        let loss = self.read.iter().sum::<f32>() / self.read.len().max(1) as f32;
        let per_second = self.rows as f64 / self.interval.elapsed().as_secs_f64();
        (self.rows, self.interval) = (0, Instant::now());
        self.read.clear();
        Ok((loss, per_second))
    }

    /// The mean loss of an epoch that has ended.
    fn epoch(&mut self, step: usize) -> Result<f32, EmbeddingError> {
        self.settle(step)?;
        let (sum, count) = std::mem::take(&mut self.sum);
        Ok((sum / count.max(1) as f64) as f32)
    }

    fn seconds(&self) -> f64 {
        self.before + self.start.elapsed().as_secs_f64()
    }
}
