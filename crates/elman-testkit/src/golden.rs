use std::{collections::BTreeMap, path::Path};

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};

/// A safetensors file of expected values, made by a script that stands beside it.
pub struct Golden {
    tensors: BTreeMap<String, TensorData>,
    path: String,
}

impl Golden {
    /// Reads a golden file; `path` is from the package, in whose folder cargo runs tests: `tests/golden/x.safetensors`.
    ///
    /// # Panics
    /// If the file is absent, no safetensors file, or holds other types than float32, float64 and int64.
    pub fn open(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().display().to_string();
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("golden file '{path}': {e}"));
        let file = SafeTensors::deserialize(&bytes).unwrap_or_else(|e| panic!("golden file '{path}': {e}"));
        let tensors = file.iter().map(|(name, view)| {
            let (shape, raw) = (view.shape().to_vec(), view.data());
            let data = match view.dtype() {
                Dtype::F32 => TensorData::new(parse(raw, f32::from_le_bytes), shape),
                Dtype::F64 => TensorData::new(parse(raw, f64::from_le_bytes), shape),
                Dtype::I64 => TensorData::new(parse(raw, i64::from_le_bytes), shape),
                other => panic!("golden file '{path}', '{name}': type {other:?} is not read here"),
            };
            (name.to_owned(), data)
        });
        Self { tensors: tensors.collect(), path }
    }

    /// All names, sorted.
    pub fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    /// Whether a tensor of that name is there.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The data of a tensor.
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn data(&self, name: &str) -> TensorData {
        self.tensors.get(name).unwrap_or_else(|| panic!("golden file '{}' has no '{name}'", self.path)).clone()
    }

    /// A float tensor on `device`.
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        Tensor::from_data(self.data(name).convert::<f32>(), device)
    }

    /// All values as float64, in row-major order.
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn f64s(&self, name: &str) -> Vec<f64> {
        self.data(name).iter::<f64>().collect()
    }
}

fn parse<const N: usize, T>(raw: &[u8], read: fn([u8; N]) -> T) -> Vec<T> {
    raw.chunks_exact(N).map(|c| read(c.try_into().expect("exact chunk"))).collect()
}
