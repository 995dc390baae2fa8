//! Access to the tables of a local store, within a transaction.

use std::path::Path;

use elman_sqlite::rusqlite::{self, Connection, Row, params, params_from_iter, types::Value as SqlValue};

use crate::{
    entry::{Entry, Hit, Metadata, non_finite},
    error::IndexError,
    filter::{Field, Filter, Scalar},
    local::{
        condition::Condition,
        database::{failure, optional},
    },
    metric::Metric,
};

pub(super) struct Rows<'a> {
    pub(super) connection: &'a Connection,
    pub(super) path: &'a Path,
    pub(super) dim: usize,
}

impl Rows<'_> {
    pub(super) fn fail(&self, error: rusqlite::Error) -> IndexError {
        failure(self.path, error)
    }

    pub(super) fn contradiction(&self, what: &'static str) -> IndexError {
        IndexError::Contradiction { path: self.path.into(), what }
    }

    /// Version of the schema.
    pub(super) fn version(&self) -> Result<i64, IndexError> {
        self.connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(|error| self.fail(error))
    }

    fn property(&self, name: &str) -> Result<i64, IndexError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT value FROM store WHERE name = ?1")
            .map_err(|error| self.fail(error))?;
        statement.query_row([name], |row| row.get(0)).map_err(|error| self.fail(error))
    }

    pub(super) fn count(&self) -> Result<usize, IndexError> {
        usize::try_from(self.property("count")?).map_err(|_| self.contradiction("the count is negative"))
    }

    /// Number of entries in rows after `row`.
    pub(super) fn count_after(&self, row: i64) -> Result<usize, IndexError> {
        if row == 0 {
            return self.count();
        }
        let sql = "SELECT count(*) FROM entries WHERE row > ?1";
        let mut statement = self.connection.prepare_cached(sql).map_err(|error| self.fail(error))?;
        let count: i64 = statement.query_row([row], |row| row.get(0)).map_err(|error| self.fail(error))?;
        usize::try_from(count).map_err(|_| self.contradiction("a count is negative"))
    }

    /// Number of rows removed since the store was created.
    pub(super) fn removed(&self) -> Result<i64, IndexError> {
        self.property("removed")
    }

    pub(super) fn change(&self, sql: &str, values: impl rusqlite::Params) -> Result<(), IndexError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(|error| self.fail(error))?;
        statement.execute(values).map(drop).map_err(|error| self.fail(error))
    }

    /// Inserts an entry, and removes a previous one with its id.
    pub(super) fn put(&self, entry: &Entry) -> Result<(), IndexError> {
        self.remove(&entry.id)?;
        let metadata = entry
            .metadata
            .as_ref()
            .map(|metadata| serde_json::to_string(metadata).expect("a JSON object can be serialized"));
        let vector: Vec<u8> = entry.vector.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.change(
            "INSERT INTO entries(vector, id, text, metadata) VALUES(?1, ?2, ?3, ?4)",
            params![vector, entry.id, entry.text, metadata],
        )?;
        let row = self.connection.last_insert_rowid();
        self.index_text(row, &entry.text)?;
        self.change_facts(
            "INSERT INTO facts(row, field, kind, value) VALUES(?1, ?2, ?3, ?4)",
            row,
            entry.metadata.as_ref(),
        )?;
        self.change("UPDATE store SET value = value + 1 WHERE name = 'count'", [])
    }

    /// Removes an entry if it exists.
    pub(super) fn remove(&self, id: &str) -> Result<(), IndexError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT row, metadata FROM entries WHERE id = ?1")
            .map_err(|error| self.fail(error))?;
        let found = statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)));
        let Some((row, metadata)) = optional::<(i64, Option<String>)>(self.path, found)? else { return Ok(()) };
        let metadata = self.metadata(metadata)?;
        self.change_facts(
            "DELETE FROM facts WHERE row = ?1 AND field = ?2 AND kind = ?3 AND value = ?4",
            row,
            metadata.as_ref(),
        )?;
        self.change("DELETE FROM words WHERE rowid = ?1", [row])?;
        self.change("DELETE FROM entries WHERE row = ?1", [row])?;
        self.change("UPDATE store SET value = value - 1 WHERE name = 'count'", [])?;
        self.change("UPDATE store SET value = value + 1 WHERE name = 'removed'", [])
    }

    /// Runs `sql` for each scalar of the metadata.
    fn change_facts(&self, sql: &str, row: i64, metadata: Option<&Metadata>) -> Result<(), IndexError> {
        for (field, value) in metadata.map(Field::all_in).unwrap_or_default() {
            self.change(sql, params![row, field.to_string(), kind(&value), sql_value(&value)])?;
        }
        Ok(())
    }

    pub(super) fn ids(&self, filter: Option<&Filter>) -> Result<Vec<String>, IndexError> {
        let condition = Condition::from_filter(filter);
        let sql = format!("SELECT id FROM entries WHERE {} ORDER BY row", condition.sql);
        let mut statement = self.connection.prepare(&sql).map_err(|error| self.fail(error))?;
        let ids = statement
            .query_map(params_from_iter(&condition.values), |row| row.get(0))
            .map_err(|error| self.fail(error))?;
        ids.collect::<Result<_, _>>().map_err(|error| self.fail(error))
    }

    pub(super) fn get(&self, id: &str) -> Result<Option<Entry>, IndexError> {
        let sql = "SELECT vector, text, metadata FROM entries WHERE id = ?1";
        let mut statement = self.connection.prepare_cached(sql).map_err(|error| self.fail(error))?;
        let found = statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        let Some((vector, text, metadata)) = optional::<(Vec<u8>, String, Option<String>)>(self.path, found)? else {
            return Ok(None);
        };
        let mut values = Vec::new();
        self.push_vector(&vector, &mut values)?;
        Ok(Some(Entry { id: id.into(), vector: values, text, metadata: self.metadata(metadata)? }))
    }

    pub(super) fn visit(&self, filter: Option<&Filter>, mut visit: impl FnMut(Entry)) -> Result<(), IndexError> {
        let condition = Condition::from_filter(filter);
        let sql = format!("SELECT id, vector, text, metadata FROM entries WHERE {} ORDER BY row", condition.sql);
        let mut statement = self.connection.prepare(&sql).map_err(|error| self.fail(error))?;
        let entries = statement
            .query_map(params_from_iter(&condition.values), |row| {
                Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?, row.get(2)?, row.get(3)?))
            })
            .map_err(|error| self.fail(error))?;
        for entry in entries {
            let (id, bytes, text, metadata) = entry.map_err(|error| self.fail(error))?;
            let mut vector = Vec::with_capacity(self.dim);
            self.push_vector(&bytes, &mut vector)?;
            visit(Entry { id, vector, text, metadata: self.metadata(metadata)? });
        }
        Ok(())
    }

    /// The entry in a row, as a hit.
    pub(super) fn hit(&self, row: i64, score: f32) -> Result<Hit, IndexError> {
        let sql = "SELECT id, text, metadata FROM entries WHERE row = ?1";
        let mut statement = self.connection.prepare_cached(sql).map_err(|error| self.fail(error))?;
        let found = statement.query_row([row], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        match optional::<(String, String, Option<String>)>(self.path, found)? {
            Some((id, text, metadata)) => Ok(Hit { id, score, text, metadata: self.metadata(metadata)? }),
            None => Err(self.contradiction("an entry that was found does not exist")),
        }
    }

    pub(super) fn metadata(&self, json: Option<String>) -> Result<Option<Metadata>, IndexError> {
        let read =
            |json: String| serde_json::from_str(&json).map_err(|_| self.contradiction("metadata is not a JSON object"));
        json.map(read).transpose()
    }

    /// Decodes a stored vector and appends it to `to`.
    pub(super) fn push_vector(&self, bytes: &[u8], to: &mut Vec<f32>) -> Result<(), IndexError> {
        if bytes.len() != self.dim * size_of::<f32>() {
            return Err(self.contradiction("a vector has another dimension than the store"));
        }
        let start = to.len();
        to.extend(bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])));
        // never written by this crate; without the check, a foreign file could give NaN scores
        match non_finite(&to[start..]) {
            Some(_) => Err(self.contradiction("a vector has a value that is not finite")),
            None => Ok(()),
        }
    }

    /// Visits the vectors of the rows that a condition selects, in order.
    pub(super) fn each_vector(
        &self,
        condition: &Condition,
        mut visit: impl FnMut(i64, &[u8]) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        let sql = format!("SELECT row, vector FROM entries WHERE {} ORDER BY row", condition.sql);
        let mut statement = self.connection.prepare_cached(&sql).map_err(|error| self.fail(error))?;
        let mut rows = statement.query(params_from_iter(&condition.values)).map_err(|error| self.fail(error))?;
        while let Some(row) = rows.next().map_err(|error| self.fail(error))? {
            let (row, vector) = row_and_vector(row).map_err(|error| self.fail(error))?;
            visit(row, vector)?;
        }
        Ok(())
    }

    /// The score of each row that a condition selects, in order.
    pub(super) fn scores(
        &self,
        metric: Metric,
        query: &[f32],
        condition: &Condition,
    ) -> Result<Vec<(i64, f32)>, IndexError> {
        let mut vector = Vec::new();
        let mut scores = Vec::new();
        self.each_vector(condition, |row, bytes| {
            vector.clear();
            self.push_vector(bytes, &mut vector)?;
            scores.push((row, metric.score(query, &vector)));
            Ok(())
        })?;
        Ok(scores)
    }

    /// Returns an error if the filter uses a field that no entry has.
    pub(super) fn check_fields(&self, filter: Option<&Filter>) -> Result<(), IndexError> {
        for field in filter.iter().flat_map(|filter| filter.fields()) {
            let field = field.to_string();
            let sql = "SELECT EXISTS(SELECT 1 FROM facts WHERE field = ?1)";
            let mut statement = self.connection.prepare_cached(sql).map_err(|error| self.fail(error))?;
            let known: bool = statement.query_row([&field], |row| row.get(0)).map_err(|error| self.fail(error))?;
            if !known && self.count()? > 0 {
                return Err(IndexError::UnknownField { field, known: self.fields()? });
            }
        }
        Ok(())
    }

    /// The first 20 fields of entries. Each is one seek in the index.
    pub(super) fn fields(&self) -> Result<Vec<String>, IndexError> {
        let sql = "WITH RECURSIVE found(field) AS (
            SELECT min(field) FROM facts
            UNION ALL SELECT (SELECT min(field) FROM facts WHERE field > found.field) FROM found WHERE field IS NOT NULL
        ) SELECT field FROM found WHERE field IS NOT NULL LIMIT 20";
        let mut statement = self.connection.prepare(sql).map_err(|error| self.fail(error))?;
        let fields = statement.query_map([], |row| row.get(0)).map_err(|error| self.fail(error))?;
        fields.collect::<Result<_, _>>().map_err(|error| self.fail(error))
    }
}

fn row_and_vector<'a>(row: &'a Row<'_>) -> rusqlite::Result<(i64, &'a [u8])> {
    Ok((row.get(0)?, row.get_ref(1)?.as_blob()?))
}

/// The value of the column `kind` of the table `facts`.
pub(super) fn kind(value: &Scalar) -> i64 {
    match value {
        Scalar::Bool(_) => 0,
        Scalar::Number(_) => 1,
        Scalar::Text(_) => 2,
    }
}

pub(super) fn sql_value(value: &Scalar) -> SqlValue {
    match value {
        Scalar::Bool(value) => SqlValue::Integer((*value).into()),
        Scalar::Number(value) => SqlValue::Real(*value),
        Scalar::Text(text) => SqlValue::Text(text.clone()),
    }
}
