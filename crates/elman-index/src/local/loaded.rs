//! The vectors of a store in memory.

use crate::{
    error::IndexError,
    local::{condition::Condition, rows::Rows},
    metric::Metric,
};

/// The most that is kept; a store with more is read anew for each search.
const MAX_BYTES: usize = 512 << 20;

#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// How many rows had been removed when this was read: rows are added and removed, never changed.
    removed: i64,
    rows: Vec<i64>,
    /// `[rows, d_embed]`
    vectors: Vec<f32>,
}

impl Loaded {
    /// The vectors as they are now, unless they are too many.
    pub(super) fn refreshed<'a>(kept: &'a mut Option<Self>, rows: &Rows<'_>) -> Result<Option<&'a Self>, IndexError> {
        let (count, removed) = (rows.count()?, rows.removed()?);
        if count.saturating_mul(rows.d_embed * size_of::<f32>()) > MAX_BYTES {
            *kept = None;
            return Ok(None);
        }
        // Taken out, so that nothing half read is kept.
        let mut loaded = match kept.take() {
            Some(loaded) if loaded.removed == removed => loaded,
            _ => Self { removed, ..Self::default() },
        };
        if loaded.rows.len() != count {
            let mut condition = Condition::of(None);
            condition.sql = "row > ?".into();
            condition.values = vec![loaded.rows.last().copied().unwrap_or(0).into()];
            let Self { rows: numbers, vectors, .. } = &mut loaded;
            rows.each_vector(&condition, |row, bytes| {
                numbers.push(row);
                rows.vector(bytes, vectors)
            })?;
        }
        if loaded.rows.len() != count {
            return Err(IndexError::Contradiction {
                path: rows.path.into(),
                what: "there are not as many entries as it says",
            });
        }
        Ok(Some(kept.insert(loaded)))
    }

    /// The score of each row, in order.
    pub(super) fn scores(&self, metric: Metric, query: &[f32]) -> Vec<(i64, f32)> {
        let vectors = self.vectors.chunks_exact(query.len());
        self.rows.iter().copied().zip(metric.scores(query, vectors)).collect()
    }
}
