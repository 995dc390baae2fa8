//! Whether a search goes by the graph, and what it finds there.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use super::Graph;
use crate::{
    entry::Hit,
    error::IndexError,
    filter::Filter,
    local::{Inner, LocalStore, loaded::Loaded, rows::Rows, search::best},
};

/// Candidates for each hit that is asked for: 8 bits do not tell the nearest from each other.
const OVERSAMPLING: usize = 2;
/// Entries that a filter may leave to be read one by one: about as long as a filtered walk over the graph takes.
const FEW: usize = 20_000;
/// Entries whose metadata are looked at on a walk. If that is not enough, the filter leaves few.
const MAX_LOOKS: usize = 50_000;
/// A part of the graph that is too large to be had by a walk.
const TOO_LARGE: usize = 8;

/// What the database calls the graph, and the graph unless it could not be opened.
pub(in crate::local) type Kept = Option<(String, Option<Arc<Graph>>)>;

impl LocalStore {
    /// What a search finds by the graph; none where all that count are to be read: there is no graph, a filter leaves few,
    /// or much of the store is asked for.
    pub(in crate::local) fn by_graph(
        &self,
        query: &[f32],
        count: usize,
        filter: Option<&Filter>,
    ) -> Result<Option<Vec<Hit>>, IndexError> {
        let mut kept = self.inner().graph.clone();
        // at most twice: by what is kept, and by what the database has by now
        for _ in 0..2 {
            if let Some((generation, graph)) = &kept {
                let found = self.reading(|rows| {
                    if rows.generation()?.as_ref() != Some(generation) {
                        return Ok(None);
                    }
                    let Some(graph) = graph else { return Ok(Some(None)) };
                    rows.check_fields(filter)?;
                    match filter {
                        Some(filter) if rows.bound(filter, FEW + 1)? <= FEW => Ok(Some(None)),
                        _ => Walk { store: self, graph, query, count, filter }.hits(rows).map(Some),
                    }
                })?;
                if let Some(found) = found {
                    return Ok(found);
                }
            }
            kept = self.opened()?;
        }
        Ok(None)
    }

    /// The graph that the database has by now, opened; one that cannot be is not tried again.
    fn opened(&self) -> Result<Kept, IndexError> {
        let Inner { database, graph, .. } = &mut *self.inner();
        let generation = database.read(|rows| rows.generation())?;
        if graph.as_ref().map(|(generation, _)| generation) != generation.as_ref() {
            *graph = generation.map(|generation| {
                let opened = Graph::open(&self.folder, &generation, &self.config, self.expansion).map(Arc::new);
                (generation, opened)
            });
        }
        Ok(graph.clone())
    }
}

/// A search by a graph.
struct Walk<'a> {
    store: &'a LocalStore,
    graph: &'a Graph,
    query: &'a [f32],
    count: usize,
    filter: Option<&'a Filter>,
}

impl Walk<'_> {
    fn hits(&self, rows: &Rows<'_>) -> Result<Option<Vec<Hit>>, IndexError> {
        let Self { graph, query, count, .. } = *self;
        // as many more as have been removed since
        let gone = usize::try_from(rows.removed()?.saturating_sub(graph.stamp.removed)).unwrap_or(usize::MAX);
        let wanted = count.saturating_mul(OVERSAMPLING);
        let more = (wanted as f64 * gone as f64 / graph.stamp.entries.max(1) as f64) as usize;
        let mut wanted = wanted.saturating_add(more);
        while wanted <= graph.stamp.entries / TOO_LARGE {
            let candidates = match self.filter {
                None => graph.nearest(query, wanted, None),
                Some(filter) => admitted(graph, rows, query, wanted, filter)?,
            };
            let Some(candidates) = candidates else { break };
            let hits = self.settled(rows, &candidates)?;
            if hits.len() >= count.min(rows.count()?) {
                return Ok(Some(hits));
            }
            if self.filter.is_some() {
                break; // there may be no more
            }
            wanted *= 4; // candidates are no longer in the store
        }
        Ok(None)
    }

    /// The best of the candidates that are still there and of what came after the graph, by their vectors as they are.
    fn settled(&self, rows: &Rows<'_>, candidates: &[i64]) -> Result<Vec<Hit>, IndexError> {
        let Self { store, query, .. } = *self;
        let (metric, after) = (store.config.metric, self.graph.stamp.last_row);
        let mut scored = rows.scores_of(metric, query, candidates)?;
        if rows.last_row()? > after {
            scored.extend(match self.filter {
                Some(filter) => rows.scores_after(metric, query, after, filter)?,
                None => Loaded::all_scores(&mut store.inner().loaded, rows, metric, query, after)?,
            });
        }
        // equal scores come in this order
        scored.sort_unstable_by_key(|&(row, _)| row);
        best(rows, metric, &scored, self.count)
    }
}

/// What a walk over the graph finds that a filter admits; none if it would have to look at too many.
fn admitted(
    graph: &Graph,
    rows: &Rows<'_>,
    query: &[f32],
    wanted: usize,
    filter: &Filter,
) -> Result<Option<Vec<i64>>, IndexError> {
    let (looks, error) = (Cell::new(0), RefCell::new(None));
    let admits = |row: i64| {
        looks.set(looks.get() + 1);
        // what ends a walk soonest
        looks.get() > MAX_LOOKS
            || rows.admits(row, filter).unwrap_or_else(|failed| {
                error.borrow_mut().get_or_insert(failed);
                true
            })
    };
    let found = graph.nearest(query, wanted, Some(&admits));
    match error.into_inner() {
        Some(error) => Err(error),
        None => Ok(found.filter(|_| looks.get() <= MAX_LOOKS)),
    }
}
