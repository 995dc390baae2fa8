//! Conversion of entries to rows and back.

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

/// The columns that [`entry`] reads. `jsonb` is transferred as text.
pub(super) const COLUMNS: &str = "id, vector, text, metadata::text";

/// Approximate maximum size of a batch in bytes.
const BATCH_BYTES: usize = 8 << 20;
/// pgvector sums squares in `f32`, which must neither overflow nor underflow.
const MAX_NORM: f64 = 1e18;
const MIN_NORM: f64 = 1e-18;

/// Rows of one statement, by column.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) ids: Vec<String>,
    pub(super) vectors: Vec<Vector>,
    pub(super) texts: Vec<String>,
    pub(super) metadata: Vec<Option<String>>,
}

/// Splits entries into batches. Returns an error for values that PostgreSQL cannot store.
pub(super) fn batches(server: &str, entries: Vec<Entry>, metric: Metric) -> Result<Vec<Batch>, ServerError> {
    let mut batches = vec![Batch::default()];
    let mut bytes = 0;
    for entry in entries {
        check(server, &entry, metric)?;
        let Entry { id, vector, text, metadata } = entry;
        let metadata = metadata.as_ref().map(metadata_json);
        bytes += id.len() + 4 * vector.len() + text.len() + metadata.as_ref().map_or(0, String::len);
        if bytes > BATCH_BYTES {
            batches.push(Batch::default());
            bytes = 0;
        }
        let batch = batches.last_mut().expect("there is at least one batch");
        batch.ids.push(id);
        batch.vectors.push(vector.into());
        batch.texts.push(text);
        batch.metadata.push(metadata);
    }
    Ok(batches)
}

/// The entry of a row with [`COLUMNS`].
pub(super) fn entry(row: &Row) -> Result<Entry, tokio_postgres::Error> {
    let (vector, metadata): (Vector, Option<StoredMetadata>) = (row.try_get(1)?, row.try_get(3)?);
    Ok(Entry { id: row.try_get(0)?, vector: vector.into(), text: row.try_get(2)?, metadata: metadata.map(|m| m.0) })
}

/// Metadata as JSON.
fn metadata_json(metadata: &Metadata) -> String {
    let mut json = Vec::new();
    metadata
        .serialize(&mut Serializer::with_formatter(&mut json, FloatFormatter))
        .expect("a JSON object can be serialized");
    String::from_utf8(json).expect("JSON is UTF-8")
}

/// Formats integral floats with a decimal point and without an exponent, so that they stay floats: `jsonb` preserves
/// trailing fractional digits, but not exponents.
struct FloatFormatter;

impl Formatter for FloatFormatter {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        match value.fract() == 0.0 {
            true => write!(writer, "{value:.1}"),
            false => serde_json::ser::CompactFormatter.write_f64(writer, value),
        }
    }
}

/// Metadata as read from a row.
struct StoredMetadata(Metadata);

impl<'a> FromSql<'a> for StoredMetadata {
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
            let what =
                format!("the {part} of entry '{id}' contains the character U+0000, which PostgreSQL cannot store");
            return Err(ServerError::Unsupported { server: server.into(), what });
        }
    }
    check_norm(server, &entry.vector, metric, || format!("the vector of entry '{id}'"))
}

/// Checks that comparisons with the vector stay within the range of `f32`.
pub(super) fn check_norm(
    server: &str,
    vector: &[f32],
    metric: Metric,
    name: impl FnOnce() -> String,
) -> Result<(), ServerError> {
    let norm = sum_products(vector, vector).sqrt();
    if norm > MAX_NORM || metric == Metric::Cosine && norm < MIN_NORM {
        let what = format!("{} has a norm of {norm:e}, which is out of range: scale it", name());
        return Err(ServerError::Unsupported { server: server.into(), what });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integral_floats_have_a_decimal_point_and_no_exponent() {
        let metadata = json!({"a": 1e17, "b": -2.0, "c": 1e-7, "d": 3, "e": u64::MAX, "f": 0.1});
        let json = metadata_json(metadata.as_object().unwrap());
        assert_eq!(json, r#"{"a":100000000000000000.0,"b":-2.0,"c":1e-7,"d":3,"e":18446744073709551615,"f":0.1}"#);
    }

    #[test]
    fn unsupported_values_are_errors() {
        let entry = |id: &str, norm, text: &str| Entry::new(id, vec![0.0, norm], text);
        let metadata = json!({"a": [{"b": "x\0"}]}).as_object().cloned().unwrap();
        for (entry, metric, expected) in [
            (entry("a\0", 1.0, ""), Metric::Dot, "the id of entry 'a\\0' contains the character U+0000"),
            (entry("a", 1.0, "\0"), Metric::Dot, "the text of entry 'a' contains"),
            (entry("a", 1.0, "").with_metadata(metadata), Metric::Dot, "the metadata of entry 'a' contains"),
            (entry("a", 1e19, ""), Metric::Dot, "the vector of entry 'a' has a norm of 9.99"),
            (entry("a", 1e-19, ""), Metric::Cosine, "the vector of entry 'a' has a norm of 9.99"),
        ] {
            let error = batches("postgres", vec![entry], metric).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(batches("postgres", vec![entry("a", 0.0, "")], Metric::Euclidean).is_ok());
    }

    #[test]
    fn entries_are_split_into_batches() {
        let text = "x".repeat(BATCH_BYTES / 4);
        let entries = (0..9).map(|n| Entry::new(n.to_string(), vec![1.0], text.clone())).collect();
        let ids: Vec<Vec<String>> =
            batches("", entries, Metric::Dot).unwrap().into_iter().map(|batch| batch.ids).collect();
        assert!(ids.len() > 2 && ids.iter().all(|batch| batch.len() < 5), "{ids:?}");
        assert_eq!(ids.concat(), (0..9).map(|n| n.to_string()).collect::<Vec<_>>());
    }
}
