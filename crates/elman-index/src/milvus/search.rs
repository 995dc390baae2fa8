//! Vector search in a collection.

use std::{cmp::Ordering, ops::ControlFlow};

use crate::{
    entry::{Entry, Hit},
    error::IndexError,
    filter::Filter,
    metric::Metric,
    milvus::{
        client::{Client, SearchResults},
        condition,
        rows::entries,
        schema::{self, ID, METADATA, TEXT, VECTOR},
    },
    server::ServerError,
};

/// Maximum number of hits that a server returns.
const MAX_HITS: usize = 16_384;
/// An exact search prunes its hits when they exceed twice this or the requested count, whichever is more.
const MIN_PRUNE: usize = 100;
/// Factor by which the limit grows when a filter leaves too few hits.
const LIMIT_GROWTH: usize = 8;

impl Client {
    /// The entries nearest to a query that match the filter, of which the server evaluates the supported part.
    ///
    /// The server's index is approximate and may return too few hits. In that case, and if more hits are requested than
    /// a server returns, all entries that match the server's part of the filter are read and compared.
    pub(super) fn nearest(
        &self,
        metric: Metric,
        query: &[f32],
        count: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Hit>, IndexError> {
        let hits = match count {
            0 => Vec::new(),
            count => self.search_growing(metric, query, count, filter)?,
        };
        if let Some(filter) = filter {
            self.check_fields(filter, hits.iter().map(|hit| hit.metadata.as_ref()))?;
        }
        Ok(hits)
    }

    /// Searches with growing limits until enough hits match the filter.
    fn search_growing(
        &self,
        metric: Metric,
        query: &[f32],
        count: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Hit>, ServerError> {
        let condition = filter.and_then(condition::from_filter).unwrap_or_default();
        let matches = |hit: &Hit| filter.is_none_or(|filter| filter.matches(hit.metadata.as_ref()));
        let mut limit = count.min(MAX_HITS);
        while let Some(mut hits) = self.candidates(metric, query, &condition, limit)? {
            let num_results = hits.len();
            hits.retain(matches);
            if hits.len() >= count || num_results < limit && num_results >= self.count(&condition)? {
                hits.truncate(count);
                return Ok(hits);
            }
            if num_results < limit || limit == MAX_HITS {
                break;
            }
            limit = (limit * LIMIT_GROWTH).min(MAX_HITS);
        }
        self.search_exact(metric, query, count, &condition, matches)
    }

    /// Searches the server's index, best hits first. `None` if the results exceed the message size.
    fn candidates(
        &self,
        metric: Metric,
        query: &[f32],
        condition: &str,
        limit: usize,
    ) -> Result<Option<Vec<Hit>>, ServerError> {
        if let Some(results) = self.search(query, condition, &[ID, TEXT, METADATA], limit)? {
            return self.hits(metric, results).map(Some);
        }
        // too large for one message: request the ids, then their texts and metadata in batches
        let Some(results) = self.search(query, condition, &[ID], limit)? else { return Ok(None) };
        let mut hits = self.hits(metric, results)?;
        let ids: Vec<&str> = hits.iter().map(|hit| hit.id.as_str()).collect();
        let mut rest = self.entries_by_id(&ids, &[ID, TEXT, METADATA])?;
        // drop hits that were deleted in between
        hits.retain_mut(|hit| match rest.remove(&hit.id) {
            Some(Entry { text, metadata, .. }) => {
                (hit.text, hit.metadata) = (text, metadata);
                true
            }
            None => false,
        });
        Ok(Some(hits))
    }

    fn hits(&self, metric: Metric, SearchResults { columns, scores }: SearchResults) -> Result<Vec<Hit>, ServerError> {
        let entries = entries(self.server(), columns)?;
        if entries.len() != scores.len() {
            let what = format!("the server returned {} scores for {} ids", scores.len(), entries.len());
            return Err(ServerError::Failed { server: self.server().into(), source: what.into() });
        }
        let hit =
            |(Entry { id, text, metadata, .. }, score)| Hit { id, score: schema::score(metric, score), text, metadata };
        let mut hits: Vec<Hit> = entries.into_iter().zip(scores).map(hit).collect();
        sort(metric, &mut hits);
        Ok(hits)
    }

    /// Reads and compares all entries that match the condition.
    fn search_exact(
        &self,
        metric: Metric,
        query: &[f32],
        count: usize,
        condition: &str,
        matches: impl Fn(&Hit) -> bool,
    ) -> Result<Vec<Hit>, ServerError> {
        let mut hits = Vec::new();
        self.for_each_entry(condition, &[ID, VECTOR, TEXT, METADATA], query.len(), |entry| {
            if entry.vector.len() == query.len() {
                let score = metric.score(query, &entry.vector);
                let hit = Hit { id: entry.id, score, text: entry.text, metadata: entry.metadata };
                hits.extend(Some(hit).filter(&matches));
            }
            // bounds the memory of hits
            if hits.len() / 2 > count.max(MIN_PRUNE) {
                sort(metric, &mut hits);
                hits.truncate(count);
            }
            ControlFlow::Continue(())
        })?;
        sort(metric, &mut hits);
        hits.truncate(count);
        Ok(hits)
    }
}

/// Sorts hits, best first.
fn sort(metric: Metric, hits: &mut [Hit]) {
    let order = |a: &Hit, b: &Hit| -> Ordering {
        match metric.is_distance() {
            true => a.score.total_cmp(&b.score),
            false => b.score.total_cmp(&a.score),
        }
    };
    hits.sort_by(order);
}
