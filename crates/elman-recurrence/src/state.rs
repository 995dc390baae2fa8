use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::error::StateError;

/// The state of a recurrent network, from which it can continue a sequence.
///
/// One tensor per kind of state, the hidden state `h` first (and the LSTM's cell state `c` second), each
/// `[layers·directions, batch, width]` in PyTorch's order: layer 0 forward, layer 0 reverse, layer 1 forward, ….
/// Clone a state to fork a sequence; save it to continue later.
#[derive(Clone, Debug)]
pub struct State {
    parts: Vec<Tensor<3>>,
}

impl State {
    /// Creates a state from its tensors, `h` first.
    ///
    /// # Panics
    /// If `parts` is empty or the tensors disagree on `[layers·directions, batch]`.
    pub fn new(parts: Vec<Tensor<3>>) -> Self {
        let [layers, batch, _] = parts.first().expect("a state has at least one tensor").dims();
        for (n, part) in parts.iter().enumerate() {
            let [l, b, _] = part.dims();
            assert_eq!(
                [l, b],
                [layers, batch],
                "state: tensor {n} differs from tensor 0 on [layers·directions, batch]"
            );
        }
        Self { parts }
    }

    /// The hidden state, `[layers·directions, batch, width]`.
    pub fn hidden(&self) -> Tensor<3> {
        self.parts[0].clone()
    }

    /// The LSTM's cell state, `[layers·directions, batch, d_hidden]`; `None` for cells that have only `h`.
    pub fn cell(&self) -> Option<Tensor<3>> {
        self.parts.get(1).cloned()
    }

    /// All tensors, `h` first.
    pub fn parts(&self) -> &[Tensor<3>] {
        &self.parts
    }

    /// Number of batch rows.
    pub fn batch(&self) -> usize {
        self.parts[0].dims()[1]
    }

    /// The same values, detached from the graph, as truncated backpropagation through time needs them.
    #[must_use]
    pub fn detach(self) -> Self {
        self.map(Tensor::detach)
    }

    /// The given batch rows, in the given order; a row may occur more than once.
    ///
    /// # Panics
    /// If a row is not below [`batch`](State::batch).
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let batch = self.batch();
        if let Some(row) = rows.iter().find(|r| **r >= batch) {
            panic!("state: row {row} is out of range: [batch] = [{batch}]");
        }
        let indices: Vec<i64> = rows.iter().map(|r| *r as i64).collect();
        let device = self.parts[0].device().without_autodiff();
        let indices = Tensor::<1, Int>::from_data(TensorData::from(&indices[..]), &device);
        self.clone().map(|t| t.select(1, indices.clone()))
    }

    /// The same values on another device.
    #[must_use]
    pub fn to_device(self, device: &Device) -> Self {
        self.map(|t| t.to_device(device))
    }

    fn map(self, f: impl FnMut(Tensor<3>) -> Tensor<3>) -> Self {
        Self { parts: self.parts.into_iter().map(f).collect() }
    }

    /// Writes the state as f32 safetensors (names `h`, `c`, then `state_2`, …), replacing the file atomically.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), StateError> {
        let path = path.as_ref();
        let failed = |source| StateError::Write { path: path.into(), source };
        let data: Vec<(Vec<usize>, Vec<u8>)> = self
            .parts
            .iter()
            .map(|t| {
                let bytes = t.to_data().iter::<f32>().flat_map(f32::to_le_bytes).collect();
                (t.dims().to_vec(), bytes)
            })
            .collect();
        let views = data.iter().enumerate().map(|(n, (shape, bytes))| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes).expect("bytes were made from this shape");
            (name(n), view)
        });
        let bytes = safetensors::serialize(views, None).map_err(|e| failed(std::io::Error::other(e)))?;
        elman_files::replace(path, bytes).map_err(failed)
    }

    /// Reads a state that [`save`](State::save) wrote.
    ///
    /// # Errors
    /// [`StateError::Read`] if the file cannot be read, [`StateError::Format`] if it is not a safetensors file,
    /// [`StateError::Tensors`] if its tensors are not those of a state.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self, StateError> {
        let path = path.as_ref();
        let bytes =
            elman_files::read(path, u64::MAX).map_err(|source| StateError::Read { path: path.into(), source })?;
        let file =
            SafeTensors::deserialize(&bytes).map_err(|source| StateError::Format { path: path.into(), source })?;
        let mismatch = |expected: String, found: String| StateError::Tensors { path: path.into(), expected, found };
        if file.is_empty() {
            return Err(mismatch("a tensor 'h'".into(), "none".into()));
        }
        let mut parts: Vec<Tensor<3>> = Vec::with_capacity(file.len());
        for n in 0..file.len() {
            let view = file.tensor(&name(n)).map_err(|_| {
                let mut names: Vec<_> = file.names();
                names.sort_unstable();
                mismatch(format!("a tensor '{}'", name(n)), format!("{names:?}"))
            })?;
            let shape: [usize; 3] = view.shape().try_into().map_err(|_| {
                mismatch(format!("three axes in '{}'", name(n)), format!("the shape {:?}", view.shape()))
            })?;
            if view.dtype() != Dtype::F32 {
                return Err(mismatch(format!("f32 in '{}'", name(n)), format!("{:?}", view.dtype())));
            }
            if let Some(first) = parts.first().map(Tensor::dims).filter(|f| f[..2] != shape[..2]) {
                let expected = format!("'{}' to agree with 'h' on [{}, {}]", name(n), first[0], first[1]);
                return Err(mismatch(expected, format!("{shape:?}")));
            }
            let values: Vec<f32> =
                view.data().chunks_exact(4).map(|c| f32::from_le_bytes(c.try_into().expect("four bytes"))).collect();
            if !values.iter().all(|value| value.is_finite()) {
                return Err(mismatch(format!("finite values in '{}'", name(n)), "an infinite value or NaN".into()));
            }
            parts.push(Tensor::from_data(TensorData::new(values, shape), device));
        }
        Ok(Self { parts })
    }
}

fn name(n: usize) -> String {
    match n {
        0 => "h".into(),
        1 => "c".into(),
        n => format!("state_{n}"),
    }
}
