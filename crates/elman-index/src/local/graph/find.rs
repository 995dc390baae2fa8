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

impl LocalStore {
    /// What a search finds by the graph; none where all that count are to be read: there is no graph, a filter leaves few,
    /// or much of the store is asked for.
    pub(in crate::local) fn by_graph(
        &self,
        query: &[f32],
        count: usize,
        filter: Option<&Filter>,
    ) -> Result<Option<Vec<Hit>>, IndexError> {
        let Some((graph, mut wanted)) = self.plan(count, filter)? else { return Ok(None) };
        while wanted <= graph.stamp.entries / TOO_LARGE {
            let candidates = match filter {
                // others may search meanwhile
                None => graph.nearest(query, wanted, None),
                Some(filter) => self.inner().database.read(|rows| admitted(&graph, rows, query, wanted, filter))?,
            };
            let Some(candidates) = candidates else { break };
            let (hits, there) = self.settled(&graph, query, count, filter, &candidates)?;
            if hits.len() >= count.min(there) {
                return Ok(Some(hits));
            }
            if filter.is_some() {
                break; // there may be no more
            }
            wanted *= 4; // candidates are no longer in the store
        }
        Ok(None)
    }

    fn plan(&self, count: usize, filter: Option<&Filter>) -> Result<Option<(Arc<Graph>, usize)>, IndexError> {
        let Inner { database, graph, .. } = &mut *self.inner();
        database.read(|rows| {
            rows.check_fields(filter)?;
            let Some(generation) = rows.generation()? else { return Ok(None) };
            // one that could not be opened is not tried again
            let (_, graph) = match graph {
                Some(kept) if kept.0 == generation => kept,
                _ => {
                    let opened = Graph::open(&self.folder, &generation, &self.config, self.expansion);
                    graph.insert((generation, opened.map(Arc::new)))
                }
            };
            let Some(graph) = graph.clone() else { return Ok(None) };
            if let Some(filter) = filter
                && rows.bound(filter, FEW + 1)? <= FEW
            {
                return Ok(None);
            }
            // as many more as have been removed since
            let gone = usize::try_from(rows.removed()?.saturating_sub(graph.stamp.removed)).unwrap_or(usize::MAX);
            let wanted = count.saturating_mul(OVERSAMPLING);
            let more = (wanted as f64 * gone as f64 / graph.stamp.entries.max(1) as f64) as usize;
            Ok(Some((graph, wanted.saturating_add(more))))
        })
    }

    /// The best of the candidates that are still there and of what came after the graph, by their vectors as they are, and
    /// how many entries there are.
    fn settled(
        &self,
        graph: &Graph,
        query: &[f32],
        count: usize,
        filter: Option<&Filter>,
        candidates: &[i64],
    ) -> Result<(Vec<Hit>, usize), IndexError> {
        let metric = self.config.metric;
        let Inner { database, loaded, .. } = &mut *self.inner();
        database.read(|rows| {
            let mut scored = rows.scores_of(metric, query, candidates)?;
            let after = graph.stamp.last_row;
            if rows.last_row()? > after {
                scored.extend(match filter {
                    Some(filter) => rows.scores_after(metric, query, after, filter)?,
                    None => Loaded::all_scores(loaded, rows, metric, query, after)?,
                });
            }
            // equal scores come in this order
            scored.sort_unstable_by_key(|&(row, _)| row);
            Ok((best(rows, metric, &scored, count)?, rows.count()?))
        })
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
