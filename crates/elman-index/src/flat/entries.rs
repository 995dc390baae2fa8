//! `entries-N.jsonl`: one JSON object a line, `{"id": …, "text": …, "metadata": {…}}`, in the order of the vectors.

use std::{borrow::Cow, io::BufRead, path::Path};

use indexmap::{IndexMap, map::Entry as Slot};
use serde::{Deserialize, Serialize};

use crate::{
    entry::Metadata,
    error::IndexError,
    flat::seal::{Seal, SealedWriter},
    memory::Payload,
};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    id: Cow<'a, str>,
    text: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Cow<'a, Metadata>>,
}

pub(crate) fn write(path: &Path, entries: &IndexMap<String, Payload>) -> Result<Seal, IndexError> {
    let mut file = SealedWriter::create(path)?;
    let mut json = Vec::new();
    for (id, Payload { text, metadata }) in entries {
        json.clear();
        let metadata = metadata.as_ref().map(Cow::Borrowed);
        let line = Line { id: Cow::Borrowed(id), text: Cow::Borrowed(text), metadata };
        serde_json::to_writer(&mut json, &line).expect("an entry is JSON");
        json.push(b'\n');
        file.write(&json)?;
    }
    file.finish()
}

pub(crate) fn read(path: &Path, seal: &Seal, count: usize) -> Result<IndexMap<String, Payload>, IndexError> {
    let mut file = seal.open(path)?;
    let mut entries = IndexMap::new();
    let mut json = Vec::new();
    // A line is as long as its file at most, and the file has the size that its seal says.
    for line in 1.. {
        json.clear();
        let read = file.read_until(b'\n', &mut json);
        if read.map_err(|source| IndexError::Read { path: path.into(), source })? == 0 {
            break;
        }
        let entry: Line<'_> =
            serde_json::from_slice(&json).map_err(|source| IndexError::Line { path: path.into(), line, source })?;
        if entry.id.is_empty() {
            return Err(IndexError::StoredEmptyId { path: path.into(), line });
        }
        let payload = Payload { text: entry.text.into_owned(), metadata: entry.metadata.map(Cow::into_owned) };
        match entries.entry(entry.id.into_owned()) {
            Slot::Vacant(slot) => slot.insert(payload),
            Slot::Occupied(slot) => {
                let (first, id) = (slot.index() + 1, slot.key().clone());
                return Err(IndexError::DuplicateId { path: path.into(), line, first, id });
            }
        };
    }
    if entries.len() != count {
        return Err(IndexError::Count { path: path.into(), expected: count, found: entries.len() });
    }
    Ok(entries)
}
