mod forms;
mod model;
mod names;
mod pickle;
mod torch_file;
mod vocabulary;
mod weight_norm;

use std::{
    collections::BTreeMap,
    fmt::Display,
    path::{Path, PathBuf},
};

use burn::{
    module::Module,
    store::{
        BurnToPyTorchAdapter, ModuleSnapshot, ModuleStore, PyTorchToBurnAdapter, SafetensorsStore, bridge, burn_pack,
    },
    tensor::TensorData,
};
use safetensors::{Dtype, tensor::TensorView};

pub use model::RecurrentModel;
pub(crate) use names::torch_name;
pub use vocabulary::Vocabulary;

use crate::{error::ImportError, parameters::parameters};

/// Named weights in PyTorch's `state_dict` naming and layout, between a file and a module.
///
/// The weights of a recurrent layer are named `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0` and
/// `weight_hr_l0`, with `_l1` and so on for further layers and the suffix `_reverse` for the reverse direction. Weights
/// of dense layers are `[d_output, d_input]`. Names in nested modules have the name of the field as a prefix:
/// `network.weight_ih_l0`.
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
///
/// Names are those of the file, with the keys of nested dicts joined by dots. [`find_model`](Self::find_model) strips
/// the prefixes that programs add.
pub struct StateDict {
    path: PathBuf,
    tensors: Tensors,
    vocabularies: Vec<Vocabulary>,
}

/// The tensors of each name. More than one tensor of a name is an error when that name is read.
type Tensors = BTreeMap<String, Vec<Entry>>;

struct Entry {
    /// The name in the file.
    in_file: String,
    tensor: burn_pack::Tensor,
}

