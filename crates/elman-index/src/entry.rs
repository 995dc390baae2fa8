use std::collections::HashSet;

use serde_json::Value;

use crate::{error::IndexError, metric::Metric};

/// Metadata of an entry: a JSON object.
pub type Metadata = serde_json::Map<String, Value>;

/// Maximum dimension of vectors.
pub const MAX_DIM: usize = 65_536;

/// Maximum nesting depth of JSON. The limits of JSON parsers must not be below this.
pub(crate) const MAX_DEPTH: usize = 64;

/// An entry of a store: an id, a vector, its text and metadata.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The id: unique in the store, not empty.
    pub id: String,
    /// The embedding, `[dim]`. All values are finite.
    pub vector: Vec<f32>,
    /// The text that was embedded.
    pub text: String,
    /// Additional fields, such as the source of the text.
    pub metadata: Option<Metadata>,
}

impl Entry {
    /// An entry without metadata.
    pub fn new(id: impl Into<String>, vector: Vec<f32>, text: impl Into<String>) -> Self {
        Self { id: id.into(), vector, text: text.into(), metadata: None }
    }

    /// Sets the metadata.
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = Some(metadata);
        self
    }

    /// Checks the id, vector and metadata.
    fn check(&self, dim: usize) -> Result<(), IndexError> {
        if self.id.is_empty() {
            return Err(IndexError::EmptyId);
        }
        if self.vector.len() != dim {
            let found = self.vector.len();
            return Err(IndexError::EntryDimension { id: self.id.clone(), expected: dim, found });
        }
        if let Some(position) = non_finite(&self.vector) {
            let found = self.vector[position];
            return Err(IndexError::EntryNotFinite { id: self.id.clone(), position, found });
        }
        let shallow = self.metadata.iter().flat_map(Metadata::values).all(|value| nests_within(value, MAX_DEPTH - 1));
        if !shallow {
            return Err(IndexError::MetadataDepth { id: self.id.clone(), limit: MAX_DEPTH });
        }
        Ok(())
    }
}

/// An entry that a search returns.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The id of the entry.
    pub id: String,
    /// The value of the [`Metric`](crate::Metric) for the query and the entry.
    pub score: f32,
    /// The text that was embedded.
    pub text: String,
    /// The metadata of the entry.
    pub metadata: Option<Metadata>,
}

/// Checks the entries of one `upsert` as every store requires.
pub(crate) fn check_entries(entries: &[Entry], dim: usize, metric: Metric) -> Result<(), IndexError> {
    let mut ids = HashSet::with_capacity(entries.len());
    for entry in entries {
        entry.check(dim)?;
        if metric == Metric::Cosine && is_zero(&entry.vector) {
            return Err(IndexError::EntryZero { id: entry.id.clone() });
        }
        if !ids.insert(entry.id.as_str()) {
            return Err(IndexError::RepeatedId { id: entry.id.clone() });
        }
    }
    Ok(())
}

/// Checks a query as every store requires.
pub(crate) fn check_store_query(query: &[f32], dim: usize, metric: Metric) -> Result<(), IndexError> {
    check_query(query, dim)?;
    match metric == Metric::Cosine && is_zero(query) {
        true => Err(IndexError::QueryZero),
        false => Ok(()),
    }
}

fn is_zero(vector: &[f32]) -> bool {
    vector.iter().all(|&value| value == 0.0)
}

/// Checks the dimension of vectors.
pub(crate) fn check_dim(dim: usize) -> Result<(), IndexError> {
    if dim == 0 || dim > MAX_DIM {
        return Err(IndexError::Dimension { limit: MAX_DIM, found: dim });
    }
    Ok(())
}

/// Checks the dimension of a query and that its values are finite.
pub(crate) fn check_query(query: &[f32], dim: usize) -> Result<(), IndexError> {
    if query.len() != dim {
        return Err(IndexError::QueryDimension { expected: dim, found: query.len() });
    }
    match non_finite(query) {
        Some(position) => Err(IndexError::QueryNotFinite { position, found: query[position] }),
        None => Ok(()),
    }
}

/// Whether a JSON value is nested at most `limit` levels deep. Recurses no deeper than that.
pub(crate) fn nests_within(value: &Value, limit: usize) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) if limit == 0 => false,
        Value::Array(values) => values.iter().all(|inner| nests_within(inner, limit - 1)),
        Value::Object(map) => map.values().all(|inner| nests_within(inner, limit - 1)),
        _ => true,
    }
}

pub(crate) fn non_finite(vector: &[f32]) -> Option<usize> {
    vector.iter().position(|value| !value.is_finite())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nested(depth: usize) -> Value {
        (1..depth).fold(json!([]), |inner, _| json!([inner]))
    }

    #[test]
    fn depth_counts_arrays_and_objects() {
        assert!(nests_within(&json!(1), 0));
        assert!(!nests_within(&json!({}), 0));
        assert!(nests_within(&json!({"a": [1]}), 2));
        assert!(!nests_within(&json!({"a": [[]]}), 2));
    }

    #[test]
    fn metadata_depth_is_limited() {
        let entry = |depth: usize| {
            let metadata = Metadata::from_iter([("deep".to_string(), nested(depth - 1))]);
            Entry::new("a", vec![1.0], "").with_metadata(metadata).check(1)
        };
        assert!(entry(MAX_DEPTH).is_ok());
        assert!(matches!(entry(MAX_DEPTH + 1), Err(IndexError::MetadataDepth { id, limit: 64 }) if id == "a"));
    }

    #[test]
    fn entries_and_queries_are_checked() {
        assert!(matches!(Entry::new("", vec![1.0], "").check(1), Err(IndexError::EmptyId)));
        let error = Entry::new("a", vec![1.0], "").check(2).unwrap_err();
        assert_eq!(error.to_string(), "the vector of entry 'a' has 1 dimensions, but the store holds vectors of 2");
        let error = Entry::new("a", vec![1.0, f32::NAN], "").check(2).unwrap_err();
        assert_eq!(error.to_string(), "the vector of entry 'a' is NaN at position 1: every value must be finite");
        let error = check_query(&[1.0], 2).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the query has 1 dimensions, but the store holds vectors of 2: use the model of the store"
        );
        let error = check_query(&[f32::NEG_INFINITY, 0.0], 2).unwrap_err();
        assert_eq!(error.to_string(), "the query is -inf at position 0: every value must be finite");
    }
}
