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
    /// Those after this row are kept.
    after: i64,
    /// How many rows had been removed when this was read: rows are added and removed, never changed.
    removed: i64,
    rows: Vec<i64>,
    /// `[rows, d_embed]`
    vectors: Vec<f32>,
}

impl Loaded {
    /// The score of each row after one, in order: from what is kept, unless it is too much to be.
    pub(super) fn all_scores(
        kept: &mut Option<Self>,
        rows: &Rows<'_>,
        metric: Metric,
        query: &[f32],
        after: i64,
    ) -> Result<Vec<(i64, f32)>, IndexError> {
        match Self::refreshed(kept, rows, after)? {
            Some(loaded) => Ok(loaded.scores(metric, query)),
            None => rows.scores(metric, query, &Condition::between(after, i64::MAX)),
        }
    }

    /// The vectors as they are now, unless they are too many.
    fn refreshed<'a>(kept: &'a mut Option<Self>, rows: &Rows<'_>, after: i64) -> Result<Option<&'a Self>, IndexError> {
        let (count, removed) = (rows.count_after(after)?, rows.removed()?);
        if count.saturating_mul(rows.d_embed * size_of::<f32>()) > MAX_BYTES {
            *kept = None;
            return Ok(None);
        }
        // Taken out, so that nothing half read is kept.
        let mut loaded = match kept.take() {
            Some(loaded) if (loaded.after, loaded.removed) == (after, removed) => loaded,
            _ => Self { after, removed, ..Self::default() },
        };
        if loaded.rows.len() != count {
            let condition = Condition::between(loaded.rows.last().copied().unwrap_or(after), i64::MAX);
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
    fn scores(&self, metric: Metric, query: &[f32]) -> Vec<(i64, f32)> {
        let vectors = self.vectors.chunks_exact(query.len());
        self.rows.iter().copied().zip(metric.scores(query, vectors)).collect()
    }
}
