use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};

/// A safetensors file of expected values, made by a script that stands beside it.
pub struct Golden {
    bytes: Vec<u8>,
    path: String,
}

impl Golden {
    /// Opens a golden file; give the path as `concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/x.safetensors")`.
    ///
    /// # Panics
    /// If the file is absent or no safetensors file.
    pub fn open(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("golden file '{}': {e}", path.display()));
        let golden = Self { bytes, path: path.display().to_string() };
        golden.view();
        golden
    }

    fn view(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.bytes).unwrap_or_else(|e| panic!("golden file '{}': {e}", self.path))
    }

    /// All names, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.view().names().into_iter().map(str::to_owned).collect();
        names.sort();
        names
    }

    /// Whether a tensor of that name is there.
    pub fn contains(&self, name: &str) -> bool {
        self.view().tensor(name).is_ok()
    }

    /// The data of a tensor, float32, float64 or int64.
    ///
    /// # Panics
    /// If the name is absent or the type another.
    pub fn data(&self, name: &str) -> TensorData {
        let view = self.view();
        let t = view.tensor(name).unwrap_or_else(|e| panic!("golden file '{}', '{name}': {e}", self.path));
        let (shape, raw) = (t.shape().to_vec(), t.data());
        match t.dtype() {
            Dtype::F32 => TensorData::new(parse(raw, f32::from_le_bytes), shape),
            Dtype::F64 => TensorData::new(parse(raw, f64::from_le_bytes), shape),
            Dtype::I64 => TensorData::new(parse(raw, i64::from_le_bytes), shape),
            other => panic!("golden file '{}', '{name}': type {other:?} is not read here", self.path),
        }
    }

    /// A float tensor on `device`.
    pub fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        Tensor::from_data(self.data(name).convert::<f32>(), device)
    }

    /// All values as float64, in row-major order.
    pub fn f64s(&self, name: &str) -> Vec<f64> {
        self.data(name).iter::<f64>().collect()
    }
}

fn parse<const N: usize, T>(raw: &[u8], read: fn([u8; N]) -> T) -> Vec<T> {
    raw.chunks_exact(N).map(|c| read(c.try_into().expect("exact chunk"))).collect()
}