impl StateDict {
    /// Reads the names and shapes of a `.safetensors` file, or of a PyTorch file (`.pt`, `.pth`, `.bin`, `.ckpt`,
    /// `.tar`), whose pickle is parsed and never executed.
    ///
    /// # Errors
    /// [`ImportError::Read`], [`ImportError::Unknown`] for other extensions, [`ImportError::Format`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ImportError> {
        let path = path.as_ref();
        let read = |source| ImportError::Read { path: path.into(), source };
        elman_files::open(path).map_err(read)?;
        match path.extension().and_then(|e| e.to_str()) {
            Some("safetensors") => Self::from_safetensors(elman_files::read(path, u64::MAX).map_err(read)?, path),
            Some("pt" | "pth" | "bin" | "ckpt" | "tar") => {
                let (tensors, vocabularies) = torch_file::open(path)?;
                Ok(Self { vocabularies, ..Self::from_tensors(tensors, path) })
            }
            _ => Err(ImportError::Unknown { path: path.into() }),
        }
    }

    /// As [`open`](Self::open), for the bytes of a `.safetensors` file; `path` is used in error messages.
    ///
    /// # Errors
    /// [`ImportError::Format`].
    pub fn from_safetensors(bytes: Vec<u8>, path: impl AsRef<Path>) -> Result<Self, ImportError> {
        let path = path.as_ref();
        let mut store = SafetensorsStore::from_bytes(Some(bytes)).map_indices_contiguous(false);
        let tensors = store.get_all_tensors().map_err(|e| format_error(path, e))?;
        Ok(Self::from_tensors(tensors.values().cloned(), path))
    }

    fn from_tensors(tensors: impl IntoIterator<Item = burn_pack::Tensor>, path: &Path) -> Self {
        let named =
            |tensor: burn_pack::Tensor| (tensor.name.clone(), vec![Entry { in_file: tensor.name.clone(), tensor }]);
        Self { path: path.into(), tensors: tensors.into_iter().map(named).collect(), vocabularies: Vec::new() }
    }

    /// Collects a module's weights.
    pub fn from_module<M: Module>(module: &M) -> Self {
        let mut tensors = module.collect(None, Some(Box::new(BurnToPyTorchAdapter)), true);
        tensors.iter_mut().for_each(|tensor| tensor.name = torch_name(&tensor.name));
        Self::from_tensors(tensors, Path::new(""))
    }

    /// Only the weights whose names begin with `prefix` and a dot, with these removed from the names.
    #[must_use]
    pub fn under(self, prefix: &str) -> Self {
        self.rename(|name| name.strip_prefix(prefix)?.strip_prefix('.').map(str::to_owned))
    }

    /// As [`under`](Self::under), but fails if there is no such weight.
    ///
    /// # Errors
    /// [`ImportError::Prefix`].
    pub fn try_under(self, prefix: &str) -> Result<Self, ImportError> {
        let found = shorten(self.names_in_file().into_iter());
        let inner = self.under(prefix);
        if inner.tensors.is_empty() {
            return Err(ImportError::Prefix { path: inner.path, prefix: prefix.into(), found });
        }
        Ok(inner)
    }

    /// Renames weights; `None` drops a weight. If two weights get the same name, reading that name is an error.
    #[must_use]
    pub fn rename(self, rename: impl Fn(&str) -> Option<String>) -> Self {
        Self { tensors: forms::renamed(self.tensors, rename), ..self }
    }

    /// Names and shapes, sorted by name.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.tensors.iter().flat_map(|(name, entries)| entries.iter().map(|e| (name.as_str(), &e.tensor.shape[..])))
    }

    /// The vocabularies that a PyTorch file contains in addition to its weights.
    pub fn vocabularies(&self) -> &[Vocabulary] {
        &self.vocabularies
    }

    /// The values of one weight; `None` if there is none of that name.
    ///
    /// # Errors
    /// [`ImportError::Ambiguous`]; [`ImportError::Format`] if its data cannot be read.
    pub fn data(&self, name: &str) -> Result<Option<TensorData>, ImportError> {
        let Some(entries) = self.tensors.get(name) else { return Ok(None) };
        let data = bridge::to_data(&self.unique(name, entries)?.tensor);
        data.map(Some).map_err(|e| format_error(&self.path, e))
    }

    fn unique<'a>(&self, name: &str, entries: &'a [Entry]) -> Result<&'a Entry, ImportError> {
        match entries {
            [entry] => Ok(entry),
            _ => {
                Err(ImportError::Ambiguous { path: self.path.clone(), name: name.into(), found: with_shapes(entries) })
            }
        }
    }

    fn names_in_file(&self) -> Vec<&String> {
        self.tensors.values().flatten().map(|entry| &entry.in_file).collect()
    }

    /// Loads the weights into a module of the same structure, converting 16- and 64-bit floats to f32. Lazy parameters
    /// of the module are not initialized first.
    ///
    /// # Errors
    /// [`ImportError::Missing`], [`ImportError::Shape`], [`ImportError::Unused`], [`ImportError::Ambiguous`] if names
    /// or shapes do not match, [`ImportError::Format`] if the data of a tensor cannot be read,
    /// [`ImportError::NotFinite`].
    pub fn load_into<M: Module>(mut self, mut module: M) -> Result<M, ImportError> {
        // check all names and shapes before reading data or allocating: the module may have another size
        let (mut matched, found) = (Vec::new(), shorten(self.names_in_file().into_iter()));
        for (parameter, expected) in parameters(&module) {
            let name = torch_name(&parameter);
            let Some(mut entries) = self.tensors.remove(&name) else {
                return Err(ImportError::Missing { path: self.path, name, found });
            };
            self.unique(&name, &entries)?;
            let Entry { in_file, tensor } = entries.swap_remove(0);
            if tensor.shape[..] != expected {
                let found = tensor.shape.to_vec();
                return Err(ImportError::Shape { path: self.path, name: in_file, expected, found });
            }
            if !tensor.dtype.is_float() {
                let reason = format!("'{in_file}' has dtype {:?}, not a float dtype", tensor.dtype);
                return Err(ImportError::Format { path: self.path, reason });
            }
            matched.push((parameter, in_file, tensor));
        }
        if !self.tensors.is_empty() {
            return Err(ImportError::Unused { names: shorten(self.names_in_file().into_iter()), path: self.path });
        }
        let mut converted = Vec::new();
        for (path, name, tensor) in matched {
            let data = bridge::into_data(tensor).map_err(|e| format_error(&self.path, e))?.convert::<f32>();
            if !data.as_slice::<f32>().is_ok_and(|values| values.iter().all(|value| value.is_finite())) {
                return Err(ImportError::NotFinite { path: self.path, name });
            }
            converted.push(bridge::from_data(data, path, None));
        }
        let result = module.apply(converted, None, Some(Box::new(PyTorchToBurnAdapter)), true);
        match result.errors.first() {
            Some(error) => Err(format_error(&self.path, error)),
            None => Ok(module),
        }
    }

    /// Writes the weights as f32 safetensors, replacing the file atomically.
    ///
    /// # Errors
    /// [`ImportError::Write`]; [`ImportError::Ambiguous`]; [`ImportError::Format`] if the data of a tensor cannot be
    /// read.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ImportError> {
        let path = path.as_ref();
        let data = self.tensors.iter().map(|(name, entries)| {
            let data = bridge::to_data(&self.unique(name, entries)?.tensor).map_err(|e| format_error(path, e))?;
            Ok((name, data.convert::<f32>()))
        });
        let data: Vec<(&String, TensorData)> = data.collect::<Result<_, ImportError>>()?;
        let views = data.iter().map(|(name, data)| {
            let view = TensorView::new(Dtype::F32, data.shape().to_vec(), data.as_bytes());
            (name, view.expect("the bytes match the shape"))
        });
        let failed = |source| ImportError::Write { path: path.into(), source };
        let bytes = safetensors::serialize(views, None).map_err(|e| failed(std::io::Error::other(e)))?;
        elman_files::replace(path, bytes).map_err(failed)
    }
}

fn format_error(path: &Path, error: impl Display) -> ImportError {
    let reason = elman_files::one_line(error);
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

fn with_shapes(entries: &[Entry]) -> String {
    let shown = entries.iter().map(|e| format!("{} {:?}", e.in_file, &e.tensor.shape[..])).collect::<Vec<_>>();
    shorten(shown.iter())
}
