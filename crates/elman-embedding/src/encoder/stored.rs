//! The file format of an encoder's weights.

use std::{fmt, path::Path, str::FromStr};

use elman_recurrence::StateDict;
use half::f16;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::model::EncoderModel;
use crate::error::EmbeddingError;

/// The dtype of stored weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoredDtype {
    /// 32 bits, as trained.
    #[default]
    F32,
    /// IEEE half precision: half the size.
    F16,
    /// Matrices quantized to 8 bits, `w ≈ scale · q`, with one scale per row, stored as `NAME.scale`; other tensors
    /// stay f32. About a quarter of the size.
    Int8,
}

impl StoredDtype {
    const ALL: [(Self, &'static str); 3] = [(Self::F32, "f32"), (Self::F16, "f16"), (Self::Int8, "int8")];
}

impl fmt::Display for StoredDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(Self::ALL.iter().find(|(dtype, _)| dtype == self).map_or("", |(_, name)| name))
    }
}

impl FromStr for StoredDtype {
    type Err = EmbeddingError;

    fn from_str(text: &str) -> Result<Self, EmbeddingError> {
        let dtype = Self::ALL.iter().find(|(_, name)| *name == text).map(|(dtype, _)| *dtype);
        dtype.ok_or_else(|| EmbeddingError::Setting {
            name: "the weight dtype",
            expected: "f32, f16 or int8".into(),
            found: format!("'{text}'"),
        })
    }
}

const SCALE: &str = ".scale";
/// The largest quantized magnitude.
const MAX_QUANTIZED: f32 = 127.0;

/// A tensor in a file.
struct StoredTensor {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl StoredTensor {
    fn f32(name: impl Into<String>, shape: Vec<usize>, values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        Self { name: name.into(), dtype: Dtype::F32, shape, bytes }
    }
}

/// Serializes the weights as a `.safetensors` file with PyTorch's tensor names.
pub(super) fn store(model: &EncoderModel, dtype: StoredDtype) -> Result<Vec<u8>, EmbeddingError> {
    let weights = StateDict::from_module(model);
    let mut all = Vec::new();
    for (name, shape) in weights.shapes() {
        let data = weights.data(name).map_err(elman_lm::LmError::from)?.expect("shapes() returns existing names");
        let (values, shape) = (data.iter::<f32>().collect::<Vec<f32>>(), shape.to_vec());
        match (dtype, shape.as_slice()) {
            (StoredDtype::F32, _) | (StoredDtype::Int8, [] | [_]) => all.push(StoredTensor::f32(name, shape, &values)),
            (StoredDtype::F16, _) => {
                if !values.iter().all(|x| f16::from_f32(*x).is_finite()) {
                    return Err(EmbeddingError::Setting {
                        name: "the weight dtype",
                        expected: format!("f32 or int8, since values of {name} exceed the range of f16"),
                        found: "f16".into(),
                    });
                }
                let bytes = values.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect();
                all.push(StoredTensor { name: name.into(), dtype: Dtype::F16, shape, bytes });
            }
            (StoredDtype::Int8, _) => {
                let width = shape[shape.len() - 1].max(1);
                let (bytes, scales): (Vec<Vec<u8>>, Vec<f32>) = values.chunks_exact(width).map(quantize_row).unzip();
                all.push(StoredTensor::f32(format!("{name}{SCALE}"), vec![scales.len()], &scales));
                all.push(StoredTensor { name: name.into(), dtype: Dtype::I8, shape, bytes: bytes.concat() });
            }
        }
    }
    Ok(serialize(&all))
}

/// The values `q` of a row and its scale.
fn quantize_row(row: &[f32]) -> (Vec<u8>, f32) {
    let scale = row.iter().fold(0.0f32, |max, x| max.max(x.abs())) / MAX_QUANTIZED;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    (row.iter().map(|x| (x * inverse).round() as i8 as u8).collect(), scale)
}

fn serialize(all: &[StoredTensor]) -> Vec<u8> {
    let views = all.iter().map(|t| {
        let view = TensorView::new(t.dtype, t.shape.clone(), &t.bytes).expect("the bytes match the shape");
        (t.name.as_str(), view)
    });
    safetensors::serialize(views, None).expect("names and shapes are valid JSON")
}

/// Reads weights that [`store`] wrote, dequantizing int8 tensors.
pub(super) fn read(bytes: &[u8], path: &Path) -> Result<StateDict, EmbeddingError> {
    let invalid = |reason: String| EmbeddingError::Weights { path: path.into(), reason };
    let file = SafeTensors::deserialize(bytes).map_err(|e| invalid(e.to_string()))?;
    let from = |bytes: Vec<u8>| Ok(StateDict::from_safetensors(bytes, path).map_err(elman_lm::LmError::from)?);
    if file.iter().all(|(_, tensor)| tensor.dtype() != Dtype::I8) {
        return from(bytes.to_vec());
    }
    let mut all = Vec::new();
    for (name, tensor) in file.iter().filter(|(name, _)| !name.ends_with(SCALE)) {
        let shape = tensor.shape().to_vec();
        if tensor.dtype() != Dtype::I8 {
            all.push(StoredTensor { name: name.into(), dtype: tensor.dtype(), shape, bytes: tensor.data().to_vec() });
            continue;
        }
        let scale = file.tensor(&format!("{name}{SCALE}"));
        let scales = scale.ok().filter(|scale| scale.dtype() == Dtype::F32);
        let scales =
            scales.ok_or_else(|| invalid(format!("{name} is int8, but there is no f32 tensor {name}{SCALE}")))?;
        let scales: Vec<f32> =
            scales.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let width = shape.last().copied().unwrap_or(1).max(1);
        if scales.len() * width != tensor.data().len() {
            return Err(invalid(format!(
                "{name}{SCALE} has {} values for {} rows",
                scales.len(),
                tensor.data().len() / width
            )));
        }
        let rows = tensor.data().chunks_exact(width).zip(scales);
        let values: Vec<f32> =
            rows.flat_map(|(row, scale)| row.iter().map(move |q| f32::from(*q as i8) * scale)).collect();
        all.push(StoredTensor::f32(name, shape, &values));
    }
    from(serialize(&all))
}
