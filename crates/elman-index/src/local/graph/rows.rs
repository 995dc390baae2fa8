//! Queries on the tables for graph searches.

use crate::{
    error::IndexError,
    filter::Filter,
    local::{condition::Condition, database::optional, rows::Rows},
    metric::Metric,
};
use elman_sqlite::rusqlite::{params_from_iter, types::Value as SqlValue};

impl Rows<'_> {
    /// The id of the store's graph.
    pub(super) fn graph_id(&self) -> Result<Option<String>, IndexError> {
        let sql = "SELECT value FROM store WHERE name = 'graph'";
        let mut statement = self.connection.prepare_cached(sql).map_err(|error| self.fail(error))?;
        optional(self.path, statement.query_row([], |row| row.get(0)))
    }

    pub(super) fn set_graph_id(&self, graph_id: &str) -> Result<(), IndexError> {
        let sql = "INSERT OR REPLACE INTO store VALUES('graph', ?1)";
        self.connection.execute(sql, [graph_id]).map(drop).map_err(|error| self.fail(error))
    }

    /// A unique random id.
    pub(super) fn random_id(&self) -> Result<String, IndexError> {
        let sql = "SELECT lower(hex(randomblob(16)))";
        self.connection.query_row(sql, [], |row| row.get(0)).map_err(|error| self.fail(error))
    }

    /// The last row; 0 if there is none.
    pub(super) fn last_row(&self) -> Result<i64, IndexError> {
        let sql = "SELECT coalesce(max(row), 0) FROM entries";
        let mut statement = self.connection.prepare_cached(sql).map_err(|error| self.fail(error))?;
        statement.query_row([], |row| row.get(0)).map_err(|error| self.fail(error))
    }

    /// The scores of those of the rows that still exist.
    pub(super) fn scores_of(&self, metric: Metric, query: &[f32], rows: &[i64]) -> Result<Vec<(i64, f32)>, IndexError> {
        let sql = "SELECT vector FROM entries WHERE row = ?1";
        let mut statement = self.connection.prepare_cached(sql).map_err(|error| self.fail(error))?;
        let (mut vector, mut scores) = (Vec::new(), Vec::with_capacity(rows.len()));
        for &row in rows {
            let mut found = statement.query([row]).map_err(|error| self.fail(error))?;
            let Some(found) = found.next().map_err(|error| self.fail(error))? else { continue };
            let bytes = found.get_ref(0).and_then(|value| Ok(value.as_blob()?)).map_err(|error| self.fail(error))?;
            vector.clear();
            self.push_vector(bytes, &mut vector)?;
            scores.push((row, metric.score(query, &vector)));
        }
        Ok(scores)
    }

    /// The scores of the rows after `after` that match a filter, in order. Checks each row, because they are few.
    pub(super) fn scores_after(
        &self,
        metric: Metric,
        query: &[f32],
        after: i64,
        filter: &Filter,
    ) -> Result<Vec<(i64, f32)>, IndexError> {
        let sql = "SELECT row, metadata FROM entries WHERE row > ?1 ORDER BY row";
        let mut statement = self.connection.prepare_cached(sql).map_err(|error| self.fail(error))?;
        let found = statement.query_map([after], |row| Ok((row.get(0)?, row.get(1)?)));
        let mut matching = Vec::new();
        for row in found.map_err(|error| self.fail(error))? {
            let (row, metadata): (i64, Option<String>) = row.map_err(|error| self.fail(error))?;
            if filter.matches(self.metadata(metadata)?.as_ref()) {
                matching.push(row);
            }
        }
        self.scores_of(metric, query, &matching)
    }

    /// Whether a row exists and matches a filter.
    pub(super) fn matches(&self, row: i64, filter: &Filter) -> Result<bool, IndexError> {
        let sql = "SELECT metadata FROM entries WHERE row = ?1";
        let mut statement = self.connection.prepare_cached(sql).map_err(|error| self.fail(error))?;
        match optional::<Option<String>>(self.path, statement.query_row([row], |row| row.get(0)))? {
            Some(metadata) => Ok(filter.matches(self.metadata(metadata)?.as_ref())),
            None => Ok(false),
        }
    }

    /// An upper bound on the number of rows that match a filter, counted up to `limit`.
    pub(super) fn max_matches(&self, filter: &Filter, limit: usize) -> Result<usize, IndexError> {
        let add = |sum: usize, matches: Result<usize, IndexError>| Ok(limit.min(sum + matches?));
        match filter {
            Filter::And(filters) => {
                filters.iter().try_fold(limit, |least, filter| Ok(least.min(self.max_matches(filter, least)?)))
            }
            Filter::Or(filters) => filters.iter().map(|filter| self.max_matches(filter, limit)).try_fold(0, add),
            Filter::Not(_) => Ok(limit),
            Filter::Compare(..) | Filter::In(..) => {
                let conditions = Condition::from_comparison(filter).unwrap_or_default();
                conditions.into_iter().map(|condition| self.count_rows(condition, limit)).try_fold(0, add)
            }
        }
    }

    /// Counts the rows of `facts` that a condition selects, up to `limit`.
    fn count_rows(&self, Condition { sql, mut values }: Condition, limit: usize) -> Result<usize, IndexError> {
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM facts WHERE {sql} LIMIT ?)");
        values.push(SqlValue::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
        let mut statement = self.connection.prepare_cached(&sql).map_err(|error| self.fail(error))?;
        let count = statement.query_row(params_from_iter(&values), |row| row.get::<_, i64>(0));
        usize::try_from(count.map_err(|error| self.fail(error))?).map_err(|_| self.contradiction("a count is negative"))
    }
}
