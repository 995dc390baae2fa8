use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use burn::module::Module;
use elman_recurrence::State;
use elman_text::{BpttBatches, Tokens};

use super::{
    Checkpoints, Epoch, Event, Every, History, Observer, Schedule, Start, TrainConfig, checkpoint::Run,
    clip::is_finite, meter::Meter, step::Stepper,
};
use crate::{
    error::LmError,
    evaluate::{Evaluation, validate},
    model::LanguageModel,
    size,
};

mod restore;

/// What training returns.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The model with the lowest validation loss, or the last one without a validation text. In inference mode.
    pub model: LanguageModel,
    /// The metrics of all epochs.
    pub history: History,
}

/// Trains a model on a text by truncated backpropagation through time.
///
/// The text is split into `batch` columns, and each optimizer step reads the next `bptt` tokens of all columns. The
/// state is carried from step to step and detached, so gradients end at the first token of a step. It is zero at the
/// start of each epoch. After each epoch the model is validated (see [`evaluate`](crate::evaluate())); the best one is
/// returned.
///
/// With [checkpoints](Self::with_checkpoints), interrupted training can resume. On a CPU device the result depends only
/// on the arguments, whether training was interrupted or not, unless something else in the process draws random numbers
/// from the device meanwhile.
///
/// ```
/// use burn::tensor::Device;
/// use elman_lm::{LanguageModelConfig, TrainConfig, train::{Checkpoints, Every, Training}};
/// use elman_text::Tokens;
///
/// # let folder = tempfile::tempdir()?;
/// let text = Tokens::from_ids(&[0, 1, 2, 3].repeat(50), 200, 200);
/// let config = LanguageModelConfig { d_embed: 4, d_hidden: 8, ..LanguageModelConfig::new(4) };
/// let settings = TrainConfig { batch: 2, ..TrainConfig::default() };
/// let checkpoints = Checkpoints::new(folder.path()).with_every(Every::Steps(2));
///
/// let device = Device::flex();
/// let training = Training::new(config.init(&device)?, &text, &settings).with_validation(&text);
/// training.with_checkpoints(checkpoints.clone()).run(&mut ())?;
///
/// // with one more epoch, training resumes from the last checkpoint
/// let settings = TrainConfig { epochs: 3, ..settings };
/// let training = Training::new(config.init(&device)?, &text, &settings).with_validation(&text);
/// let trained = training.with_checkpoints(checkpoints).resuming().run(&mut ())?;
/// assert_eq!(trained.history.epochs.len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Training<'a> {
    model: LanguageModel,
    text: &'a Tokens,
    validation: Option<&'a Tokens>,
    config: &'a TrainConfig,
    checkpoints: Option<Checkpoints>,
    resume: bool,
    interrupt: Option<&'a AtomicBool>,
}

impl<'a> Training<'a> {
    /// Training of `model` on `text`.
    pub fn new(model: LanguageModel, text: &'a Tokens, config: &'a TrainConfig) -> Self {
        Self { model, text, validation: None, config, checkpoints: None, resume: false, interrupt: None }
    }

    /// Validates on a text after each epoch.
    #[must_use]
    pub fn with_validation(self, text: &'a Tokens) -> Self {
        Self { validation: Some(text), ..self }
    }

    /// Writes checkpoints.
    #[must_use]
    pub fn with_checkpoints(self, checkpoints: Checkpoints) -> Self {
        Self { checkpoints: Some(checkpoints), ..self }
    }

    /// Resumes from the latest checkpoint, or starts from the beginning if there is none.
    #[must_use]
    pub fn resuming(self) -> Self {
        Self { resume: true, ..self }
    }

    /// Stops after the step during which the flag is set, and writes a checkpoint if checkpoints are enabled.
    #[must_use]
    pub fn with_interrupt(self, flag: &'a AtomicBool) -> Self {
        Self { interrupt: Some(flag), ..self }
    }

