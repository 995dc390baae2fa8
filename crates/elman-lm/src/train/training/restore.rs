//! Between training on its way and a checkpoint.

use burn::{module::Module, tensor::TensorData};
use elman_recurrence::Sequence;

use super::Reader;
use crate::{
    error::LmError,
    model::LanguageModel,
    train::{
        Checkpoints, History, Resumed, TrainConfig,
        checkpoint::{Position, Progress, Run, Snapshot},
        meter::Meter,
        record,
        step::Stepper,
    },
};

impl Reader<'_> {
    /// Goes on from the latest checkpoint that can be used, and remembers what is wrong with those after it.
    ///
    /// # Errors
    /// That of the latest if none can be.
    pub(super) fn resume(&mut self) -> Result<(), LmError> {
        let Some((checkpoints, run)) = &self.checkpoints else { return Ok(()) };
        let (run, mut damaged) = (run.clone(), Vec::new());
        for path in checkpoints.list()?.into_iter().rev() {
            let restored = Checkpoints::read(&path).and_then(|snapshot| {
                let Progress { model, settings, text, position, .. } = &snapshot.progress;
                let was = Run { model: model.clone(), settings: settings.clone(), text: text.clone() };
                let (changed, step) = (run.changed_from(&was, &path)?, position.step);
                self.restore(snapshot).map_err(|reason| LmError::Checkpoint { path: path.clone(), reason })?;
                Ok((changed, step))
            });
            match restored {
                Ok((changed, step)) => {
                    let damaged = damaged.iter().map(LmError::to_string).collect();
                    self.start.resumed = Some(Resumed { checkpoint: path.clone(), step, changed, damaged });
                    self.saved = Some(path);
                    return Ok(());
                }
                Err(error @ LmError::Checkpoint { .. }) => damaged.push(error),
                Err(error) => return Err(error),
            }
        }
        match damaged.into_iter().next() {
            Some(LmError::Checkpoint { path, reason }) => {
                let reason = format!("{reason}; no older one can be used: train without resuming");
                Err(LmError::Checkpoint { path, reason })
            }
            _ => Ok(()),
        }
    }

    /// Takes all of a checkpoint over, or nothing.
    fn restore(&mut self, snapshot: Snapshot) -> Result<(), String> {
        let stepper = &self.stepper;
        let config = stepper.config;
        snapshot.progress.check(&self.start)?;
        let history = History { epochs: snapshot.progress.epochs.clone(), ..History::default() };
        if history.best().is_some() != snapshot.best.is_some() {
            return Err("its best model is not that of its best epoch".into());
        }
        let best = snapshot.best.as_ref().map(|best| record::unpack_module(best, self.best.clone())).transpose()?;
        let model = record::unpack_module(&snapshot.model, stepper.model().clone())?;
        let Progress { position, divided, ref meter, .. } = snapshot.progress;
        let optimizer = record::unpack_optimizer(
            &snapshot.optimizer,
            config.optimizer,
            config.weight_decay,
            &model,
            position.step,
        )?;
        if snapshot.state.is_empty() != (position.in_epoch == 0) || !fits(&snapshot.state, &model, config) {
            return Err("its hidden state is not the model's".into());
        }
        let state = snapshot.unpack_state(&model);
        let meter = Meter::from_record(meter.clone());
        self.stepper = Stepper { model: Some(model), optimizer, step: position.step, divided, meter, ..*stepper };
        (self.epoch, self.in_epoch, self.state, self.history) = (position.epoch, position.in_epoch, state, history);
        self.best = best.unwrap_or_else(|| self.best.clone());
        Ok(())
    }

    pub(super) fn snapshot(&self, run: &Run) -> Result<Snapshot, String> {
        let Self { epoch, in_epoch, stepper, .. } = self;
        let Run { model, settings, text } = run.clone();
        Ok(Snapshot {
            model: record::pack_module(stepper.model())?,
            optimizer: record::pack_optimizer(&stepper.optimizer)?,
            best: self.history.best().map(|_| record::pack_module(&self.best)).transpose()?,
            state: Snapshot::pack_state(self.state.as_ref()),
            progress: Progress {
                model,
                settings,
                text,
                position: Position { epoch: *epoch, in_epoch: *in_epoch, step: stepper.step },
                divided: stepper.divided,
                meter: stepper.meter.record(),
                epochs: self.history.epochs.clone(),
            },
        })
    }
}

/// Whether a hidden state, if there is one, is as the model leaves it after a step of so many columns.
fn fits(state: &[TensorData], model: &LanguageModel, config: &TrainConfig) -> bool {
    let model = model.valid();
    let Ok(tokens) = model.tokens(&vec![0; config.batch], [config.batch, 1]) else { return false };
    let like = model.hidden(tokens, Sequence::new()).state;
    let shapes = state.iter().map(|part| part.shape().to_vec());
    state.is_empty() || shapes.eq(like.parts().iter().map(|part| part.dims().to_vec()))
}
