use std::collections::HashMap;

use burn::tensor::{Tensor, TensorData};
use elman_recurrence::State;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    config::LanguageModelConfig,
    model::LanguageModel,
    train::{Epoch, Start, TrainConfig, meter::MeterRecord},
};

/// All that training needs in order to resume as if it had not been interrupted.
///
/// There is no random state: the seed of a step follows from the seed of the settings and the step number.
pub(in crate::train) struct Snapshot {
    pub progress: Progress,
    /// The parameters, with burn's ids, which the optimizer's state refers to.
    pub model: Vec<u8>,
    pub optimizer: Vec<u8>,
    /// The best model so far.
    pub best: Option<Vec<u8>>,
    /// The hidden state before the next step, each part `[layers, batch, width]`; none at the start of an epoch.
    pub state: Vec<TensorData>,
}

/// The progress of training.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::train) struct Progress {
    pub model: LanguageModelConfig,
    pub settings: TrainConfig,
    /// SHA-256 of the token ids of both texts.
    pub text: String,
    pub position: Position,
    /// The factor of the learning rate due to plateaus.
    pub divided: f64,
    pub meter: MeterRecord,
    pub epochs: Vec<Epoch>,
}

/// The position in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::train) struct Position {
    /// The current epoch, from 1.
    pub epoch: usize,
    /// Completed steps of the current epoch.
    pub in_epoch: usize,
    /// Completed steps of all epochs.
    pub step: usize,
}

impl Progress {
    /// Checks that the progress is possible in the run that `start` describes.
    pub fn check(&self, start: &Start) -> Result<(), String> {
        let Position { epoch, in_epoch, step } = self.position;
        let windows = start.steps_per_epoch;
        let expected = epoch.checked_sub(1).and_then(|n| n.checked_mul(windows)?.checked_add(in_epoch));
        if in_epoch > windows || expected != Some(step) {
            return Err(format!(
                "step {in_epoch} of epoch {epoch}, step {step} in total, is not a position in this text"
            ));
        }
        if !(self.divided > 0.0 && self.divided <= 1.0) {
            return Err(format!("invalid learning rate factor {}", self.divided));
        }
        self.meter.check(in_epoch, windows, start.settings.bptt, start.settings.batch)?;
        let good = |(n, epoch): (usize, &Epoch)| {
            let metrics = [epoch.train_loss, epoch.learning_rate, epoch.tokens_per_second, epoch.seconds];
            let valid = epoch.valid.as_ref().is_none_or(|valid| valid.loss.is_finite());
            (epoch.epoch, epoch.step) == (n, n * windows) && metrics.iter().all(|x| x.is_finite()) && valid
        };
        if self.epochs.len() != epoch - 1 || !(1..).zip(&self.epochs).all(good) {
            return Err(format!("its epochs are not those before epoch {epoch}"));
        }
        Ok(())
    }
}

const FORMAT: &str = "elman-checkpoint";
const VERSION: &str = "1";

impl Snapshot {
    pub fn pack_state(state: Option<&State>) -> Vec<TensorData> {
        let parts = state.map_or(&[][..], State::parts);
        parts.iter().map(|part| part.to_data().convert::<f32>()).collect()
    }

    /// The hidden state on the model's device.
    pub fn unpack_state(&self, model: &LanguageModel) -> Option<State> {
        let parts = self.state.iter().map(|part| Tensor::from_data(part.clone(), &model.device()));
        (!self.state.is_empty()).then(|| State::new(parts.collect()))
    }

    /// Serializes to a safetensors file with the format version and a checksum in its metadata.
    pub fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let mut progress = Vec::new();
        ciborium::into_writer(&self.progress, &mut progress).map_err(elman_files::one_line)?;
        let blobs = [("progress", Some(&progress)), ("model", Some(&self.model)), ("optimizer", Some(&self.optimizer))];
        let blobs = blobs.into_iter().chain([("best", self.best.as_ref())]);
        let mut tensors: Vec<(String, Dtype, Vec<usize>, &[u8])> = Vec::new();
        for (name, blob) in blobs {
            tensors.extend(blob.map(|blob| (name.into(), Dtype::U8, vec![blob.len()], &blob[..])));
        }
        for (n, part) in self.state.iter().enumerate() {
            tensors.push((format!("state.{n}"), Dtype::F32, part.shape().to_vec(), part.as_bytes()));
        }
        let metadata = HashMap::from([
            ("format".to_owned(), FORMAT.to_owned()),
            ("version".to_owned(), VERSION.to_owned()),
            ("sha256".to_owned(), checksum(tensors.iter().map(|(name, _, _, bytes)| (&name[..], *bytes)))),
        ]);
        let views = tensors.into_iter().map(|(name, dtype, shape, bytes)| {
            (name, TensorView::new(dtype, shape, bytes).expect("the bytes match the shape"))
        });
        safetensors::serialize(views, Some(metadata)).map_err(elman_files::one_line)
    }

    /// Parses the bytes of [`to_bytes`](Self::to_bytes).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(elman_files::one_line)?;
        let metadata = |key: &str| header.metadata().as_ref().and_then(|map| map.get(key)).map_or("", String::as_str);
        if metadata("format") != FORMAT {
            return Err("it is not an elman checkpoint".into());
        }
        if metadata("version") != VERSION {
            return Err(format!("it has version {}, and this program supports {VERSION}", metadata("version")));
        }
        let file = SafeTensors::deserialize(bytes).map_err(elman_files::one_line)?;
        let sum = checksum(file.iter().map(|(name, view)| (name, view.data())));
        // fuzzing ignores the checksum in order to reach the code below
        if sum != metadata("sha256") && !cfg!(fuzzing) {
            return Err("it is damaged: its checksum differs".into());
        }
        let blob = |name: &str| file.tensor(name).ok().map(|view| view.data());
        let needed = |name: &str| blob(name).ok_or_else(|| format!("it has no '{name}'"));
        let mut state = Vec::new();
        while let Ok(part) = file.tensor(&format!("state.{}", state.len())) {
            let values: Vec<f32> = part.data().as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x)).collect();
            let good = part.dtype() == Dtype::F32 && part.shape().len() == 3 && values.iter().all(|x| x.is_finite());
            if !good {
                let n = state.len();
                return Err(format!("its state.{n} is not a tensor [layers, batch, width] of finite values"));
            }
            state.push(TensorData::new(values, part.shape().to_vec()));
        }
        Ok(Self {
            progress: ciborium::from_reader(needed("progress")?).map_err(elman_files::one_line)?,
            model: needed("model")?.into(),
            optimizer: needed("optimizer")?.into(),
            best: blob("best").map(<[u8]>::to_vec),
            state,
        })
    }
}

/// SHA-256 over names, lengths and bytes, sorted by name, in hexadecimal.
fn checksum<'a>(tensors: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut tensors: Vec<_> = tensors.collect();
    tensors.sort_unstable();
    let mut hash = Sha256::new();
    for (name, bytes) in tensors {
        hash.update(name);
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    crate::files::hexadecimal(&hash.finalize())
}
