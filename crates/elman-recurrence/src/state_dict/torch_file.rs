use std::{
    collections::BTreeSet,
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
    format_error,
    names::join,
    pickle,
    vocabulary::{self, Vocabulary},
};
use crate::error::ImportError;

/// The tensors of a file that `torch.save` wrote, under their paths through its dicts and lists, joined by dots, and the
/// vocabularies beside them.
pub(super) fn open(path: &Path) -> Result<(Vec<burn_pack::Tensor>, Vec<Vocabulary>), ImportError> {
    check_size(path)?;
    let tensors = PytorchReader::new(path).map_err(|e| format_error(path, e))?.into_tensors();
    let values = PytorchReader::read_pickle_data(path, None).map_err(|e| format_error(path, e))?;
    let (mut names, mut vocabularies) = (BTreeSet::new(), Vec::new());
    visit(&values, "", &mut |name, value| {
        vocabularies.extend(vocabulary::read(name, value));
        let tensor = matches!(value, PickleValue::Unsupported(kind) if kind == "torch.Tensor");
        // {"a.b": …, "a": {"b": …}}: the reader would take one of them
        if !tensor || names.insert(name.to_owned()) {
            return Ok(());
        }
        Err(format_error(path, format_args!("it has two tensors of the name '{name}'")))
    })?;
    Ok((tensors.into_values().map(bridge::from_pytorch).collect(), vocabularies))
}

/// Calls `each` with every value and its path.
fn visit<E>(
    value: &PickleValue,
    name: &str,
    each: &mut impl FnMut(&str, &PickleValue) -> Result<(), E>,
) -> Result<(), E> {
    each(name, value)?;
    match value {
        PickleValue::Dict(entries) => entries.iter().try_for_each(|(key, v)| visit(v, &join(name, key), each)),
        PickleValue::List(items) => {
            items.iter().enumerate().try_for_each(|(n, v)| visit(v, &join(name, &n.to_string()), each))
        }
        _ => Ok(()),
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
        return if (0..5).all(|_| pickle::walk(&mut file, &mut steps)) || steps > 0 {
            Ok(())
        } else {
            Err(too_large())
        };
    }
    file.rewind().map_err(read)?;
    let mut archive = ZipArchive::new(file).map_err(|e| format_error(path, e))?;
    for n in 0..archive.len() {
        let entry = archive.by_index(n).map_err(|e| format_error(path, e))?;
        if !entry.name().is_ok_and(|name| name.ends_with("data.pkl")) {
            continue;
        }
        let mut pickle = Vec::new();
        entry.take(length).read_to_end(&mut pickle).map_err(|e| format_error(path, e))?;
        if pickle.len() as u64 == length {
            return Err(format_error(path, "its pickle is longer than the file"));
        }
        let mut steps = pickle::MAX_STEPS;
        if !pickle::walk(&mut Cursor::new(pickle), &mut steps) && steps == 0 {
            return Err(too_large());
        }
    }
    Ok(())
}
