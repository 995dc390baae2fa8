//! Conversion of entries to columns and back.

use milvus::v2::FieldData;
use serde_json::Value;

use crate::{
    entry::{Entry, Metadata},
    milvus::schema::{ID, MAX_JSON, MAX_TEXT, METADATA, TEXT, VECTOR},
    server::ServerError,
};

/// Maximum size of a batch in bytes: 1/16 of what servers accept.
const BATCH_BYTES: usize = 4 << 20;
/// Maximum number of entries of a batch.
const BATCH_ROWS: usize = 4096;

/// Checks the limits of Milvus.
pub(super) fn check_lengths(server: &str, entries: &[Entry]) -> Result<(), ServerError> {
    for entry in entries {
        let metadata = entry.metadata.as_ref().map_or(0, |metadata| json(metadata).to_string().len());
        let parts =
            [("id", entry.id.len(), MAX_TEXT), ("text", entry.text.len(), MAX_TEXT), ("metadata", metadata, MAX_JSON)];
        if let Some((part, found, limit)) = parts.into_iter().find(|(_, found, limit)| found > limit) {
            return Err(ServerError::TooLong { server: server.into(), id: entry.id.clone(), part, limit, found });
        }
    }
    Ok(())
}

fn json(metadata: &Metadata) -> Value {
    Value::Object(metadata.clone())
}

/// Splits entries into batches of columns, in order.
pub(super) fn batches(entries: Vec<Entry>) -> impl Iterator<Item = Vec<FieldData>> {
    let mut entries = entries.into_iter().peekable();
    std::iter::from_fn(move || {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(entry) = entries.next_if(|entry| {
            bytes += entry.id.len() + entry.text.len() + 4 * entry.vector.len();
            bytes += entry.metadata.as_ref().map_or(0, |metadata| json(metadata).to_string().len());
            batch.is_empty() || bytes <= BATCH_BYTES && batch.len() < BATCH_ROWS
        }) {
            batch.push(entry);
        }
        (!batch.is_empty()).then(|| columns(batch))
    })
}

fn columns(entries: Vec<Entry>) -> Vec<FieldData> {
    let (mut ids, mut texts, mut vectors) = (Vec::new(), Vec::new(), Vec::new());
    let (mut metadata, mut has_metadata) = (Vec::new(), Vec::new());
    for entry in entries {
        ids.push(entry.id);
        texts.push(entry.text);
        vectors.push(entry.vector);
        has_metadata.push(entry.metadata.is_some());
        metadata.extend(entry.metadata.map(Value::Object));
    }
    vec![
        FieldData::VarChar { name: ID.into(), values: ids },
        FieldData::VarChar { name: TEXT.into(), values: texts },
        FieldData::Nullable {
            data: Box::new(FieldData::Json { name: METADATA.into(), values: metadata }),
            valid_data: has_metadata,
        },
        FieldData::FloatVector { name: VECTOR.into(), values: vectors },
    ]
}

/// Entries from the columns of a response. Fields that were not requested are empty.
pub(super) fn entries(server: &str, mut columns: Vec<FieldData>) -> Result<Vec<Entry>, ServerError> {
    let malformed = |what: &str| ServerError::Failed { server: server.into(), source: what.into() };
    let mut take = |name: &str| {
        let index = columns.iter().position(|column| column.name() == name)?;
        Some(columns.swap_remove(index))
    };
    let ids = match take(ID) {
        Some(FieldData::VarChar { values, .. }) => values,
        // an empty result may have no columns
        None => return Ok(Vec::new()),
        Some(_) => return Err(malformed("the server returned ids of another type than text")),
    };
    let rows = ids.len();
    let texts = match take(TEXT) {
        Some(FieldData::VarChar { values, .. }) => values,
        None => vec![String::new(); rows],
        Some(_) => return Err(malformed("the server returned texts of another type")),
    };
    let vectors = match take(VECTOR) {
        Some(FieldData::FloatVector { values, .. }) => values,
        None => vec![Vec::new(); rows],
        Some(_) => return Err(malformed("the server returned vectors of another type")),
    };
    let metadata = match take(METADATA) {
        Some(column) => {
            metadata(column).ok_or_else(|| malformed("the server returned metadata that is not an object"))?
        }
        None => vec![None; rows],
    };
    if [texts.len(), vectors.len(), metadata.len()] != [rows; 3] {
        return Err(malformed("the server returned columns of different lengths"));
    }
    let parts = ids.into_iter().zip(vectors).zip(texts).zip(metadata);
    Ok(parts.map(|(((id, vector), text), metadata)| Entry { id, vector, text, metadata }).collect())
}

fn metadata(column: FieldData) -> Option<Vec<Option<Metadata>>> {
    let object = |value: Value| match value {
        Value::Object(metadata) => Some(Some(metadata)),
        Value::Null => Some(None),
        _ => None,
    };
    match column {
        FieldData::Json { values, .. } => values.into_iter().map(object).collect(),
        FieldData::Nullable { data, valid_data } => match *data {
            FieldData::Json { values, .. } => {
                let mut values = values.into_iter();
                valid_data.into_iter().map(|valid| if valid { object(values.next()?) } else { Some(None) }).collect()
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_round_trip() {
        let metadata = Metadata::from_iter([("a".to_string(), 1.into())]);
        let given = vec![
            Entry::new("x", vec![1.0, 2.0], "text of x").with_metadata(metadata),
            Entry::new("y", vec![3.0, 4.0], ""),
            Entry::new("z", vec![5.0, 6.0], "").with_metadata(Metadata::new()),
        ];
        let mut sent = batches(given.clone());
        assert_eq!(entries("s", sent.next().unwrap()).unwrap(), given);
        assert!(sent.next().is_none());
    }

    #[test]
    fn batches_are_limited_in_size() {
        let long = "x".repeat(MAX_TEXT);
        let given: Vec<Entry> = (0..200).map(|n| Entry::new(n.to_string(), vec![1.0], long.clone())).collect();
        let sent: Vec<Vec<Entry>> = batches(given.clone()).map(|columns| entries("s", columns).unwrap()).collect();
        assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [63, 63, 63, 11]);
        assert_eq!(sent.concat(), given);
    }

    #[test]
    fn malformed_responses_are_errors() {
        let columns = |metadata| {
            vec![
                FieldData::VarChar { name: ID.into(), values: vec!["a".into()] },
                FieldData::Json { name: METADATA.into(), values: metadata },
            ]
        };
        let error = entries("s", columns(vec![1.into()])).unwrap_err().to_string();
        assert_eq!(error, "s: the server returned metadata that is not an object");
        let error = entries("s", columns(vec![])).unwrap_err().to_string();
        assert_eq!(error, "s: the server returned columns of different lengths");
    }
}
