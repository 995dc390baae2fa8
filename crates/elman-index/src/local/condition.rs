//! Filters as SQL conditions.

use elman_sqlite::rusqlite::types::Value as SqlValue;

use crate::{
    filter::{Field, Filter, Scalar},
    local::rows::{kind, sql_value},
};

/// An SQL condition, by default on the table `entries`, and the values of its parameters `?`.
pub(super) struct Condition {
    pub(super) sql: String,
    pub(super) values: Vec<SqlValue>,
}

impl Condition {
    /// Selects the rows that match the filter, or all.
    pub(super) fn from_filter(filter: Option<&Filter>) -> Self {
        let mut condition = Self { sql: String::new(), values: Vec::new() };
        match filter {
            Some(filter) => condition.add(filter),
            None => condition.sql.push_str("true"),
        }
        condition
    }

    /// Selects the rows after `after`, up to and including `last`.
    pub(super) fn between(after: i64, last: i64) -> Self {
        Self { sql: "row > ? AND row <= ?".into(), values: vec![after.into(), last.into()] }
    }

    /// Conditions on the table `facts` that compare a field with values, one for each kind of value.
    fn comparisons(field: &Field, operator: &str, values: &[&Scalar]) -> Vec<Self> {
        let of_kind = |wanted| {
            let same: Vec<&Scalar> = values.iter().copied().filter(|value| kind(value) == wanted).collect();
            let parameters = match same.len() {
                0 => return None,
                1 => "?".into(),
                count => format!("({})", vec!["?"; count].join(", ")),
            };
            let mut values = vec![SqlValue::Text(field.to_string()), SqlValue::Integer(wanted)];
            values.extend(same.into_iter().map(sql_value));
            let operator = if values.len() > 3 { "IN" } else { operator };
            Some(Self { sql: format!("field = ? AND kind = ? AND value {operator} {parameters}"), values })
        };
        (0..3).filter_map(of_kind).collect()
    }

    /// The conditions on the table `facts` of a comparison, any of which may hold; `None` for other filters.
    pub(super) fn from_comparison(filter: &Filter) -> Option<Vec<Self>> {
        match filter {
            Filter::Compare(field, comparison, value) => Some(Self::comparisons(field, comparison.symbol(), &[value])),
            Filter::In(field, values) => Some(Self::comparisons(field, "=", &values.iter().collect::<Vec<_>>())),
            Filter::And(_) | Filter::Or(_) | Filter::Not(_) => None,
        }
    }

    fn add(&mut self, filter: &Filter) {
        if let Some(conditions) = Self::from_comparison(filter) {
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

    /// Joins filters as a balanced tree: SQLite rejects expressions nested 1,000 levels deep, which a long chain is.
    fn join(&mut self, filters: &[Filter], empty: &str, operator: &str) {
        match filters {
            [] => self.sql.push_str(empty),
            [filter] => self.add(filter),
            filters => {
                let (first, second) = filters.split_at(filters.len() / 2);
                self.sql.push('(');
                self.join(first, empty, operator);
                self.sql.push_str(&format!(" {operator} "));
                self.join(second, empty, operator);
                self.sql.push(')');
            }
        }
    }
}
