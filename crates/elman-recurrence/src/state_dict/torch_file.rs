use std::{
    borrow::Cow,
    collections::HashSet,
    fs::File,
    io::{BufRead, BufReader, Cursor, Read, Seek},
    path::Path,
};

use burn::store::{
    bridge, burn_pack,
    pytorch_reader::{PickleValue, PytorchReader},
};
use zip::ZipArchive;

use super::{
    format_error, pickle,
    vocabulary::{self, Vocabulary},
};
use crate::error::ImportError;

/// Maximum total length of the names of all tensors, in bytes. Those of 1,000 tensors have about 50,000.
const MAX_NAME_BYTES: usize = 16 << 20;

/// Maximum number of vocabularies that are read from a file.
const MAX_VOCABULARIES: usize = 64;

/// The tensors and vocabularies of a file written by `torch.save`. Names are the paths through its dicts and lists,
/// joined by dots.
pub(super) fn open(path: &Path) -> Result<(Vec<burn_pack::Tensor>, Vec<Vocabulary>), ImportError> {
    check_size(path)?;
    let vocabularies = {
        let values = PytorchReader::read_pickle_data(path, None).map_err(|e| format_error(path, e))?;
        let mut contents = Contents::default();
        contents.visit(&values).map_err(|reason| format_error(path, reason))?;
        contents.vocabularies
    };
    let tensors = PytorchReader::new(path).map_err(|e| format_error(path, e))?.into_tensors();
    Ok((tensors.into_values().map(bridge::from_pytorch).collect(), vocabularies))
}

/// Collects tensor names and vocabularies while traversing the values of a file.
#[derive(Default)]
struct Contents<'a> {
    path: Vec<Cow<'a, str>>,
    /// Length of the path, joined by dots.
    length: usize,
    names: HashSet<String>,
    names_length: usize,
    vocabularies: Vec<Vocabulary>,
}

impl<'a> Contents<'a> {
    fn visit(&mut self, value: &'a PickleValue) -> Result<(), String> {
        if self.vocabularies.len() < MAX_VOCABULARIES
            && let Some(tokens) = vocabulary::tokens(value)
        {
            self.vocabularies.push(Vocabulary { name: self.path.join("."), tokens });
        }
        match value {
            PickleValue::Dict(entries) => entries.iter().try_for_each(|(key, v)| self.enter(key.into(), v)),
            PickleValue::List(items) => {
                items.iter().enumerate().try_for_each(|(n, v)| self.enter(n.to_string().into(), v))
            }
            PickleValue::Unsupported(kind) if kind == "torch.Tensor" => self.tensor(),
            _ => Ok(()),
        }
    }

    fn enter(&mut self, key: Cow<'a, str>, value: &'a PickleValue) -> Result<(), String> {
        let length = key.len() + 1;
        self.path.push(key);
        self.length += length;
        self.visit(value)?;
        self.length -= length;
        self.path.pop();
        Ok(())
    }

    fn tensor(&mut self) -> Result<(), String> {
        self.names_length += self.length;
        if self.names_length > MAX_NAME_BYTES {
            return Err("its tensor names are too long".into());
        }
        let name = self.path.join(".");
        // {"a.b": …, "a": {"b": …}}: the parser would keep only one of them
        match self.names.insert(name.clone()) {
            true => Ok(()),
            false => Err(format!("it has two tensors named '{name}'")),
        }
    }
}

/// Rejects pickles that would need too much memory: the parser may create an object for every byte.
fn check_size(path: &Path) -> Result<(), ImportError> {
    let read = |source| ImportError::Read { path: path.into(), source };
    let too_large =
        || format_error(path, format_args!("its pickle has more than {} instructions", pickle::MAX_INSTRUCTIONS));
    let mut file = BufReader::new(File::open(path).map_err(read)?);
    let length = file.get_ref().metadata().map_err(read)?.len();
    if !file.fill_buf().map_err(read)?.starts_with(b"PK") {
        // the legacy format: the object is the fourth of five pickles
        let mut budget = pickle::MAX_INSTRUCTIONS;
        let _ = (0..5).all(|_| pickle::scan(&mut file, &mut budget));
        return if budget > 0 { Ok(()) } else { Err(too_large()) };
    }
    file.rewind().map_err(read)?;
    let mut archive = ZipArchive::new(file).map_err(|e| format_error(path, e))?;
    let is_pickle =
        |name: &str| name.strip_suffix("data.pkl").is_some_and(|root| root.is_empty() || root.ends_with('/'));
    let names = archive.file_names().collect::<Result<Vec<_>, _>>().map_err(|e| format_error(path, e))?;
    let pickles: Vec<usize> = (0..).zip(&names).filter(|(_, name)| is_pickle(name)).map(|(n, _)| n).collect();
    let [index] = pickles[..] else {
        return Err(format_error(path, format_args!("it has {} entries named data.pkl, not one", pickles.len())));
    };
    let mut bytes = Vec::new();
    let entry = archive.by_index(index).map_err(|e| format_error(path, e))?;
    entry.take(length).read_to_end(&mut bytes).map_err(|e| format_error(path, e))?;
    if bytes.len() as u64 == length {
        return Err(format_error(path, "its pickle is longer than the file"));
    }
    let mut budget = pickle::MAX_INSTRUCTIONS;
    pickle::scan(&mut Cursor::new(bytes), &mut budget);
    if budget > 0 { Ok(()) } else { Err(too_large()) }
}
