//! Vector search.

use std::sync::atomic::{AtomicBool, Ordering};

use pgvector::Vector;

use crate::{
    entry::{Entry, Hit},
    error::IndexError,
    filter::Filter,
    metric::Metric,
    postgres::{
        condition::Condition,
        entries::{COLUMNS, entry},
        rows::Rows,
        table::{is_indexed, operator},
    },
    rank::top_k,
    server::{RETRY_TIMEOUT, ServerError},
};

/// Smaller stores are searched exactly.
const MIN_INDEXED_ENTRIES: i64 = 10_000;
/// Maximum of `hnsw.ef_search`. Searches for more hits are exact.
const MAX_CANDIDATES: usize = 1_000;
/// Candidates per hit, and the minimum. More increase recall and time.
const CANDIDATES_PER_HIT: usize = 4;
const MIN_CANDIDATES: usize = 100;

#[derive(Debug)]
pub(super) struct Nearest {
    pub(super) metric: Metric,
    pub(super) dim: usize,
    /// Whether the store had at least `MIN_INDEXED_ENTRIES` entries at the last check.
    is_large: AtomicBool,
}

impl Nearest {
    pub(super) fn new(metric: Metric, dim: usize) -> Self {
        Self { metric, dim, is_large: AtomicBool::new(false) }
    }

    pub(super) fn search(
        &self,
        rows: &Rows,
        query: &[f32],
        count: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Hit>, IndexError> {
        rows.check_fields(filter)?;
        let count_or_all = i64::try_from(count).unwrap_or(i64::MAX);
        let mut found = None;
        if is_indexed(self.dim) && count <= MAX_CANDIDATES && self.is_large(rows)? {
            // the scan of the index may end before enough entries match the filter
            let near = self.entries(rows, query, count_or_all, filter, true)?;
            found = (near.len() >= count).then_some(near);
        }
        let found = match found {
            Some(found) => found,
            None => self.entries(rows, query, count_or_all, filter, false)?,
        };
        Ok(self.hits(query, found))
    }

    fn is_large(&self, rows: &Rows) -> Result<bool, IndexError> {
        // a store rarely becomes small again, and then the search still returns all hits
        if !self.is_large.load(Ordering::Relaxed) {
            self.is_large.store(rows.has_at_least(MIN_INDEXED_ENTRIES)?, Ordering::Relaxed);
        }
        Ok(self.is_large.load(Ordering::Relaxed))
    }

    /// The entries nearest to a query, by the index or exact.
    fn entries(
        &self,
        rows: &Rows,
        query: &[f32],
        count: i64,
        filter: Option<&Filter>,
        indexed: bool,
    ) -> Result<Vec<Entry>, ServerError> {
        let mut condition = Condition::from_filter(filter);
        let query = condition.add_value(Vector::from(query.to_vec()));
        // the planner cannot use the index for a sum
        let sum = if indexed { "" } else { " + 0, number" };
        let sql = format!(
            "SELECT {COLUMNS} FROM {} WHERE {} ORDER BY (vector {} {query}){sum} LIMIT {count}",
            rows.table(),
            condition.sql,
            operator(self.metric)
        );
        let candidates = usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(CANDIDATES_PER_HIT);
        let candidates = candidates.clamp(MIN_CANDIDATES, MAX_CANDIDATES);
        let begin = format!(
            "BEGIN READ ONLY; SET LOCAL hnsw.ef_search = {candidates}; SET LOCAL hnsw.iterative_scan = strict_order"
        );
        rows.sessions.run(RETRY_TIMEOUT, |client| {
            let (sql, begin, values) = (&sql, &begin, condition.values());
            async move {
                if indexed {
                    client.batch_execute(begin).await?;
                }
                let rows = client.query(sql, &values).await?;
                if indexed {
                    client.batch_execute("COMMIT").await?;
                }
                rows.iter().map(entry).collect()
            }
        })
    }

    /// Converts entries to hits, best first. Scores are computed here in `f64`; pgvector uses `f32`.
    fn hits(&self, query: &[f32], entries: Vec<Entry>) -> Vec<Hit> {
        let sign = if self.metric.is_distance() { -1.0 } else { 1.0 };
        let scores = entries.iter().map(|entry| sign * self.metric.score(query, &entry.vector));
        let best = top_k(scores, usize::MAX);
        let mut entries: Vec<Option<Entry>> = entries.into_iter().map(Some).collect();
        best.into_iter()
            .map(|(position, score)| {
                let Entry { id, text, metadata, .. } = entries[position].take().expect("positions are distinct");
                Hit { id, score: sign * score, text, metadata }
            })
            .collect()
    }
}
