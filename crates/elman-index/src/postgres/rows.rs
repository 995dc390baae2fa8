//! Access to the table of a store.

use std::{collections::HashMap, sync::Arc};

use tokio_postgres::Client;

use crate::{
    entry::Entry,
    error::IndexError,
    filter::{Field, Filter},
    metric::Metric,
    postgres::{
        condition::Condition,
        entries::{Batch, COLUMNS, batches, entry},
        session::Sessions,
        table::key,
    },
    server::RETRY_TIMEOUT,
};

/// Number of entries per page of a visit.
const PAGE: i64 = 500;

#[derive(Debug)]
pub(super) struct Rows {
    pub(super) sessions: Sessions,
    /// The quoted name of the table.
    table: String,
}

impl Rows {
    pub(super) fn new(sessions: Sessions) -> Self {
        Self { table: sessions.settings().quoted_table(), sessions }
    }

    pub(super) fn table(&self) -> &str {
        &self.table
    }

    /// Inserts or replaces entries in one transaction.
    pub(super) fn upsert(&self, entries: Vec<Entry>, metric: Metric) -> Result<(), IndexError> {
        let sql = format!(
            "INSERT INTO {}(id, vector, text, metadata)
             SELECT id, vector, text, metadata::jsonb
             FROM unnest($1::text[], $2::vector[], $3::text[], $4::text[]) AS new(id, vector, text, metadata)
             ON CONFLICT (key) DO UPDATE
             SET vector = excluded.vector, text = excluded.text, metadata = excluded.metadata",
            self.table
        );
        // lock existing rows in the order of their keys, so that concurrent upserts do not deadlock
        let lock = format!("SELECT FROM {} WHERE {} ORDER BY key FOR UPDATE", self.table, self.has_id());
        let batches = batches(self.sessions.server(), entries, metric)?;
        let ids: Vec<&String> = batches.iter().flat_map(|batch| &batch.ids).collect();
        let put = |client: Arc<Client>| {
            let (sql, lock, batches, ids) = (&sql, &lock, &batches, &ids);
            async move {
                client.batch_execute("BEGIN").await?;
                client.execute(lock, &[ids]).await?;
                let statement = client.prepare(sql).await?;
                for Batch { ids, vectors, texts, metadata } in batches {
                    client.execute(&statement, &[ids, vectors, texts, metadata]).await?;
                }
                client.batch_execute("COMMIT").await
            }
        };
        Ok(self.sessions.run(RETRY_TIMEOUT, put)?)
    }

    pub(super) fn delete(&self, ids: &[&str]) -> Result<(), IndexError> {
        let ids = storable_ids(ids);
        let sql = format!("DELETE FROM {} WHERE {}", self.table, self.has_id());
        Ok(self.sessions.run(RETRY_TIMEOUT, |client| {
            let (sql, ids) = (&sql, &ids);
            async move { client.execute(sql, &[ids]).await.map(drop) }
        })?)
    }

    /// The entries with these ids, in the order of `ids`.
    pub(super) fn get(&self, ids: &[&str]) -> Result<Vec<Option<Entry>>, IndexError> {
        let sql = format!("SELECT {COLUMNS} FROM {} WHERE {}", self.table, self.has_id());
        let requested = storable_ids(ids);
        let found = self.sessions.run(RETRY_TIMEOUT, |client| {
            let (sql, requested) = (&sql, &requested);
            async move { client.query(sql, &[requested]).await?.iter().map(entry).collect::<Result<Vec<_>, _>>() }
        })?;
        let found: HashMap<&str, &Entry> = found.iter().map(|entry| (entry.id.as_str(), entry)).collect();
        Ok(ids.iter().map(|id| found.get(id).map(|&entry| entry.clone())).collect())
    }

    /// SQL that selects rows whose id is in `$1`.
    fn has_id(&self) -> String {
        format!("key = ANY (ARRAY(SELECT {} FROM unnest($1::text[]) AS asked(id)))", key("asked.id"))
    }

