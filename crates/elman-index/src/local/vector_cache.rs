//! Vectors of a local store, cached in memory.

use crate::{
    error::IndexError,
    local::{condition::Condition, rows::Rows},
    metric::Metric,
};

/// Maximum size of the vectors. Those of a larger store are read from the database in each search.
const MAX_BYTES: usize = 512 << 20;

#[derive(Debug, Default)]
pub(super) struct VectorCache {
    /// Only rows after this one are cached.
    after: i64,
    /// The value of `removed` when the rows were read. Rows are added and removed, never changed.
    removed: i64,
    rows: Vec<i64>,
    /// `[rows, dim]`
    vectors: Vec<f32>,
}

impl VectorCache {
    /// The score of each row after `after`, in order: from the cache, or from the database if the vectors are too
    /// large.
    pub(super) fn all_scores(
        cache: &mut Option<Self>,
        rows: &Rows<'_>,
        metric: Metric,
        query: &[f32],
        after: i64,
    ) -> Result<Vec<(i64, f32)>, IndexError> {
        match Self::refresh(cache, rows, after)? {
            Some(cached) => Ok(cached.scores(metric, query)),
            None => rows.scores(metric, query, &Condition::between(after, i64::MAX)),
        }
    }

    /// Updates the cache; `None` if the vectors are too large.
    fn refresh<'a>(cache: &'a mut Option<Self>, rows: &Rows<'_>, after: i64) -> Result<Option<&'a Self>, IndexError> {
        let (count, removed) = (rows.count_after(after)?, rows.removed()?);
        if count.saturating_mul(rows.dim * size_of::<f32>()) > MAX_BYTES {
            *cache = None;
            return Ok(None);
        }
        // taken out of the cache, so that an error does not leave it half updated
        let mut cached = match cache.take() {
            Some(cached) if (cached.after, cached.removed) == (after, removed) => cached,
            _ => Self { after, removed, ..Self::default() },
        };
        if cached.rows.len() != count {
            let condition = Condition::between(cached.rows.last().copied().unwrap_or(after), i64::MAX);
            let Self { rows: row_ids, vectors, .. } = &mut cached;
            rows.each_vector(&condition, |row, bytes| {
                row_ids.push(row);
                rows.push_vector(bytes, vectors)
            })?;
        }
        if cached.rows.len() != count {
            return Err(IndexError::Contradiction {
                path: rows.path.into(),
                what: "the number of entries differs from the stored count",
            });
        }
        Ok(Some(cache.insert(cached)))
    }

    /// The score of each row, in order.
    fn scores(&self, metric: Metric, query: &[f32]) -> Vec<(i64, f32)> {
        let vectors = self.vectors.chunks_exact(query.len());
        self.rows.iter().copied().zip(metric.scores(query, vectors)).collect()
    }
}
