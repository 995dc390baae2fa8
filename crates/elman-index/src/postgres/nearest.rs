//! Search.

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
    server::{LATER, ServerError},
};

/// Fewer entries are compared one by one.
const FEW: i64 = 10_000;
/// The greatest `hnsw.ef_search`: for more hits every entry is compared.
const MAX_CANDIDATES: usize = 1_000;
/// The candidates for each hit, and the fewest at all. More find more of the true neighbours, and take longer.
const CANDIDATES_PER_HIT: usize = 4;
const MIN_CANDIDATES: usize = 100;

#[derive(Debug)]
pub(super) struct Nearest {
    pub(super) metric: Metric,
    pub(super) d_embed: usize,
    /// Whether there were many entries when it was last looked.
    many: AtomicBool,
}

impl Nearest {
    pub(super) fn new(metric: Metric, d_embed: usize) -> Self {
        Self { metric, d_embed, many: AtomicBool::new(false) }
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
        if is_indexed(self.d_embed) && count <= MAX_CANDIDATES && self.has_many(rows)? {
            // the index may come to its end before all are found that a filter admits
            let near = self.entries(rows, query, count_or_all, filter, true)?;
            found = (near.len() >= count).then_some(near);
        }
        let found = match found {
            Some(found) => found,
            None => self.entries(rows, query, count_or_all, filter, false)?,
        };
        Ok(self.hits(query, found))
    }

    fn has_many(&self, rows: &Rows) -> Result<bool, IndexError> {
        // a store seldom becomes small again, and then the search is still complete
        if !self.many.load(Ordering::Relaxed) {
            self.many.store(rows.has(FEW)?, Ordering::Relaxed);
        }
        Ok(self.many.load(Ordering::Relaxed))
    }

    /// The entries nearest to a query, by the index or one by one.
    fn entries(
        &self,
        rows: &Rows,
        query: &[f32],
        count: i64,
        filter: Option<&Filter>,
        indexed: bool,
    ) -> Result<Vec<Entry>, ServerError> {
        let mut condition = Condition::of(filter);
        let query = condition.value(Vector::from(query.to_vec()));
        // a sum is no order that an index has
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
        rows.sessions.run(LATER, |client| {
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

    /// Entries as hits, best first. The scores are computed here, in double precision, which pgvector does not.
    fn hits(&self, query: &[f32], entries: Vec<Entry>) -> Vec<Hit> {
        let sign = if self.metric.is_distance() { -1.0 } else { 1.0 };
        let scores = entries.iter().map(|entry| sign * self.metric.score(query, &entry.vector));
        let best = top_k(scores, usize::MAX);
        let mut entries: Vec<Option<Entry>> = entries.into_iter().map(Some).collect();
        best.into_iter()
            .map(|(position, score)| {
                let Entry { id, text, metadata, .. } = entries[position].take().expect("each position comes once");
                Hit { id, score: sign * score, text, metadata }
            })
            .collect()
    }
}