    pub(super) fn visit(&self, filter: Option<&Filter>, visit: &mut dyn FnMut(Entry)) -> Result<(), IndexError> {
        let mut condition = Condition::from_filter(filter);
        let after = condition.add_value(0i64);
        let sql = format!(
            "SELECT {COLUMNS}, number FROM {} WHERE number > {after} AND {} ORDER BY number LIMIT {PAGE}",
            self.table, condition.sql
        );
        // in pages, so that a visit continues after a lost connection
        let mut last = 0i64;
        loop {
            let page = self.sessions.run(RETRY_TIMEOUT, |client| {
                let (sql, mut values, last) = (&sql, condition.values(), &last);
                async move {
                    values.pop();
                    values.push(last);
                    let rows = client.query(sql, &values).await?;
                    rows.iter().map(|row| Ok((row.try_get(4)?, entry(row)?))).collect::<Result<Vec<_>, _>>()
                }
            })?;
            let Some(&(number, _)) = page.last() else { return Ok(()) };
            last = number;
            page.into_iter().for_each(|(_, entry)| visit(entry));
        }
    }

    pub(super) fn ids(&self, filter: Option<&Filter>) -> Result<Vec<String>, IndexError> {
        let condition = Condition::from_filter(filter);
        let sql = format!("SELECT id FROM {} WHERE {} ORDER BY number", self.table, condition.sql);
        Ok(self.sessions.run(RETRY_TIMEOUT, |client| {
            let (sql, values) = (&sql, condition.values());
            async move { client.query(sql, &values).await?.iter().map(|row| row.try_get(0)).collect() }
        })?)
    }

    pub(super) fn count(&self) -> Result<usize, IndexError> {
        let count = self.query_number(&format!("SELECT count(*) FROM {}", self.table))?;
        Ok(usize::try_from(count).expect("counts are not negative"))
    }

    /// Whether there are at least `count` entries.
    pub(super) fn has_at_least(&self, count: i64) -> Result<bool, IndexError> {
        let sql = format!("SELECT count(*) FROM (SELECT FROM {} LIMIT {count}) AS first_ones", self.table);
        Ok(self.query_number(&sql)? == count)
    }

    fn query_number(&self, sql: &str) -> Result<i64, IndexError> {
        Ok(self.sessions.run(RETRY_TIMEOUT, |client| async move { client.query_one(sql, &[]).await?.try_get(0) })?)
    }

    /// Returns an error if the filter uses a field that no entry has.
    pub(super) fn check_fields(&self, filter: Option<&Filter>) -> Result<(), IndexError> {
        for field in filter.iter().flat_map(|filter| filter.fields()) {
            let condition = Condition::has_scalar(field);
            let sql = format!(
                "SELECT EXISTS(SELECT FROM {table} WHERE {}) OR NOT EXISTS(SELECT FROM {table})",
                condition.sql,
                table = self.table
            );
            let known: bool = self.sessions.run(RETRY_TIMEOUT, |client| {
                let (sql, values) = (&sql, condition.values());
                async move { client.query_one(sql, &values).await?.try_get(0) }
            })?;
            if !known {
                return Err(IndexError::UnknownField { field: field.to_string(), known: self.fields()? });
            }
        }
        Ok(())
    }

    /// The first 20 fields of all entries, by name.
    pub(super) fn fields(&self) -> Result<Vec<String>, IndexError> {
        let sql = format!(
            "WITH RECURSIVE found(path, value) AS (
                 SELECT ARRAY[outermost.key], outermost.value FROM {}, jsonb_each(metadata) AS outermost
                 UNION ALL
                 SELECT path || inside.key, inside.value FROM found,
                     jsonb_each(CASE WHEN jsonb_typeof(found.value) = 'object' THEN found.value END) AS inside
             )
             SELECT path FROM (SELECT path FROM found WHERE jsonb_typeof(value) IN ('boolean', 'number', 'string')
                               GROUP BY path) AS paths
             ORDER BY path COLLATE \"C\" LIMIT 20",
            self.table
        );
        let paths: Vec<Vec<String>> = self.sessions.run(RETRY_TIMEOUT, |client| {
            let sql = &sql;
            async move { client.query(sql, &[]).await?.iter().map(|row| row.try_get(0)).collect() }
        })?;
        Ok(paths.into_iter().map(|path| Field::new(path).to_string()).collect())
    }
}

/// The ids that can be stored: text with U+0000 cannot even be a parameter.
fn storable_ids(ids: &[&str]) -> Vec<String> {
    ids.iter().filter(|id| !id.contains('\0')).map(|&id| id.to_string()).collect()
}