    /// Trains.
    ///
    /// # Errors
    /// - [`LmError::Setting`] for a setting out of range.
    /// - [`LmError::Text`] if the text is too short for the batch or has a token that the model does not know.
    /// - [`LmError::TooLarge`], [`LmError::PlateauWithoutValidation`].
    /// - [`LmError::Checkpoint`], [`LmError::OtherRun`] for a checkpoint that training cannot resume from.
    /// - [`LmError::Interrupted`] if the flag was set.
    /// - [`LmError::Diverged`] at the first loss or gradient that is not finite.
    /// - Errors of observers and of writing checkpoints.
    ///
    /// If checkpoints are enabled, errors during training are wrapped in [`LmError::Stopped`], which names the last
    /// good checkpoint.
    pub fn run(self, observer: &mut dyn Observer) -> Result<Trained, LmError> {
        self.config.validate()?;
        self.checkpoints.as_ref().map_or(Ok(()), Checkpoints::validate)?;
        if matches!(self.config.schedule, Schedule::Plateau { .. }) && self.validation.is_none() {
            return Err(LmError::PlateauWithoutValidation);
        }
        let batches = BpttBatches::new(self.text, self.config.batch, self.config.bptt)?;
        size::check(&self.model, self.config.batch, self.config.bptt.min(batches.tokens() / self.config.batch))?;
        let start = Start {
            model: self.model.config().clone(),
            settings: self.config.clone(),
            parameters: self.model.num_params(),
            train_tokens: batches.tokens(),
            steps_per_epoch: batches.len(),
            steps: batches.len() * self.config.epochs,
            epochs: self.config.epochs,
            resumed: None,
        };
        let mut run = TrainingLoop::new(self, start)?;
        match run.run(observer) {
            Ok(()) => Ok(Trained { model: run.best, history: run.history }),
            Err(error @ LmError::Interrupted { .. }) => Err(error),
            Err(error) if run.checkpoints.is_none() => Err(error),
            Err(error) => Err(LmError::Stopped { checkpoint: run.saved, source: error.into() }),
        }
    }
}

/// The state of running training.
struct TrainingLoop<'a> {
    text: &'a Tokens,
    validation: Option<&'a Tokens>,
    interrupt: Option<&'a AtomicBool>,
    checkpoints: Option<(Checkpoints, Run)>,
    start: Start,
    stepper: Stepper<'a>,
    /// The current epoch, from 1.
    epoch: usize,
    /// Completed steps of the current epoch.
    in_epoch: usize,
    /// The hidden state before the next step.
    state: Option<State>,
    best: LanguageModel,
    history: History,
    /// The latest checkpoint and when it was written.
    saved: Option<PathBuf>,
    saved_at: Instant,
}

impl<'a> TrainingLoop<'a> {
    /// At the start of the text, or at the position of a checkpoint.
    fn new(training: Training<'a>, start: Start) -> Result<Self, LmError> {
        let Training { model, text, validation, config, checkpoints, resume, interrupt } = training;
        let stepper = Stepper {
            optimizer: config.optimizer.init(config.weight_decay),
            config,
            steps: start.steps,
            step: 0,
            lr_scale: 1.0,
            meter: Meter::new(),
            model: Some(model.train()),
        };
        let run = |checkpoints| (checkpoints, Run::new(stepper.model().config(), config, [Some(text), validation]));
        let mut this = Self {
            text,
            validation,
            interrupt,
            checkpoints: checkpoints.map(run),
            start,
            best: stepper.model().valid(),
            stepper,
            epoch: 1,
            in_epoch: 0,
            state: None,
            history: History::default(),
            saved: None,
            saved_at: Instant::now(),
        };
        if resume {
            this.resume()?;
        }
        Ok(this)
    }

    fn run(&mut self, observer: &mut dyn Observer) -> Result<(), LmError> {
        self.checkpoints.as_ref().map_or(Ok(()), |(checkpoints, _)| checkpoints.begin(self.stepper.step))?;
        observer.observe(Event::Start(&self.start))?;
        if let Some(epoch) = self.history.best() {
            observer.observe(Event::Best(&self.best, epoch))?;
        }
        while self.epoch <= self.start.epochs {
            self.run_epoch(observer)?;
            self.end_epoch(observer)?;
        }
        Ok(())
    }

    /// Trains on the rest of the epoch.
    fn run_epoch(&mut self, observer: &mut dyn Observer) -> Result<(), LmError> {
        let batches = BpttBatches::new(self.text, self.stepper.config.batch, self.stepper.config.bptt)?;
        let last = batches.len();
        if self.in_epoch == 0 {
            self.stepper.meter.begin_epoch();
        }
        for batch in batches.skip(self.in_epoch) {
            self.state = Some(self.stepper.step(&batch, self.state.take())?);
            self.in_epoch += 1;
            let step = self.stepper.step;
            observer.observe(Event::Step(step))?;
            if self.in_epoch.is_multiple_of(self.stepper.config.log_every) || self.in_epoch == last {
                let rate = self.stepper.last_learning_rate();
                let interval = self.stepper.meter.interval(self.epoch, step, rate)?;
                emit(Event::Interval(&interval), observer, &mut self.history)?;
            }
            if self.interrupted() {
                return self.save_and_stop(observer);
            }
            if self.in_epoch < last {
                self.save_if(Self::is_due, observer)?;
            }
        }
        Ok(())
    }

