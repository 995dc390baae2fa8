use std::{
    collections::BTreeMap,
    fmt::Display,
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use atomic_write_file::AtomicWriteFile;
use burn::{
    module::Module,
    store::{
        BurnToPyTorchAdapter, ModuleSnapshot, ModuleStore, PyTorchToBurnAdapter, PytorchStore, SafetensorsStore,
        bridge, burn_pack,
    },
    tensor::TensorData,
};
use safetensors::{Dtype, tensor::TensorView};

use crate::error::ImportError;

/// Named weights in PyTorch's `state_dict` naming and layout, between a file and a module.
///
/// A recurrent layer's weights are called `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, `weight_hr_l0`,
/// then `_l1` and so on, with `_reverse` appended for the reverse direction; dense layers are `[d_output, d_input]`.
/// A module inside another has its field's name before it: `network.weight_ih_l0`.
///
/// ```no_run
/// use burn::tensor::Device;
/// use elman_recurrence::{LstmConfig, StateDict};
///
/// // torch.save(model.state_dict(), "model.pt"), where model.encoder is an nn.LSTM
/// let lstm = LstmConfig::new(128, 256).with_layers(2).init(&Device::flex());
/// let lstm = StateDict::open("model.pt")?.under("encoder").load_into(lstm)?;
/// # Ok::<(), elman_recurrence::ImportError>(())
/// ```
pub struct StateDict {
    path: PathBuf,
    tensors: BTreeMap<String, burn_pack::Tensor>,
}

impl StateDict {
    /// Reads the names and shapes of a `.safetensors` file, or of a PyTorch file (`.pt`, `.pth`, `.bin`), whose pickle
    /// is parsed and never run.
    ///
    /// # Errors
    /// [`ImportError::Read`], [`ImportError::Unknown`] for another ending, [`ImportError::Format`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ImportError> {
        let path = path.as_ref();
        fs::File::open(path).map_err(|source| ImportError::Read { path: path.into(), source })?;
        let tensors = match path.extension().and_then(|e| e.to_str()) {
            Some("safetensors") => {
                let mut store = SafetensorsStore::from_file(path).map_indices_contiguous(false);
                store.get_all_tensors().cloned().map_err(|e| format_error(path, e))?
            }
            Some("pt" | "pth" | "bin") => {
                let mut store = PytorchStore::from_file(path).map_indices_contiguous(false);
                store.get_all_tensors().cloned().map_err(|e| format_error(path, e))?
            }
            _ => return Err(ImportError::Unknown { path: path.into() }),
        };
        Ok(Self { path: path.into(), tensors })
    }

    /// As [`open`](Self::open), of a `.safetensors` file that lies in memory; `path` is where errors say that it is from.
    ///
    /// # Errors
    /// [`ImportError::Format`].
    pub fn from_safetensors(bytes: Vec<u8>, path: impl AsRef<Path>) -> Result<Self, ImportError> {
        let path = path.as_ref();
        let mut store = SafetensorsStore::from_bytes(Some(bytes)).map_indices_contiguous(false);
        let tensors = store.get_all_tensors().cloned().map_err(|e| format_error(path, e))?;
        Ok(Self { path: path.into(), tensors })
    }

    /// Collects a module's weights.
    pub fn of<M: Module>(module: &M) -> Self {
        let tensors = collect(module).into_iter().map(|t| (torch_name(&t.name), t)).collect();
        Self { path: PathBuf::new(), tensors }
    }

    /// Only the weights whose names begin with `prefix` and a dot, without these.
    #[must_use]
    pub fn under(self, prefix: &str) -> Self {
        let strip = |name: &str| name.strip_prefix(prefix)?.strip_prefix('.').map(str::to_owned);
        let tensors = self.tensors.into_iter().filter_map(|(name, t)| Some((strip(&name)?, t))).collect();
        Self { tensors, ..self }
    }

    /// Renames weights; `None` drops one.
    #[must_use]
    pub fn rename(self, rename: impl Fn(&str) -> Option<String>) -> Self {
        let tensors = self.tensors.into_iter().filter_map(|(name, t)| Some((rename(&name)?, t))).collect();
        Self { tensors, ..self }
    }

    /// Names and shapes, sorted by name.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.tensors.iter().map(|(name, t)| (name.as_str(), &t.shape[..]))
    }

    /// The values of one weight; `None` if there is none of that name.
    ///
    /// # Errors
    /// [`ImportError::Format`] where its data cannot be read.
    pub fn data(&self, name: &str) -> Result<Option<TensorData>, ImportError> {
        let data = self.tensors.get(name).map(bridge::to_data).transpose();
        data.map_err(|e| format_error(&self.path, e))
    }

    /// Puts the weights into a module of the same structure; 16- and 64-bit floats become 32-bit.
    ///
    /// # Errors
    /// [`ImportError::Missing`], [`ImportError::Shape`], [`ImportError::Unused`] where names or shapes disagree,
    /// [`ImportError::Format`] where a tensor's data cannot be read.
    pub fn load_into<M: Module>(mut self, mut module: M) -> Result<M, ImportError> {
        let found = shorten(self.tensors.keys());
        let mut ready = Vec::new();
        for wanted in collect(&module) {
            let name = torch_name(&wanted.name);
            let Some(tensor) = self.tensors.remove(&name) else {
                return Err(ImportError::Missing { path: self.path, name, found });
            };
            if tensor.shape != wanted.shape {
                let (expected, found) = (wanted.shape.to_vec(), tensor.shape.to_vec());
                return Err(ImportError::Shape { path: self.path, name, expected, found });
            }
            let data = bridge::into_data(tensor).map_err(|e| format_error(&self.path, e))?;
            ready.push(bridge::from_data(data.convert::<f32>(), wanted.name, None));
        }
        if !self.tensors.is_empty() {
            return Err(ImportError::Unused { names: shorten(self.tensors.keys()), path: self.path });
        }
        let result = module.apply(ready, None, Some(Box::new(PyTorchToBurnAdapter)), true);
        match result.errors.first() {
            Some(error) => Err(format_error(&self.path, error)),
            None => Ok(module),
        }
    }

    /// Writes the weights as float32 safetensors, replacing the file at once or not at all.
    ///
    /// # Errors
    /// [`ImportError::Write`]; [`ImportError::Format`] where a tensor's data cannot be read.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ImportError> {
        let path = path.as_ref();
        let data = self.tensors.iter().map(|(name, t)| Ok((name, bridge::to_data(t)?.convert::<f32>())));
        let data: Vec<(&String, TensorData)> =
            data.collect::<Result<_, burn_pack::Error>>().map_err(|e| format_error(path, e))?;
        let views = data.iter().map(|(name, data)| {
            let view = TensorView::new(Dtype::F32, data.shape().to_vec(), data.as_bytes());
            (name, view.expect("the bytes are those of the shape"))
        });
        let failed = |source| ImportError::Write { path: path.into(), source };
        let bytes = safetensors::serialize(views, None).map_err(|e| failed(std::io::Error::other(e)))?;
        let mut file = AtomicWriteFile::open(path).map_err(failed)?;
        file.write_all(&bytes).map_err(failed)?;
        file.commit().map_err(failed)
    }
}

