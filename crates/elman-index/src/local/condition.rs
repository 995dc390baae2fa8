//! A filter as a condition of SQL.

use elman_sqlite::rusqlite::types::Value as SqlValue;

use crate::{
    filter::{Field, Filter, Scalar},
    local::rows::{kind, sql_value},
};

/// A condition on the table `entries`, and the values that stand in it as `?`.
pub(super) struct Condition {
    pub(super) sql: String,
    pub(super) values: Vec<SqlValue>,
}

impl Condition {
    /// The rows that a filter admits; all of them without one.
    pub(super) fn of(filter: Option<&Filter>) -> Self {
        let mut condition = Self { sql: String::new(), values: Vec::new() };
        match filter {
            Some(filter) => condition.add(filter),
            None => condition.sql.push_str("true"),
        }
        condition
    }

    fn add(&mut self, filter: &Filter) {
        match filter {
            Filter::Compare(field, comparison, value) => {
                self.add_facts(field, value, comparison.sign(), "?");
                self.values.push(sql_value(value));
            }
            Filter::In(field, values) => {
                // one query for each kind of value
                self.sql.push_str("(false");
                for kind_of in 0..3 {
                    let same: Vec<&Scalar> = values.iter().filter(|value| kind(value) == kind_of).collect();
                    if let Some(first) = same.first() {
                        self.sql.push_str(" OR ");
                        self.add_facts(field, first, "IN", &format!("({})", vec!["?"; same.len()].join(", ")));
                        self.values.extend(same.into_iter().map(sql_value));
                    }
                }
                self.sql.push(')');
            }
            Filter::And(filters) => self.join(filters, "true", "AND"),
            Filter::Or(filters) => self.join(filters, "false", "OR"),
            Filter::Not(filter) => {
                self.sql.push_str("NOT ");
                self.add(filter);
            }
        }
    }

    fn add_facts(&mut self, field: &Field, value: &Scalar, sign: &str, to: &str) {
        self.sql += &format!("row IN (SELECT row FROM facts WHERE field = ? AND kind = ? AND value {sign} {to})");
        self.values.extend([SqlValue::Text(field.to_string()), SqlValue::Integer(kind(value))]);
    }

    /// Joined by halves: SQLite refuses a condition that is nested a thousand deep, as a long chain is.
    fn join(&mut self, filters: &[Filter], none: &str, word: &str) {
        match filters {
            [] => self.sql.push_str(none),
            [filter] => self.add(filter),
            filters => {
                let (first, second) = filters.split_at(filters.len() / 2);
                self.sql.push('(');
                self.join(first, none, word);
                self.sql.push_str(&format!(" {word} "));
                self.join(second, none, word);
                self.sql.push(')');
            }
        }
    }
}
