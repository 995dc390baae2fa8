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

    /// The rows after one and up to another.
    pub(super) fn between(after: i64, last: i64) -> Self {
        Self { sql: "row > ? AND row <= ?".into(), values: vec![after.into(), last.into()] }
    }

    /// The rows with facts that meet a comparison, one condition on the table `facts` for each kind of value.
    fn facts(field: &Field, sign: &str, values: &[&Scalar]) -> Vec<Self> {
        let of_kind = |kind_of| {
            let same: Vec<&Scalar> = values.iter().copied().filter(|value| kind(value) == kind_of).collect();
            let to = match same.len() {
                0 => return None,
                1 => "?".into(),
                count => format!("({})", vec!["?"; count].join(", ")),
            };
            let mut values = vec![SqlValue::Text(field.to_string()), SqlValue::Integer(kind_of)];
            values.extend(same.into_iter().map(sql_value));
            let sign = if values.len() > 3 { "IN" } else { sign };
            Some(Self { sql: format!("field = ? AND kind = ? AND value {sign} {to}"), values })
        };
        (0..3).filter_map(of_kind).collect()
    }

    /// The facts that make a comparison true; none for other filters.
    pub(super) fn of_facts(filter: &Filter) -> Option<Vec<Self>> {
        match filter {
            Filter::Compare(field, comparison, value) => Some(Self::facts(field, comparison.sign(), &[value])),
            Filter::In(field, values) => Some(Self::facts(field, "=", &values.iter().collect::<Vec<_>>())),
            Filter::And(_) | Filter::Or(_) | Filter::Not(_) => None,
        }
    }

    fn add(&mut self, filter: &Filter) {
        if let Some(conditions) = Self::of_facts(filter) {
            self.sql.push_str("(false");
            for condition in conditions {
                self.sql += &format!(" OR row IN (SELECT row FROM facts WHERE {})", condition.sql);
                self.values.extend(condition.values);
            }
            self.sql.push(')');
            return;
        }
        match filter {
            Filter::Compare(..) | Filter::In(..) => {}
            Filter::And(filters) => self.join(filters, "true", "AND"),
            Filter::Or(filters) => self.join(filters, "false", "OR"),
            Filter::Not(filter) => {
                self.sql.push_str("NOT ");
                self.add(filter);
            }
        }
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
