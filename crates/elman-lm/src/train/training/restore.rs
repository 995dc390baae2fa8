//! Converts between running training and a checkpoint.

use burn::{module::Module, tensor::TensorData};
use elman_recurrence::Sequence;

use super::TrainingLoop;
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

impl TrainingLoop<'_> {
    /// Resumes from the latest usable checkpoint, and records why later ones are not usable.
    ///
    /// # Errors
    /// The error of the latest checkpoint if none is usable.
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
                let reason = format!("{reason}; no older checkpoint is usable: train without resuming");
                Err(LmError::Checkpoint { path, reason })
            }
            _ => Ok(()),
        }
    }

    /// Restores a checkpoint. Changes nothing if it fails.
    fn restore(&mut self, snapshot: Snapshot) -> Result<(), String> {
        let stepper = &self.stepper;
        let config = stepper.config;
        snapshot.progress.check(&self.start)?;
        let history = History { epochs: snapshot.progress.epochs.clone(), ..History::default() };
        if history.best().is_some() != snapshot.best.is_some() {
            return Err("its best model and its best epoch disagree".into());
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
            return Err("its hidden state does not fit the model".into());
        }
        let state = snapshot.unpack_state(&model);
        let meter = Meter::from_record(meter.clone());
        let (step, lr_scale) = (position.step, divided);
        self.stepper = Stepper { model: Some(model), optimizer, step, lr_scale, meter, ..*stepper };
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
                divided: stepper.lr_scale,
                meter: stepper.meter.record(),
                epochs: self.history.epochs.clone(),
            },
        })
    }
}

/// Whether a hidden state, if there is one, has the shapes that the model returns for a batch.
fn fits(state: &[TensorData], model: &LanguageModel, config: &TrainConfig) -> bool {
    let model = model.valid();
    let Ok(tokens) = model.tokens(&vec![0; config.batch], [config.batch, 1]) else { return false };
    let expected = model.hidden(tokens, Sequence::new()).state;
    let shapes = state.iter().map(|part| part.shape().to_vec());
    state.is_empty() || shapes.eq(expected.parts().iter().map(|part| part.dims().to_vec()))
}
