//! The nearest entries, as many as there are.

use std::{cmp::Ordering, ops::ControlFlow};

use crate::{
    entry::{Entry, Hit},
    error::IndexError,
    filter::Filter,
    metric::Metric,
    milvus::{
        client::{Client, Found},
        condition,
        rows::entries,
        schema::{self, ID, METADATA, TEXT, VECTOR},
    },
    server::ServerError,
};

/// The most hits that a server returns.
const MAX_HITS: usize = 16_384;
/// How many hits may be kept that are not the nearest.
const KEPT: usize = 100;
/// By how much more is asked for each time that a filter leaves too few.
const GROWTH: usize = 8;

impl Client {
    /// The entries nearest to a query among those that a filter admits, which was told to the server as far as it goes.
    ///
    /// An index may miss some that are near, which is what makes it fast. It may also return fewer than there are; then,
    /// and where more are asked for than a server returns, every entry that meets the condition is read and compared.
    pub(super) fn nearest(
        &self,
        metric: Metric,
        query: &[f32],
        count: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Hit>, IndexError> {
        let hits = match count {
            0 => Vec::new(),
            count => self.found(metric, query, count, filter)?,
        };
        if let Some(filter) = filter {
            self.check_fields(filter, hits.iter().map(|hit| hit.metadata.as_ref()))?;
        }
        Ok(hits)
    }

    fn found(
        &self,
        metric: Metric,
        query: &[f32],
        count: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Hit>, ServerError> {
        let condition = filter.and_then(condition::of).unwrap_or_default();
        let admits = |hit: &Hit| filter.is_none_or(|filter| filter.matches(hit.metadata.as_ref()));
        let mut limit = count.min(MAX_HITS);
        while let Some(mut hits) = self.candidates(metric, query, &condition, limit)? {
            let found = hits.len();
            hits.retain(admits);
            if hits.len() >= count || found < limit && found >= self.count(&condition)? {
                hits.truncate(count);
                return Ok(hits);
            }
            if found < limit || limit == MAX_HITS {
                break;
            }
            limit = (limit * GROWTH).min(MAX_HITS);
        }
        self.compared(metric, query, count, &condition, admits)
    }

    /// What the server finds by its index, best first; none where that is more than a message holds.
    fn candidates(
        &self,
        metric: Metric,
        query: &[f32],
        condition: &str,
        limit: usize,
    ) -> Result<Option<Vec<Hit>>, ServerError> {
        if let Some(found) = self.search(query, condition, &[ID, TEXT, METADATA], limit)? {
            return self.hits(metric, found).map(Some);
        }
        // too much for one message: the ids first, and then what belongs to them in parts
        let Some(found) = self.search(query, condition, &[ID], limit)? else { return Ok(None) };
        let mut hits = self.hits(metric, found)?;
        let ids: Vec<&str> = hits.iter().map(|hit| hit.id.as_str()).collect();
        let mut rest = self.with_ids(&ids, &[ID, TEXT, METADATA])?;
        // one that is gone since then is no hit
        hits.retain_mut(|hit| match rest.remove(&hit.id) {
            Some(Entry { text, metadata, .. }) => {
                (hit.text, hit.metadata) = (text, metadata);
                true
            }
            None => false,
        });
        Ok(Some(hits))
    }

    fn hits(&self, metric: Metric, Found { columns, scores }: Found) -> Result<Vec<Hit>, ServerError> {
        let found = entries(self.server(), columns)?;
        if found.len() != scores.len() {
            let what = format!("the server sent {} scores for {} ids", scores.len(), found.len());
            return Err(ServerError::Failed { server: self.server().into(), source: what.into() });
        }
        let hit =
            |(Entry { id, text, metadata, .. }, score)| Hit { id, score: schema::score(metric, score), text, metadata };
        let mut hits: Vec<Hit> = found.into_iter().zip(scores).map(hit).collect();
        sort(metric, &mut hits);
        Ok(hits)
    }

    /// What is nearest among all entries that meet a condition, each of which is read.
    fn compared(
        &self,
        metric: Metric,
        query: &[f32],
        count: usize,
        condition: &str,
        admits: impl Fn(&Hit) -> bool,
    ) -> Result<Vec<Hit>, ServerError> {
        let mut hits = Vec::new();
        self.pages(condition, &[ID, VECTOR, TEXT, METADATA], query.len(), |entry| {
            if entry.vector.len() == query.len() {
                let score = metric.score(query, &entry.vector);
                let hit = Hit { id: entry.id, score, text: entry.text, metadata: entry.metadata };
                hits.extend(Some(hit).filter(&admits));
            }
            // now and then, so that not many more are kept than are asked for
            if hits.len() / 2 > count.max(KEPT) {
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

/// Best first.
fn sort(metric: Metric, hits: &mut [Hit]) {
    let order = |a: &Hit, b: &Hit| -> Ordering {
        match metric.is_distance() {
            true => a.score.total_cmp(&b.score),
            false => b.score.total_cmp(&a.score),
        }
    };
    hits.sort_by(order);
}
