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

/// Names of all tensors together may not be longer; those of a file of 1,000 tensors have some 50,000 bytes.
const MAX_NAMES: usize = 16 << 20;

/// More vocabularies of a file are not looked at.
const MAX_VOCABULARIES: usize = 64;

/// The tensors of a file that `torch.save` wrote, under their paths through its dicts and lists, joined by dots, and the
/// vocabularies beside them.
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

/// What is found on the way through a file's values.
#[derive(Default)]
struct Contents<'a> {
    path: Vec<Cow<'a, str>>,
    /// The length of the path, joined by dots.
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
        if self.names_length > MAX_NAMES {
            return Err("the names of its tensors are too long".into());
        }
        let name = self.path.join(".");
        // {"a.b": …, "a": {"b": …}}: the reader would take one of them
        match self.names.insert(name.clone()) {
            true => Ok(()),
            false => Err(format!("it has two tensors of the name '{name}'")),
        }
    }
}

/// Refuses a pickle that would need much memory: in the reader every byte of it may become an object.
fn check_size(path: &Path) -> Result<(), ImportError> {
    let read = |source| ImportError::Read { path: path.into(), source };
    let too_large = || format_error(path, format_args!("its pickle is longer than {} steps", pickle::MAX_STEPS));
    let mut file = BufReader::new(File::open(path).map_err(read)?);
    let length = file.get_ref().metadata().map_err(read)?.len();
    if !file.fill_buf().map_err(read)?.starts_with(b"PK") {
        // the older format: the object is the fourth pickle of five
        let mut steps = pickle::MAX_STEPS;
        let _ = (0..5).all(|_| pickle::scan(&mut file, &mut steps));
        return if steps > 0 { Ok(()) } else { Err(too_large()) };
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
    let mut steps = pickle::MAX_STEPS;
    pickle::scan(&mut Cursor::new(bytes), &mut steps);
    if steps > 0 { Ok(()) } else { Err(too_large()) }
}
