//! Checkpoints, from which interrupted training resumes. At any time at least one file is complete.

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

/// The folder of checkpoints, how often one is written and how many are retained.
///
/// A checkpoint has the parameters, the states of optimizer and schedule, the hidden state, the position in the text,
/// the metrics of all epochs and the best model so far: about four times the model's size with Adam. It is written to a
/// temporary file, synced and renamed; older ones are removed afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoints {
    folder: PathBuf,
    every: Every,
    keep: usize,
}

const PREFIX: &str = "step-";
const SUFFIX: &str = ".safetensors";

impl Checkpoints {
    /// In `folder`, every ten minutes, retaining the latest two.
    pub fn new(folder: impl AsRef<Path>) -> Self {
        Self { folder: folder.as_ref().into(), every: Every::Time(Duration::from_secs(600)), keep: 2 }
    }

    /// Sets how often a checkpoint is written. One is also written after each epoch and when training is interrupted.
    #[must_use]
    pub fn with_every(self, every: Every) -> Self {
        Self { every, ..self }
    }

    /// Sets how many checkpoints are retained, at least 1.
    #[must_use]
    pub fn with_keep(self, keep: usize) -> Self {
        Self { keep, ..self }
    }

    /// How often a checkpoint is written.
    pub fn every(&self) -> Every {
        self.every
    }

    /// The existing checkpoints, the latest last.
    ///
    /// # Errors
    /// [`LmError::Read`] if the folder exists and cannot be read.
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

    /// Removes all checkpoints, so that a new run does not resume from an old one.
    ///
    /// # Errors
    /// [`LmError::Read`], [`LmError::Write`].
    pub fn clear(&self) -> Result<(), LmError> {
        self.list()?.into_iter().try_for_each(remove)
    }

    /// Checks that at least one checkpoint is retained.
    ///
    /// # Errors
    /// [`LmError::Setting`].
    pub fn validate(&self) -> Result<(), LmError> {
        at_least_one("the number of checkpoints to keep", self.keep)
    }

    /// Creates the folder, and removes temporary files of a killed process and old checkpoints.
    pub(super) fn begin(&self, step: usize) -> Result<(), LmError> {
        files::make_dir(&self.folder)?;
        files::remove_leftovers(&self.folder);
        self.remove_old(step)
    }

    /// Writes a checkpoint, then removes older ones.
    pub(super) fn save(&self, snapshot: &Snapshot) -> Result<PathBuf, LmError> {
        let path = self.folder.join(format!("{PREFIX}{:09}{SUFFIX}", snapshot.progress.position.step));
        let bytes = snapshot.to_bytes().map_err(|reason| LmError::NotSaved { reason })?;
        files::replace(&path, &bytes)?;
        self.remove_old(snapshot.progress.position.step)?;
        Ok(path)
    }

    /// Removes all but the latest checkpoints up to a step. Later ones were not usable and do not count.
    fn remove_old(&self, step: usize) -> Result<(), LmError> {
        let mut all = self.steps()?;
        all.retain(|(at, _)| *at <= step);
        all.truncate(all.len().saturating_sub(self.keep));
        all.into_iter().try_for_each(|(_, path)| remove(path))
    }

    /// Reads a checkpoint and verifies its checksum.
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
