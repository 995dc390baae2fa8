//! Search by words.

use elman_sqlite::rusqlite::{params_from_iter, types::Value as SqlValue};

use crate::{
    entry::Hit,
    error::IndexError,
    filter::Filter,
    local::{condition::Condition, database::UNFOLDED, rows::Rows},
    words,
};

/// The most words of a text that are looked for.
const MAX_WORDS: usize = 100;

impl Rows<'_> {
    /// Has an entry found by the words of its text.
    pub(super) fn add_words(&self, row: i64, text: &str) -> Result<(), IndexError> {
        self.change("INSERT INTO words(rowid, text) VALUES(?1, ?2)", (row, words::of_entry(text)))
    }

    /// Has all entries found by their words.
    pub(super) fn add_all_words(&self) -> Result<(), IndexError> {
        let mut statement =
            self.connection.prepare("SELECT row, text FROM entries ORDER BY row").map_err(|error| self.fail(error))?;
        let entries =
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(|error| self.fail(error))?;
        for entry in entries {
            let (row, text): (i64, String) = entry.map_err(|error| self.fail(error))?;
            self.add_words(row, &text)?;
        }
        Ok(())
    }

    pub(super) fn lexical(&self, text: &str, count: usize, filter: Option<&Filter>) -> Result<Vec<Hit>, IndexError> {
        let words = match self.version()? {
            UNFOLDED => text.split(|c: char| !c.is_alphanumeric()).map(String::from).collect(),
            _ => words::of_query(text),
        };
        let words = words.iter().filter(|word| !word.is_empty()).take(MAX_WORDS);
        let words: Vec<String> = words.map(|word| format!("\"{word}\"")).collect();
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let condition = Condition::of(filter);
        // bm25 is less where the text fits better
        let sql = format!(
            "SELECT row, -bm25(words) FROM words JOIN entries ON entries.row = words.rowid
             WHERE words MATCH ? AND {} ORDER BY bm25(words), row LIMIT ?",
            condition.sql
        );
        let mut values = vec![SqlValue::Text(words.join(" OR "))];
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
