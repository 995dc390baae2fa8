//! Search in the graph, and the decision whether to use it.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use super::Graph;
use crate::{
    entry::Hit,
    error::IndexError,
    filter::Filter,
    local::{Inner, LocalStore, rows::Rows, search::best_hits, vector_cache::VectorCache},
};

/// Candidates per hit: the graph's int8 or bf16 vectors do not rank the nearest exactly.
const OVERSAMPLING: usize = 2;
/// Up to this number of matches, a filter is answered exactly: reading them takes about as long as a filtered graph
/// search.
const MAX_EXACT_MATCHES: usize = 20_000;
/// Maximum number of entries whose metadata a filtered graph search checks. If it needs more, the filter has few
/// matches.
const MAX_FILTER_CHECKS: usize = 50_000;
/// A graph search is used for at most the size of the graph divided by this, in candidates.
const MAX_CANDIDATES_DIVISOR: usize = 8;

/// The id of the graph in the database, and the graph unless it could not be opened.
pub(in crate::local) type CachedGraph = Option<(String, Option<Arc<Graph>>)>;

impl LocalStore {
    /// Searches the graph. `None` if an exact search must be used: there is no graph, a filter has few matches, or a
    /// large part of the store is requested.
    pub(in crate::local) fn search_graph(
        &self,
        query: &[f32],
        count: usize,
        filter: Option<&Filter>,
    ) -> Result<Option<Vec<Hit>>, IndexError> {
        let mut cached = self.inner().graph.clone();
        // at most twice: with the cached graph, then with the current one
        for _ in 0..2 {
            if let Some((graph_id, graph)) = &cached {
                let found = self.read_concurrently(|rows| {
                    if rows.graph_id()?.as_ref() != Some(graph_id) {
                        return Ok(None);
                    }
                    let Some(graph) = graph else { return Ok(Some(None)) };
                    rows.check_fields(filter)?;
                    match filter {
                        Some(filter) if rows.max_matches(filter, MAX_EXACT_MATCHES + 1)? <= MAX_EXACT_MATCHES => {
                            Ok(Some(None))
                        }
                        _ => GraphSearch { store: self, graph, query, count, filter }.hits(rows).map(Some),
                    }
                })?;
                if let Some(found) = found {
                    return Ok(found);
                }
            }
            cached = self.current_graph()?;
        }
        Ok(None)
    }

    /// Opens the current graph, if it is not cached. A graph that cannot be opened is not tried again.
    fn current_graph(&self) -> Result<CachedGraph, IndexError> {
        let Inner { database, graph, .. } = &mut *self.inner();
        let graph_id = database.read(|rows| rows.graph_id())?;
        if graph.as_ref().map(|(graph_id, _)| graph_id) != graph_id.as_ref() {
            *graph = graph_id.map(|graph_id| {
                let opened = Graph::open(&self.folder, &graph_id, &self.config, self.expansion).map(Arc::new);
                (graph_id, opened)
            });
        }
        Ok(graph.clone())
    }
}

/// A search in a graph.
struct GraphSearch<'a> {
    store: &'a LocalStore,
    graph: &'a Graph,
    query: &'a [f32],
    count: usize,
    filter: Option<&'a Filter>,
}

impl GraphSearch<'_> {
    fn hits(&self, rows: &Rows<'_>) -> Result<Option<Vec<Hit>>, IndexError> {
        let Self { graph, query, count, .. } = *self;
        // more candidates, in proportion to the entries deleted since the graph was built
        let gone = usize::try_from(rows.removed()?.saturating_sub(graph.manifest.removed)).unwrap_or(usize::MAX);
        let wanted = count.saturating_mul(OVERSAMPLING);
        let more = (wanted as f64 * gone as f64 / graph.manifest.entries.max(1) as f64) as usize;
        let mut wanted = wanted.saturating_add(more);
        while wanted <= graph.manifest.entries / MAX_CANDIDATES_DIVISOR {
            let candidates = match self.filter {
                None => graph.nearest(query, wanted, None),
                Some(filter) => filtered_candidates(graph, rows, query, wanted, filter)?,
            };
            let Some(candidates) = candidates else { break };
            let hits = self.rescore(rows, &candidates)?;
            if hits.len() >= count.min(rows.count()?) {
                return Ok(Some(hits));
            }
            if self.filter.is_some() {
                break; // there may be no more matches
            }
            wanted *= 4; // candidates were deleted from the store
        }
        Ok(None)
    }

    /// Scores the candidates that still exist and the entries that are not in the graph by their stored vectors, and
    /// returns the best.
    fn rescore(&self, rows: &Rows<'_>, candidates: &[i64]) -> Result<Vec<Hit>, IndexError> {
        let Self { store, query, .. } = *self;
        let (metric, after) = (store.config.metric, self.graph.manifest.last_row);
        let mut scored = rows.scores_of(metric, query, candidates)?;
        if rows.last_row()? > after {
            scored.extend(match self.filter {
                Some(filter) => rows.scores_after(metric, query, after, filter)?,
                None => VectorCache::all_scores(&mut store.inner().vectors, rows, metric, query, after)?,
            });
        }
        // ties are in the order of rows
        scored.sort_unstable_by_key(|&(row, _)| row);
        best_hits(rows, metric, &scored, self.count)
    }
}

/// Candidates that match a filter; `None` if that takes more than `MAX_FILTER_CHECKS` checks.
fn filtered_candidates(
    graph: &Graph,
    rows: &Rows<'_>,
    query: &[f32],
    wanted: usize,
    filter: &Filter,
) -> Result<Option<Vec<i64>>, IndexError> {
    let (checks, error) = (Cell::new(0), RefCell::new(None));
    let matches = |row: i64| {
        checks.set(checks.get() + 1);
        // beyond the limit, true ends the search soonest
        checks.get() > MAX_FILTER_CHECKS
            || rows.matches(row, filter).unwrap_or_else(|failed| {
                error.borrow_mut().get_or_insert(failed);
                true
            })
    };
    let found = graph.nearest(query, wanted, Some(&matches));
    match error.into_inner() {
        Some(error) => Err(error),
        None => Ok(found.filter(|_| checks.get() <= MAX_FILTER_CHECKS)),
    }
}
