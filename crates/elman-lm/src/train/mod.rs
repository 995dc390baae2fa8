//! Training by truncated backpropagation through time, and what follows it: progress, log, curves.

mod clip;
mod config;
mod event;
mod log;
mod meter;
mod optimizer;
mod plot;
mod progress;
mod save;
mod schedule;

use burn::{
    module::Module,
    optim::{GradientsParams, ModuleOptimizer},
};
use elman_recurrence::State;
use elman_text::{BpttBatch, BpttBatches, Tokens};

use self::{clip::clip_by_global_norm, meter::Meter};
use crate::{error::Error, evaluate::validate, model::LanguageModel};

pub use config::TrainConfig;
pub use event::{Epoch, Event, History, Interval, Observer, Start};
pub use log::LogFile;
pub use optimizer::Optimizer;
pub use plot::{Curves, draw_curves};
pub use progress::Progress;
pub use save::SaveBest;
pub use schedule::Schedule;

/// What training returns.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The model with the lowest validation loss; without a validation text, the last one. In a form for inference.
    pub model: LanguageModel,
    /// The figures of all epochs.
    pub history: History,
}

/// Trains `model` on `text` by truncated backpropagation through time.
///
/// The text is cut into `batch` columns that are read side by side, `bptt` tokens a step. The state is carried from
/// step to step and detached, so the gradient reaches back to the step's first token; it is zero at each epoch's
/// begin. After each epoch the model is validated (see [`evaluate`](crate::evaluate())) and kept if it is the best.
///
/// On one CPU device the result depends on nothing but the arguments, as long as nothing else in the process draws
/// random numbers from the device meanwhile.
///
/// # Errors
/// [`Error::Setting`] for a setting out of range; [`Error::Text`] if the text is too short for the batch or has a token
/// that the model does not; [`Error::PlateauWithoutValidation`]; [`Error::Diverged`] at the first loss or gradient that is
/// not finite; what an observer returns.
pub fn train(
    model: LanguageModel,
    text: &Tokens,
    validation: Option<&Tokens>,
    config: &TrainConfig,
    observer: &mut dyn Observer,
) -> Result<Trained, Error> {
    config.validate()?;
    if matches!(config.schedule, Schedule::Plateau { .. }) && validation.is_none() {
        return Err(Error::PlateauWithoutValidation);
    }
    model.device().seed(config.seed);
    let batches = BpttBatches::new(text, config.batch, config.bptt)?;
    let start = Start {
        parameters: model.num_params(),
        train_tokens: batches.tokens(),
        steps_per_epoch: batches.len(),
        steps: batches.len() * config.epochs,
        epochs: config.epochs,
    };
    observer.observe(Event::Start(&start))?;

    let mut best = model.valid();
    let mut history = History::default();
    let mut trainer = Trainer {
        model: model.train(),
        optimizer: config.optimizer.init(config.weight_decay),
        config,
        steps: start.steps,
        step: 0,
        divided: 1.0,
        meter: Meter::new(),
    };
    for epoch in 1..=config.epochs {
        let mut report = trainer.epoch(epoch, text, observer, &mut history)?;
        let model = trainer.model.valid();
        report.valid = validation.map(|text| validate(&model, text, config.bptt)).transpose()?;
        report.best = is_best(&report, &history);
        report.seconds = trainer.meter.seconds();
        if let (Schedule::Plateau { factor }, false) = (config.schedule, report.best) {
            trainer.divided /= factor;
        }
        emit(Event::Epoch(&report), observer, &mut history)?;
        if report.best {
            best = model;
            observer.observe(Event::Best(&best, &report))?;
        }
    }
    Ok(Trained { model: best, history })
}

/// Whether the epoch's validation loss is the lowest so far. Without validation the latest is the best.
fn is_best(report: &Epoch, history: &History) -> bool {
    match (&report.valid, history.best().and_then(|best| best.valid.as_ref())) {
        (Some(now), Some(best)) => now.loss < best.loss,
        _ => true,
    }
}

fn emit(event: Event<'_>, observer: &mut dyn Observer, history: &mut History) -> Result<(), Error> {
    history.observe(event)?;
    observer.observe(event)
}

/// What changes from step to step.
struct Trainer<'a> {
    model: LanguageModel,
    optimizer: ModuleOptimizer,
    config: &'a TrainConfig,
    steps: usize,
    /// Steps done.
    step: usize,
    /// What a plateau has divided the learning rate to.
    divided: f64,
    meter: Meter,
}

impl Trainer<'_> {
    /// Reads the text once.
    fn epoch(
        &mut self,
        epoch: usize,
        text: &Tokens,
        observer: &mut dyn Observer,
        history: &mut History,
    ) -> Result<Epoch, Error> {
        let batches = BpttBatches::new(text, self.config.batch, self.config.bptt)?;
        let last = batches.len();
        let mut state = None;
        self.meter.begin_epoch();
        for (n, batch) in batches.enumerate() {
            state = Some(self.step(&batch, state)?);
            observer.observe(Event::Step(self.step))?;
            if (n + 1) % self.config.log_every == 0 || n + 1 == last {
                let interval = self.meter.read(epoch, self.step, self.learning_rate(self.step - 1))?;
                emit(Event::Interval(&interval), observer, history)?;
            }
        }
        Ok(self.meter.epoch(epoch, self.step, self.learning_rate(self.step - 1)))
    }

    /// One step of the optimizer; returns the detached state.
    fn step(&mut self, batch: &BpttBatch, state: Option<State>) -> Result<State, Error> {
        let shape = [batch.rows, batch.steps];
        let inputs = self.model.tokens(&batch.inputs, shape)?;
        let targets = self.model.tokens(&batch.targets, shape)?;
        let (loss, state) = self.model.loss(inputs, targets, state);
        let gradients = GradientsParams::from_grads(loss.backward(), &self.model);
        let (gradients, norm) = clip_by_global_norm(&self.model, gradients, self.config.clip);
        let learning_rate = self.learning_rate(self.step);
        self.model = self.optimizer.step(learning_rate, self.model.clone(), gradients);
        self.step += 1;
        self.meter.add(loss.inner(), norm, batch.steps, batch.rows);
        Ok(state.detach())
    }

    /// The learning rate of a step, counted from 0.
    fn learning_rate(&self, step: usize) -> f64 {
        self.config.learning_rate * self.divided * self.config.schedule.factor(step, self.steps)
    }
}