    /// Validates, reports the epoch and moves on to the next.
    fn end_epoch(&mut self, observer: &mut dyn Observer) -> Result<(), LmError> {
        let stepper = &self.stepper;
        let mut report = stepper.meter.epoch(self.epoch, stepper.step, stepper.last_learning_rate());
        let model = stepper.model().valid();
        match self.validate(&model)? {
            None if self.interrupted() => return self.save_and_stop(observer),
            valid => report.valid = valid,
        }
        report.best = is_best(&report, &self.history);
        if report.best && !is_finite(&model) {
            return Err(LmError::NotFinite);
        }
        report.seconds = self.stepper.meter.seconds();
        if let (Schedule::Plateau { factor }, false) = (self.stepper.config.schedule, report.best) {
            self.stepper.lr_scale /= factor;
        }
        emit(Event::Epoch(&report, &model), observer, &mut self.history)?;
        (self.epoch, self.in_epoch, self.state) = (self.epoch + 1, 0, None);
        if report.best {
            self.best = model;
        }
        // checkpoint first, then publish the best model, so that every published model can be resumed
        self.save_if(|_, _| true, observer)?;
        if report.best {
            observer.observe(Event::Best(&self.best, &report))?;
        }
        if self.interrupted() && self.epoch <= self.start.epochs {
            return Err(self.interruption());
        }
        Ok(())
    }

    /// Evaluates the validation text. `None` without one, or if interrupted.
    fn validate(&self, model: &LanguageModel) -> Result<Option<Evaluation>, LmError> {
        let Some(text) = self.validation else { return Ok(None) };
        validate(model, text, self.stepper.config.bptt, || !self.interrupted())
    }

    fn interrupted(&self) -> bool {
        self.interrupt.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Writes a checkpoint if checkpoints are enabled, and returns [`LmError::Interrupted`].
    fn save_and_stop(&mut self, observer: &mut dyn Observer) -> Result<(), LmError> {
        self.save_if(|_, _| true, observer)?;
        Err(self.interruption())
    }

    fn interruption(&self) -> LmError {
        LmError::Interrupted { step: self.stepper.step, checkpoint: self.saved.clone() }
    }

    fn is_due(&self, every: Every) -> bool {
        match every {
            Every::Steps(steps) => self.stepper.step.is_multiple_of(steps),
            Every::Time(time) => self.saved_at.elapsed() >= time,
        }
    }

    /// Writes a checkpoint if checkpoints are enabled and one is due.
    fn save_if(&mut self, due: impl Fn(&Self, Every) -> bool, observer: &mut dyn Observer) -> Result<(), LmError> {
        let Some((checkpoints, run)) = &self.checkpoints else { return Ok(()) };
        if !due(self, checkpoints.every()) {
            return Ok(());
        }
        // a diverged model must not replace a good checkpoint
        self.stepper.meter.read_pending(self.stepper.step)?;
        if !is_finite(self.stepper.model()) {
            return Err(LmError::NotFinite);
        }
        let snapshot = self.snapshot(run).map_err(|reason| LmError::NotSaved { reason })?;
        let path = checkpoints.save(&snapshot)?;
        self.saved_at = Instant::now();
        observer.observe(Event::Checkpoint(&path, self.stepper.step))?;
        self.saved = Some(path);
        Ok(())
    }
}

/// Whether the epoch's validation loss is the lowest so far. Without validation the latest epoch is the best.
fn is_best(report: &Epoch, history: &History) -> bool {
    match (&report.valid, history.best().and_then(|best| best.valid.as_ref())) {
        (Some(now), Some(best)) => now.loss < best.loss,
        _ => true,
    }
}

fn emit(event: Event<'_>, observer: &mut dyn Observer, history: &mut History) -> Result<(), LmError> {
    history.observe(event)?;
    observer.observe(event)
}
