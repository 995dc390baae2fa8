//! Searches of a store: by vector, by words, and by both.

use crate::{
    entry::{Hit, check_store_query},
    error::IndexError,
    filter::Filter,
    fusion::{self, reciprocal_rank_fusion},
    local::{Inner, LocalStore, condition::Condition, loaded::Loaded, rows::Rows},
    metric::Metric,
    rank::top_k,
};

impl LocalStore {
    /// [`search`](crate::VectorStore::search) or [`search_where`](crate::VectorStore::search_where) that compares the query
    /// with every vector, whether there is a graph or not.
    ///
    /// # Shapes
    /// `query`: `[d_embed]`.
    ///
    /// # Errors
    /// As these.
    pub fn search_exact(&self, query: &[f32], count: usize, filter: Option<&Filter>) -> Result<Vec<Hit>, IndexError> {
        check_store_query(query, self.config.d_embed, self.config.metric)?;
        let metric = self.config.metric;
        let Inner { database, loaded, .. } = &mut *self.inner();
        database.read(|rows| {
            rows.check_fields(filter)?;
            let scored = match filter {
                Some(_) => rows.scores(metric, query, &Condition::of(filter))?,
                None => Loaded::all_scores(loaded, rows, metric, query, 0)?,
            };
            best(rows, metric, &scored, count)
        })
    }

    /// The `count` entries whose texts fit the words of `text` best, of those that the filter admits: BM25, greatest
    /// first. An entry needs one of the words.
    ///
    /// Words are sequences of letters and digits, as [`folded`](crate::folded) has them: case, accents, width and form do not
    /// count. Where a script puts no spaces between words, each two letters beside each other are a word. A store that was
    /// made before this was so is searched as it was made, until it is opened for writing. Scores are comparable within one
    /// search alone.
    ///
    /// # Errors
    /// As [`search_where`](crate::VectorStore::search_where).
    ///
    /// # Reference
    /// Robertson and Zaragoza 2009, *The Probabilistic Relevance Framework: BM25 and Beyond*, by
    /// [SQLite's FTS5](https://sqlite.org/fts5.html).
    pub fn search_text(&self, text: &str, count: usize, filter: Option<&Filter>) -> Result<Vec<Hit>, IndexError> {
        self.inner().database.read(|rows| {
            rows.check_fields(filter)?;
            rows.lexical(text, count, filter)
        })
    }

    /// Both searches, by the vector and by the words of `text`, put in one order by
    /// [reciprocal rank fusion](reciprocal_rank_fusion).
    ///
    /// # Shapes
    /// `query`: `[d_embed]`.
    ///
    /// # Errors
    /// As [`search_where`](crate::VectorStore::search_where).
    pub fn search_hybrid(
        &self,
        text: &str,
        query: &[f32],
        count: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Hit>, IndexError> {
        let each = fusion::candidates(count);
        let words = self.search_text(text, each, filter)?;
        let near = self.nearest(query, each, filter)?;
        // what alone has the words comes before what is nearest alone
        Ok(reciprocal_rank_fusion(vec![words, near], count))
    }

    pub(super) fn nearest(&self, query: &[f32], count: usize, filter: Option<&Filter>) -> Result<Vec<Hit>, IndexError> {
        check_store_query(query, self.config.d_embed, self.config.metric)?;
        #[cfg(feature = "graph")]
        if let Some(hits) = self.by_graph(query, count, filter)? {
            return Ok(hits);
        }
        self.search_exact(query, count, filter)
    }
}

/// The entries with the best scores, best first; equal ones as they come.
pub(super) fn best(
    rows: &Rows<'_>,
    metric: Metric,
    scored: &[(i64, f32)],
    count: usize,
) -> Result<Vec<Hit>, IndexError> {
    let sign = if metric.is_distance() { -1.0 } else { 1.0 };
    let best = top_k(scored.iter().map(|&(_, score)| sign * score), count);
    best.into_iter().map(|(position, _)| rows.hit(scored[position].0, scored[position].1)).collect()
}