/// The module's tensors in PyTorch's layout, under the module's own paths.
fn collect<M: Module>(module: &M) -> Vec<burn_pack::Tensor> {
    module.collect(None, Some(Box::new(BurnToPyTorchAdapter)), true)
}

/// `…layers.1.directions.1.weight_ih` → `…weight_ih_l1_reverse`; other paths stay.
fn torch_name(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    match parts.as_slice() {
        [module @ .., "layers", layer, "directions", direction, weight] => {
            let side = if *direction == "0" { "" } else { "_reverse" };
            let name = format!("{weight}_l{layer}{side}");
            module.iter().map(|m| format!("{m}.")).collect::<String>() + &name
        }
        _ => path.into(),
    }
}

fn format_error(path: &Path, error: impl Display) -> ImportError {
    let reason = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    ImportError::Format { path: path.into(), reason }
}

fn shorten<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    const SHOWN: usize = 6;
    let more = names.len().saturating_sub(SHOWN);
    let mut shown = names.take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 {
        shown += &format!(", and {more} more");
    }
    if shown.is_empty() { "none".into() } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_pytorch() {
        for (path, name) in [
            ("layers.0.directions.0.weight_ih", "weight_ih_l0"),
            ("rnn.layers.1.directions.1.weight_hr", "rnn.weight_hr_l1_reverse"),
            ("model.rnn.layers.10.directions.0.bias_hh", "model.rnn.bias_hh_l10"),
            ("output.weight", "output.weight"),
        ] {
            assert_eq!(torch_name(path), name);
        }
    }
}
