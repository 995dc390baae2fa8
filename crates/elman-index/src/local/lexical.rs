//! Full-text search.

use elman_sqlite::rusqlite::{params_from_iter, types::Value as SqlValue};

use crate::{
    entry::Hit,
    error::IndexError,
    filter::Filter,
    local::{condition::Condition, database::UNFOLDED, rows::Rows},
    words,
};

/// Maximum number of terms of a query.
const MAX_TERMS: usize = 100;

impl Rows<'_> {
    /// Adds the text of an entry to the full-text index.
    pub(super) fn index_text(&self, row: i64, text: &str) -> Result<(), IndexError> {
        self.change("INSERT INTO words(rowid, text) VALUES(?1, ?2)", (row, words::entry_terms(text)))
    }

    /// Adds the texts of all entries to the full-text index.
    pub(super) fn index_all_texts(&self) -> Result<(), IndexError> {
        let mut statement =
            self.connection.prepare("SELECT row, text FROM entries ORDER BY row").map_err(|error| self.fail(error))?;
        let entries =
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(|error| self.fail(error))?;
        for entry in entries {
            let (row, text): (i64, String) = entry.map_err(|error| self.fail(error))?;
            self.index_text(row, &text)?;
        }
        Ok(())
    }

    pub(super) fn search_text(
        &self,
        text: &str,
        count: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Hit>, IndexError> {
        let terms = match self.version()? {
            UNFOLDED => text.split(|c: char| !c.is_alphanumeric()).map(String::from).collect(),
            _ => words::query_terms(text),
        };
        let terms = terms.iter().filter(|term| !term.is_empty()).take(MAX_TERMS);
        let terms: Vec<String> = terms.map(|term| format!("\"{term}\"")).collect();
        if terms.is_empty() {
            return Ok(Vec::new());
        }
        let condition = Condition::from_filter(filter);
        // smaller values of bm25 are better
        let sql = format!(
            "SELECT row, -bm25(words) FROM words JOIN entries ON entries.row = words.rowid
             WHERE words MATCH ? AND {} ORDER BY bm25(words), row LIMIT ?",
            condition.sql
        );
        let mut values = vec![SqlValue::Text(terms.join(" OR "))];
        values.extend(condition.values);
        values.push(SqlValue::Integer(i64::try_from(count).unwrap_or(i64::MAX)));
        let mut statement = self.connection.prepare_cached(&sql).map_err(|error| self.fail(error))?;
        let found = statement
            .query_map(params_from_iter(&values), |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(|error| self.fail(error))?;
        found
            .map(|found| {
                let (row, score): (i64, f64) = found.map_err(|error| self.fail(error))?;
                self.hit(row, score as f32)
            })
            .collect()
    }
}
