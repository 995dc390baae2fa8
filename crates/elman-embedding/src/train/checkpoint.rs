use std::{
    io,
    path::{Path, PathBuf},
};

use burn::optim::ModuleOptimizer;
use elman_lm::train::{Optimizer, record};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{EncoderTrainConfig, step::TrainingModel};
use crate::{
    encoder::{EncoderConfig, replace},
    error::EmbeddingError,
};

/// The run that a checkpoint belongs to, and its progress.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    pub model: EncoderConfig,
    pub settings: EncoderTrainConfig,
    /// Fingerprint of the examples.
    pub examples: String,
    pub step: usize,
    pub seconds: f64,
}

/// Writes everything that training needs to resume, replacing the file atomically. There is no random state: the seed
/// of each step is derived from the configured seed and the step number.
pub(super) fn save(
    path: &Path,
    progress: &Progress,
    model: &TrainingModel,
    optimizer: &ModuleOptimizer,
) -> Result<(), EmbeddingError> {
    let bytes = || {
        let (model, optimizer) = (record::pack_module(model)?, record::pack_optimizer(optimizer)?);
        let progress = serde_json::to_vec(progress).map_err(elman_files::one_line)?;
        let sum = checksum([&progress, &model, &optimizer]);
        let blobs = [("progress", &progress), ("model", &model), ("optimizer", &optimizer), ("sha256", &sum)];
        let views = blobs.map(|(name, blob)| {
            (name, TensorView::new(Dtype::U8, vec![blob.len()], blob).expect("the bytes match the shape"))
        });
        safetensors::serialize(views, None).map_err(elman_files::one_line)
    };
    let bytes = bytes().map_err(|reason| elman_lm::LmError::NotSaved { reason })?;
    replace(path, &bytes)
}

/// A checkpoint that was read but not yet restored.
pub(super) struct LoadedCheckpoint {
    pub progress: Progress,
    path: PathBuf,
    model: Vec<u8>,
    optimizer: Vec<u8>,
}

impl LoadedCheckpoint {
    /// Reads a checkpoint and verifies its checksum; `None` if there is no file.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`].
    pub fn load(path: &Path) -> Result<Option<Self>, EmbeddingError> {
        let bytes = match elman_files::read(path, u64::MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(|source| elman_lm::LmError::Read { path: path.into(), source })?,
        };
        let parts = || {
            let file = SafeTensors::deserialize(&bytes).map_err(elman_files::one_line)?;
            let blob = |name: &str| file.tensor(name).map(|view| view.data().to_vec()).map_err(elman_files::one_line);
            let (progress, model, optimizer) = (blob("progress")?, blob("model")?, blob("optimizer")?);
            if blob("sha256")? != checksum([&progress, &model, &optimizer]) {
                return Err("it is damaged: its checksum differs".into());
            }
            let progress = serde_json::from_slice(&progress).map_err(elman_files::one_line)?;
            Ok(Self { progress, path: path.into(), model, optimizer })
        };
        parts().map(Some).map_err(|reason| invalid(path, reason))
    }

    /// Restores the model and the optimizer, in a run of `steps` steps.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`].
    pub fn restore(
        &self,
        model: TrainingModel,
        steps: usize,
    ) -> Result<(TrainingModel, ModuleOptimizer), EmbeddingError> {
        let Progress { step, seconds, settings, .. } = &self.progress;
        let parts = || {
            if *step >= steps || !(seconds.is_finite() && *seconds >= 0.0) {
                return Err(format!("{step} of {steps} steps in {seconds} s is not a valid position in this run"));
            }
            let model = record::unpack_module(&self.model, model)?;
            let decay = settings.weight_decay;
            let optimizer = record::unpack_optimizer(&self.optimizer, Optimizer::AdamW, decay, &model, *step)?;
            Ok((model, optimizer))
        };
        parts().map_err(|reason| invalid(&self.path, reason))
    }
}

/// A run has one checkpoint, so without it training has to start over.
fn invalid(path: &Path, reason: String) -> EmbeddingError {
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
