//! A classifier is one safetensors file, so that it is replaced atomically: `weight` `[outputs, width]` and `bias`
//! `[outputs]`, both f32, and everything else as JSON in the header's metadata.

use std::{collections::HashMap, path::Path};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{classifier::Classifier, error::ClassifyError, objective::num_outputs};

/// The key of the metadata.
const METADATA_KEY: &str = "elman-classifier";
const VERSION: u64 = 1;

#[derive(Serialize, Deserialize)]
struct ClassifierMetadata {
    version: u64,
    labels: Vec<String>,
    model: Value,
}

/// The field that every version has.
#[derive(Deserialize)]
struct Version {
    version: u64,
}

impl Classifier {
    /// Writes the classifier to one file, replacing it atomically.
    ///
    /// # Errors
    /// [`ClassifyError::Write`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ClassifyError> {
        let path = path.as_ref();
        let metadata = ClassifierMetadata { version: VERSION, labels: self.labels.clone(), model: self.model.clone() };
        let json = serde_json::to_string(&metadata).expect("labels and the model's identity are valid JSON");
        let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let (weights, biases) = (bytes(&self.weights), bytes(&self.biases));
        let rows = self.biases.len();
        let view = |shape, data| TensorView::new(Dtype::F32, shape, data).expect("the data has the shape");
        let tensors = [("weight", view(vec![rows, self.width], &weights)), ("bias", view(vec![rows], &biases))];
        let metadata = HashMap::from([(METADATA_KEY.to_owned(), json)]);
        let file = safetensors::serialize(tensors, Some(metadata)).expect("two tensors and a string serialize");
        elman_files::replace(path, file).map_err(|source| ClassifyError::Write { path: path.into(), source })
    }

    /// Loads a classifier that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// [`ClassifyError::Read`], [`ClassifyError::NotAClassifier`] for a damaged file or one of another kind,
    /// [`ClassifyError::Version`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ClassifyError> {
        let path = path.as_ref();
        let file =
            elman_files::read(path, u64::MAX).map_err(|source| ClassifyError::Read { path: path.into(), source })?;
        // a parser's error may quote the file
        let invalid =
            |reason: String| ClassifyError::NotAClassifier { path: path.into(), reason: elman_files::one_line(reason) };
        let metadata = SafeTensors::read_metadata(&file).map_err(|error| invalid(error.to_string()))?.1;
        let json = metadata.metadata().as_ref().and_then(|metadata| metadata.get(METADATA_KEY));
        let json = json.ok_or_else(|| invalid(format!("its header has no {METADATA_KEY}")))?;
        let Version { version } = serde_json::from_str(json).map_err(|error| invalid(error.to_string()))?;
        if version > VERSION {
            return Err(ClassifyError::Version { path: path.into(), found: version, supported: VERSION });
        }
        let ClassifierMetadata { labels, model, .. } =
            serde_json::from_str(json).map_err(|error| invalid(error.to_string()))?;
        // classes are indices into the sorted labels
        if labels.len() < 2 || !labels.is_sorted_by(|a, b| a < b) || labels[0].is_empty() {
            return Err(invalid("it must have two or more labels in alphabetical order".into()));
        }
        let tensors = SafeTensors::deserialize(&file).map_err(|error| invalid(error.to_string()))?;
        let (weights, shape) = read_f32(&tensors, "weight").map_err(invalid)?;
        let rows = num_outputs(labels.len());
        let &[found, width] = shape.as_slice() else {
            return Err(invalid(format!("its weight has {} dimensions, not 2", shape.len())));
        };
        if found != rows {
            return Err(invalid(format!("its weight has {found} rows, but {} labels need {rows}", labels.len())));
        }
        let (biases, shape) = read_f32(&tensors, "bias").map_err(invalid)?;
        if shape != [rows] {
            return Err(invalid(format!("its bias has the shape {shape:?}, not [{rows}]")));
        }
        Ok(Self { labels, width, weights, biases, model })
    }
}

/// A tensor's values and shape.
fn read_f32(tensors: &SafeTensors, name: &str) -> Result<(Vec<f32>, Vec<usize>), String> {
    let tensor = tensors.tensor(name).map_err(|_| format!("it has no {name}"))?;
    if tensor.dtype() != Dtype::F32 {
        return Err(format!("its {name} is {:?}, not F32", tensor.dtype()));
    }
    let value = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().expect("chunks of 4"));
    let values: Vec<f32> = tensor.data().chunks_exact(size_of::<f32>()).map(value).collect();
    match values.iter().all(|value| value.is_finite()) {
        true => Ok((values, tensor.shape().to_vec())),
        false => Err(format!("its {name} has values that are not finite")),
    }
}
