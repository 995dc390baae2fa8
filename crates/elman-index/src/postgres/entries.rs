//! Entries as rows, and back.

use std::{error::Error, io};

use pgvector::Vector;
use serde::Serialize;
use serde_json::{Serializer, Value, ser::Formatter};
use tokio_postgres::{
    Row,
    types::{FromSql, Type},
};

use crate::{
    entry::{Entry, Metadata},
    metric::Metric,
    server::ServerError,
    similarity::sum_products,
};

/// The columns that [`entry`] reads. The type `jsonb` is sent as text.
pub(super) const COLUMNS: &str = "id, vector, text, metadata::text";

/// About the most bytes that are sent at once.
const BATCH_BYTES: usize = 8 << 20;
/// pgvector sums squares as 32-bit floating point: they must neither overflow nor vanish.
const LONGEST: f64 = 1e18;
const SHORTEST: f64 = 1e-18;

/// Rows that are sent together, a column after another.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) ids: Vec<String>,
    pub(super) vectors: Vec<Vector>,
    pub(super) texts: Vec<String>,
    pub(super) metadata: Vec<Option<String>>,
}

/// Entries as rows. Refuses what PostgreSQL cannot keep.
pub(super) fn batches(server: &str, entries: Vec<Entry>, metric: Metric) -> Result<Vec<Batch>, ServerError> {
    let mut batches = vec![Batch::default()];
    let mut bytes = 0;
    for entry in entries {
        check(server, &entry, metric)?;
        let Entry { id, vector, text, metadata } = entry;
        let metadata = metadata.as_ref().map(written);
        bytes += id.len() + 4 * vector.len() + text.len() + metadata.as_ref().map_or(0, String::len);
        if bytes > BATCH_BYTES {
            batches.push(Batch::default());
            bytes = 0;
        }
        let batch = batches.last_mut().expect("there is one from the beginning");
        batch.ids.push(id);
        batch.vectors.push(vector.into());
        batch.texts.push(text);
        batch.metadata.push(metadata);
    }
    Ok(batches)
}

/// The entry of a row with [`COLUMNS`].
pub(super) fn entry(row: &Row) -> Result<Entry, tokio_postgres::Error> {
    let (vector, metadata): (Vector, Option<Read>) = (row.try_get(1)?, row.try_get(3)?);
    Ok(Entry { id: row.try_get(0)?, vector: vector.into(), text: row.try_get(2)?, metadata: metadata.map(|m| m.0) })
}

/// Metadata as JSON.
fn written(metadata: &Metadata) -> String {
    let mut json = Vec::new();
    metadata
        .serialize(&mut Serializer::with_formatter(&mut json, Floats))
        .expect("a map of JSON values with texts as keys can be written");
    String::from_utf8(json).expect("JSON is UTF-8")
}

/// Writes floating point so that it is read as such again: `jsonb` keeps digits behind the point, and no exponents.
struct Floats;

impl Formatter for Floats {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        match value.fract() == 0.0 {
            true => write!(writer, "{value:.1}"),
            false => serde_json::ser::CompactFormatter.write_f64(writer, value),
        }
    }
}

/// Metadata as they are read.
struct Read(Metadata);

impl<'a> FromSql<'a> for Read {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(serde_json::from_str(<&str>::from_sql(ty, raw)?)?))
    }

    fn accepts(ty: &Type) -> bool {
        <&str>::accepts(ty)
    }
}

fn has_nul(key: &str, value: &Value) -> bool {
    key.contains('\0')
        || match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(values) => values.iter().any(|value| has_nul("", value)),
            Value::Object(object) => object.iter().any(|(key, value)| has_nul(key, value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
}

fn check(server: &str, entry: &Entry, metric: Metric) -> Result<(), ServerError> {
    let id = entry.id.escape_debug();
    let metadata = entry.metadata.as_ref();
    for (part, found) in [
        ("id", entry.id.contains('\0')),
        ("text", entry.text.contains('\0')),
        ("metadata", metadata.is_some_and(|metadata| metadata.iter().any(|(key, value)| has_nul(key, value)))),
    ] {
        if found {
            let what = format!("the {part} of the entry '{id}' has the character U+0000, which no text there can have");
            return Err(ServerError::Unsupported { server: server.into(), what });
        }
    }
    check_length(server, &entry.vector, metric, || format!("the vector of the entry '{id}'"))
}

/// Refuses a vector whose comparison would leave the range of 32-bit floating point.
pub(super) fn check_length(
    server: &str,
    vector: &[f32],
    metric: Metric,
    name: impl FnOnce() -> String,
) -> Result<(), ServerError> {
    let length = sum_products(vector, vector).sqrt();
    if length > LONGEST || metric == Metric::Cosine && length < SHORTEST {
        let what = format!("{} has a length of {length:e}: scale it", name());
        return Err(ServerError::Unsupported { server: server.into(), what });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn floating_point_is_written_without_exponent_and_with_a_point() {
        let metadata = json!({"a": 1e17, "b": -2.0, "c": 1e-7, "d": 3, "e": u64::MAX, "f": 0.1});
        let json = written(metadata.as_object().unwrap());
        assert_eq!(json, r#"{"a":100000000000000000.0,"b":-2.0,"c":1e-7,"d":3,"e":18446744073709551615,"f":0.1}"#);
    }

    #[test]
    fn what_cannot_be_kept_is_named() {
        let entry = |id: &str, length, text: &str| Entry::new(id, vec![0.0, length], text);
        let metadata = json!({"a": [{"b": "x\0"}]}).as_object().cloned().unwrap();
        for (entry, metric, expected) in [
            (entry("a\0", 1.0, ""), Metric::Dot, "the id of the entry 'a\\0' has the character U+0000"),
            (entry("a", 1.0, "\0"), Metric::Dot, "the text of the entry 'a' has"),
            (entry("a", 1.0, "").with_metadata(metadata), Metric::Dot, "the metadata of the entry 'a' has"),
            (entry("a", 1e19, ""), Metric::Dot, "the vector of the entry 'a' has a length of 9.99"),
            (entry("a", 1e-19, ""), Metric::Cosine, "the vector of the entry 'a' has a length of 9.99"),
        ] {
            let error = batches("postgres", vec![entry], metric).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(batches("postgres", vec![entry("a", 0.0, "")], Metric::Euclidean).is_ok());
    }

    #[test]
    fn many_entries_are_sent_in_parts() {
        let text = "x".repeat(BATCH_BYTES / 4);
        let entries = (0..9).map(|n| Entry::new(n.to_string(), vec![1.0], text.clone())).collect();
        let ids: Vec<Vec<String>> =
            batches("", entries, Metric::Dot).unwrap().into_iter().map(|batch| batch.ids).collect();
        assert!(ids.len() > 2 && ids.iter().all(|part| part.len() < 5), "{ids:?}");
        assert_eq!(ids.concat(), (0..9).map(|n| n.to_string()).collect::<Vec<_>>());
    }
}
