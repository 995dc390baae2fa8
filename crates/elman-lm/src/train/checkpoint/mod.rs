//! Checkpoints: what is needed to go on after an interruption, in files of which one is always whole.

mod every;
#[cfg(test)]
mod mutants;
mod resume;
mod snapshot;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{error::LmError, files, setting::at_least_one};

pub use every::Every;
pub(super) use resume::Run;
pub use resume::{Changed, Resumed};
pub(super) use snapshot::{Position, Progress, Snapshot};

/// Where checkpoints are kept, how often one is written and how many stay.
///
/// A checkpoint holds the parameters, the optimizer's state, the schedule's, the hidden state, the position in the
/// text, the epochs' figures and the best model so far: some four times the model's size with Adam. It is written
/// beside the others, synced and renamed; older ones are removed after that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoints {
    folder: PathBuf,
    every: Every,
    keep: usize,
}

const PREFIX: &str = "step-";
const SUFFIX: &str = ".safetensors";

impl Checkpoints {
    /// In `folder`, every ten minutes, the latest two.
    pub fn new(folder: impl AsRef<Path>) -> Self {
        Self { folder: folder.as_ref().into(), every: Every::Time(Duration::from_secs(600)), keep: 2 }
    }

    /// Sets how often one is written. One is written after each epoch too, and when training is interrupted.
    #[must_use]
    pub fn with_every(self, every: Every) -> Self {
        Self { every, ..self }
    }

    /// Sets how many stay, at least 1.
    #[must_use]
    pub fn with_keep(self, keep: usize) -> Self {
        Self { keep, ..self }
    }

    /// How often one is written.
    pub fn every(&self) -> Every {
        self.every
    }

    /// The checkpoints that are there, the latest last.
    ///
    /// # Errors
    /// [`LmError::Read`] where the folder is there and cannot be read.
    pub fn list(&self) -> Result<Vec<PathBuf>, LmError> {
        Ok(self.steps()?.into_iter().map(|(_, path)| path).collect())
    }

    fn steps(&self) -> Result<Vec<(usize, PathBuf)>, LmError> {
        let read = |source| LmError::Read { path: self.folder.clone(), source };
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(read)?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry.map_err(read)?.file_name();
            let step = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok());
            found.extend(step.map(|step: usize| (step, self.folder.join(name))));
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Removes all checkpoints: a run that begins anew must not be continued from another's.
    ///
    /// # Errors
    /// [`LmError::Read`], [`LmError::Write`].
    pub fn clear(&self) -> Result<(), LmError> {
        self.list()?.into_iter().try_for_each(remove)
    }

    /// Checks that at least one stays.
    ///
    /// # Errors
    /// [`LmError::Setting`].
    pub fn validate(&self) -> Result<(), LmError> {
        at_least_one("the number of checkpoints to keep", self.keep)
    }

    /// Makes the folder, and clears it of what a process that was killed has left.
    pub(super) fn begin(&self, step: usize) -> Result<(), LmError> {
        files::make_dir(&self.folder)?;
        files::remove_leftovers(&self.folder);
        self.remove_old(step)
    }

    /// Writes a checkpoint; older ones are removed when it is whole.
    pub(super) fn save(&self, snapshot: &Snapshot) -> Result<PathBuf, LmError> {
        let path = self.folder.join(format!("{PREFIX}{:09}{SUFFIX}", snapshot.progress.position.step));
        let bytes = snapshot.to_bytes().map_err(|reason| LmError::NotSaved { reason })?;
        files::replace(&path, &bytes)?;
        self.remove_old(snapshot.progress.position.step)?;
        Ok(path)
    }

    /// Removes all but the latest up to a step. Those after it, which could not be used, count for nothing.
    fn remove_old(&self, step: usize) -> Result<(), LmError> {
        let mut all = self.steps()?;
        all.retain(|(at, _)| *at <= step);
        all.truncate(all.len().saturating_sub(self.keep));
        all.into_iter().try_for_each(|(_, path)| remove(path))
    }

    /// Reads a checkpoint, whose sum is right then.
    ///
    /// # Errors
    /// [`LmError::Read`], [`LmError::Checkpoint`].
    pub(super) fn read(path: &Path) -> Result<Snapshot, LmError> {
        let bytes = elman_files::read(path, u64::MAX).map_err(|source| LmError::Read { path: path.into(), source })?;
        Snapshot::from_bytes(&bytes).map_err(|reason| LmError::Checkpoint { path: path.into(), reason })
    }
}

fn remove(path: PathBuf) -> Result<(), LmError> {
    fs::remove_file(&path).map_err(|source| LmError::Write { path, source })
}
