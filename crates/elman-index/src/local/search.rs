//! Vector, full-text and hybrid search in a local store.

use crate::{
    entry::{Hit, check_store_query},
    error::IndexError,
    filter::Filter,
    fusion::{self, reciprocal_rank_fusion},
    local::{Inner, LocalStore, condition::Condition, rows::Rows, vector_cache::VectorCache},
    metric::Metric,
    rank::top_k,
};

impl LocalStore {
    /// [`search`](crate::VectorStore::search) or [`search_where`](crate::VectorStore::search_where) without the graph:
    /// compares the query with every vector.
    ///
    /// # Shapes
    /// `query`: `[dim]`.
    ///
    /// # Errors
    /// See these.
    pub fn search_exact(&self, query: &[f32], count: usize, filter: Option<&Filter>) -> Result<Vec<Hit>, IndexError> {
        check_store_query(query, self.config.dim, self.config.metric)?;
        let metric = self.config.metric;
        let Inner { database, vectors, .. } = &mut *self.inner();
        database.read(|rows| {
            rows.check_fields(filter)?;
            let scored = match filter {
                Some(_) => rows.scores(metric, query, &Condition::from_filter(filter))?,
                None => VectorCache::all_scores(vectors, rows, metric, query, 0)?,
            };
            best_hits(rows, metric, &scored, count)
        })
    }

    /// Full-text search by BM25: the `count` best entries that contain at least one word of `text` and match the
    /// filter, greatest score first.
    ///
    /// Words are runs of letters and digits of the [`folded`](crate::folded) text: case, accents, width and Unicode
    /// normalization form are ignored. In scripts without spaces between words, bigrams of letters are used as words. A
    /// store in the format of version 1 is searched without folding until it is opened for writing. Scores are
    /// comparable only within one search.
    ///
    /// # Errors
    /// See [`search_where`](crate::VectorStore::search_where).
    ///
    /// # Reference
    /// Robertson and Zaragoza 2009, *The Probabilistic Relevance Framework: BM25 and Beyond*, by
    /// [SQLite's FTS5](https://sqlite.org/fts5.html).
    pub fn search_text(&self, text: &str, count: usize, filter: Option<&Filter>) -> Result<Vec<Hit>, IndexError> {
        self.inner().database.read(|rows| {
            rows.check_fields(filter)?;
            rows.search_text(text, count, filter)
        })
    }

    /// Hybrid search: full-text search for `text` and vector search for `query`, merged by
    /// [reciprocal rank fusion](reciprocal_rank_fusion).
    ///
    /// # Shapes
    /// `query`: `[dim]`.
    ///
    /// # Errors
    /// See [`search_where`](crate::VectorStore::search_where).
    pub fn search_hybrid(
        &self,
        text: &str,
        query: &[f32],
        count: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Hit>, IndexError> {
        let candidates = fusion::candidates(count);
        let lexical = self.search_text(text, candidates, filter)?;
        let nearest = self.nearest(query, candidates, filter)?;
        // ties go to the full-text hit
        Ok(reciprocal_rank_fusion(vec![lexical, nearest], count))
    }

    pub(super) fn nearest(&self, query: &[f32], count: usize, filter: Option<&Filter>) -> Result<Vec<Hit>, IndexError> {
        check_store_query(query, self.config.dim, self.config.metric)?;
        #[cfg(feature = "graph")]
        if let Some(hits) = self.search_graph(query, count, filter)? {
            return Ok(hits);
        }
        self.search_exact(query, count, filter)
    }
}

/// The entries with the best scores, best first. Ties keep their order.
pub(super) fn best_hits(
    rows: &Rows<'_>,
    metric: Metric,
    scored: &[(i64, f32)],
    count: usize,
) -> Result<Vec<Hit>, IndexError> {
    let sign = if metric.is_distance() { -1.0 } else { 1.0 };
    let best = top_k(scored.iter().map(|&(_, score)| sign * score), count);
    best.into_iter().map(|(position, _)| rows.hit(scored[position].0, scored[position].1)).collect()
}
