use std::{
    io,
    path::{Path, PathBuf},
};

use burn::optim::ModuleOptimizer;
use elman_lm::train::{Optimizer, record};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{EncoderTrainConfig, step::Trainee};
use crate::{
    encoder::{EncoderConfig, replace},
    error::EmbeddingError,
};

/// What a checkpoint belongs to, and how far it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    pub model: EncoderConfig,
    pub settings: EncoderTrainConfig,
    /// Of the examples.
    pub examples: String,
    pub step: usize,
    pub seconds: f64,
}

/// Writes everything that training needs to go on, replacing the file at once. The random state is not in it: each step's seed
/// follows from the settings' and its number.
pub(super) fn save(
    path: &Path,
    progress: &Progress,
    trainee: &Trainee,
    optimizer: &ModuleOptimizer,
) -> Result<(), EmbeddingError> {
    let bytes = || {
        let (model, optimizer) = (record::pack_module(trainee)?, record::pack_optimizer(optimizer)?);
        let progress = serde_json::to_vec(progress).map_err(record::one_line)?;
        let sum = checksum([&progress, &model, &optimizer]);
        let blobs = [("progress", &progress), ("model", &model), ("optimizer", &optimizer), ("sha256", &sum)];
        let views = blobs.map(|(name, blob)| {
            (name, TensorView::new(Dtype::U8, vec![blob.len()], blob).expect("the bytes are those of the shape"))
        });
        safetensors::serialize(views, None).map_err(record::one_line)
    };
    let bytes = bytes().map_err(|reason| elman_lm::LmError::NotSaved { reason })?;
    replace(path, &bytes)
}

/// What [`save`] wrote, read and not yet used.
pub(super) struct Saved {
    pub progress: Progress,
    path: PathBuf,
    model: Vec<u8>,
    optimizer: Vec<u8>,
}

impl Saved {
    /// Reads a file, whose sum is right then; none if there is no file.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`].
    pub fn load(path: &Path) -> Result<Option<Self>, EmbeddingError> {
        let bytes = match elman_files::read(path, u64::MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(|source| elman_lm::LmError::Read { path: path.into(), source })?,
        };
        let parts = || {
            let file = SafeTensors::deserialize(&bytes).map_err(record::one_line)?;
            let blob = |name: &str| file.tensor(name).map(|view| view.data().to_vec()).map_err(record::one_line);
            let (progress, model, optimizer) = (blob("progress")?, blob("model")?, blob("optimizer")?);
            if blob("sha256")? != checksum([&progress, &model, &optimizer]) {
                return Err("it is damaged: its checksum differs".into());
            }
            let progress = serde_json::from_slice(&progress).map_err(record::one_line)?;
            Ok(Self { progress, path: path.into(), model, optimizer })
        };
        parts().map(Some).map_err(|reason| bad(path, reason))
    }

    /// What is trained and the optimizer, as they were, in a run of so many steps.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`].
    pub fn restore(&self, trainee: Trainee, steps: usize) -> Result<(Trainee, ModuleOptimizer), EmbeddingError> {
        let Progress { step, seconds, settings, .. } = &self.progress;
        let parts = || {
            if *step >= steps || !(seconds.is_finite() && *seconds >= 0.0) {
                return Err(format!("{step} of {steps} steps in {seconds} s is no place in this run"));
            }
            let trainee = record::unpack_module(&self.model, trainee)?;
            let decay = settings.weight_decay;
            let optimizer = record::unpack_optimizer(&self.optimizer, Optimizer::AdamW, decay, &trainee, *step)?;
            Ok((trainee, optimizer))
        };
        parts().map_err(|reason| bad(&self.path, reason))
    }
}

/// There is one checkpoint at a time, so none to go on from in its place.
fn bad(path: &Path, reason: String) -> EmbeddingError {
    elman_lm::LmError::Checkpoint { path: path.into(), reason: format!("{reason}; remove it to start over") }.into()
}

pub(super) fn checksum(blobs: [&Vec<u8>; 3]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for blob in blobs {
        hash.update((blob.len() as u64).to_le_bytes());
        hash.update(blob);
    }
    hash.finalize().to_vec()
}
