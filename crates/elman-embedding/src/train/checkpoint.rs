use std::{fs, io, path::Path};

use burn::{
    module::Module,
    optim::{ModuleOptimizer, record::OptimizerRecord},
    store::ModuleRecord,
    tensor::Bytes,
};
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
        let model = trainee.clone().into_record().into_bytes().map_err(text)?.to_vec();
        let optimizer = optimizer.into_bytes().map_err(text)?.to_vec();
        let progress = serde_json::to_vec(progress).map_err(text)?;
        let sum = checksum([&progress, &model, &optimizer]);
        let blobs = [("progress", &progress), ("model", &model), ("optimizer", &optimizer), ("sha256", &sum)];
        let views = blobs.map(|(name, blob)| {
            (name, TensorView::new(Dtype::U8, vec![blob.len()], blob).expect("the bytes are those of the shape"))
        });
        safetensors::serialize(views, None).map_err(text)
    };
    let bytes = bytes().map_err(|reason| elman_lm::Error::NotSaved { reason })?;
    replace(path, &bytes)
}

/// Reads what [`save`] wrote; none if there is no file.
pub(super) fn load(
    path: &Path,
    trainee: Trainee,
    optimizer: ModuleOptimizer,
) -> Result<Option<(Progress, Trainee, ModuleOptimizer)>, EmbeddingError> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(|source| elman_lm::Error::Read { path: path.into(), source })?,
    };
    let parts = || {
        let file = SafeTensors::deserialize(&bytes).map_err(text)?;
        let blob = |name: &str| file.tensor(name).map(|view| view.data().to_vec()).map_err(text);
        let (progress, model, state) = (blob("progress")?, blob("model")?, blob("optimizer")?);
        if blob("sha256")? != checksum([&progress, &model, &state]) {
            return Err("it is damaged: its checksum differs".into());
        }
        let progress = serde_json::from_slice(&progress).map_err(text)?;
        let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(model)).map_err(text)?;
        let trainee = trainee.try_load_record(record).map_err(text)?;
        let state = OptimizerRecord::from_bytes(Bytes::from_bytes_vec(state)).map_err(text)?;
        Ok((progress, trainee, optimizer.load_record(state)))
    };
    let parts = parts().map_err(|reason| elman_lm::Error::Checkpoint { path: path.into(), reason })?;
    Ok(Some(parts))
}

fn checksum(blobs: [&Vec<u8>; 3]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for blob in blobs {
        hash.update((blob.len() as u64).to_le_bytes());
        hash.update(blob);
    }
    hash.finalize().to_vec()
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
