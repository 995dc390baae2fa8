//! One file, in the safetensors format: `weight` `[outputs, width]` and `bias` `[outputs]`, both float32, and the rest
//! as JSON in the header's metadata, so that it is replaced whole or not at all.

use std::{collections::HashMap, path::Path};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{classifier::Classifier, error::ClassifyError, objective::outputs};

/// The key of the metadata.
const KEY: &str = "elman-classifier";
const VERSION: u64 = 1;

#[derive(Serialize, Deserialize)]
struct Description {
    version: u64,
    labels: Vec<String>,
    model: Value,
}

/// The part that every version has.
#[derive(Deserialize)]
struct Version {
    version: u64,
}

impl Classifier {
    /// Writes the classifier into one file, replacing it at once or not at all.
    ///
    /// # Errors
    /// [`ClassifyError::Write`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ClassifyError> {
        let path = path.as_ref();
        let description = Description { version: VERSION, labels: self.labels.clone(), model: self.model.clone() };
        let json = serde_json::to_string(&description).expect("labels and a model's identity are valid JSON");
        let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let (weights, biases) = (bytes(&self.weights), bytes(&self.biases));
        let rows = self.biases.len();
        let view = |shape, data| TensorView::new(Dtype::F32, shape, data).expect("the data have the shape");
        let tensors = [("weight", view(vec![rows, self.width], &weights)), ("bias", view(vec![rows], &biases))];
        let metadata = HashMap::from([(KEY.to_owned(), json)]);
        let file = safetensors::serialize(tensors, Some(metadata)).expect("two tensors and a text");
        elman_files::replace(path, file).map_err(|source| ClassifyError::Write { path: path.into(), source })
    }

    /// Reads a classifier that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// [`ClassifyError::Read`], [`ClassifyError::NotAClassifier`] for another file or a damaged one,
    /// [`ClassifyError::Version`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ClassifyError> {
        let path = path.as_ref();
        let file =
            elman_files::read(path, u64::MAX).map_err(|source| ClassifyError::Read { path: path.into(), source })?;
        let not = |reason: String| ClassifyError::NotAClassifier { path: path.into(), reason };
        let metadata = SafeTensors::read_metadata(&file).map_err(|error| not(error.to_string()))?.1;
        let json = metadata.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
        let json = json.ok_or_else(|| not(format!("its header has no {KEY}")))?;
        let Version { version } = serde_json::from_str(json).map_err(|error| not(error.to_string()))?;
        if version > VERSION {
            return Err(ClassifyError::Version { path: path.into(), found: version, supported: VERSION });
        }
        let Description { labels, model, .. } = serde_json::from_str(json).map_err(|error| not(error.to_string()))?;
        // `class` and `Examples` rely on it
        if labels.len() < 2 || !labels.is_sorted_by(|a, b| a < b) || labels[0].is_empty() {
            return Err(not("its labels are not two or more in alphabetical order".into()));
        }
        let tensors = SafeTensors::deserialize(&file).map_err(|error| not(error.to_string()))?;
        let (weights, shape) = floats(&tensors, "weight").map_err(not)?;
        let rows = outputs(labels.len());
        let &[found, width] = shape.as_slice() else {
            return Err(not(format!("its weight has {} axes, not 2", shape.len())));
        };
        if found != rows {
            return Err(not(format!("its weight has {found} rows, and {} labels need {rows}", labels.len())));
        }
        let (biases, shape) = floats(&tensors, "bias").map_err(not)?;
        if shape != [rows] {
            return Err(not(format!("its bias has the shape {shape:?}, not [{rows}]")));
        }
        Ok(Self { labels, width, weights, biases, model })
    }
}

/// A tensor's values and shape.
fn floats(tensors: &SafeTensors, name: &str) -> Result<(Vec<f32>, Vec<usize>), String> {
    let tensor = tensors.tensor(name).map_err(|_| format!("it has no {name}"))?;
    if tensor.dtype() != Dtype::F32 {
        return Err(format!("its {name} is {:?}, not F32", tensor.dtype()));
    }
    let value = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().expect("chunks of 4"));
    let values: Vec<f32> = tensor.data().chunks_exact(size_of::<f32>()).map(value).collect();
    match values.iter().all(|value| value.is_finite()) {
        true => Ok((values, tensor.shape().to_vec())),
        false => Err(format!("its {name} has numbers that are not finite")),
    }
}
