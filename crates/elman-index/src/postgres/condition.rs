//! Filters as SQL conditions.

use tokio_postgres::types::ToSql;

use crate::filter::{Comparison, Field, Filter, Scalar};

type Value = Box<dyn ToSql + Sync + Send>;

/// An SQL condition on the column `metadata`, and the values of its parameters `$1`, `$2` and so on.
///
/// It is true or false, never null. Types are checked in `CASE`, because only there is the order of evaluation defined.
#[derive(Default)]
pub(super) struct Condition {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl Condition {
    /// Selects the rows that match the filter, or all.
    pub(super) fn from_filter(filter: Option<&Filter>) -> Self {
        let mut condition = Self::default();
        match filter {
            Some(filter) => condition.add(filter),
            None => condition.sql.push_str("true"),
        }
        condition
    }

    /// Selects the rows that have a scalar in this field.
    pub(super) fn has_scalar(field: &Field) -> Self {
        let mut condition = Self::default();
        let sql = match condition.path(field) {
            Some(path) => format!("coalesce(jsonb_typeof({path}) IN ('boolean', 'number', 'string'), false)"),
            None => "false".into(),
        };
        condition.sql = sql;
        condition
    }

    /// Adds a value and returns its parameter, such as `$1`.
    pub(super) fn add_value(&mut self, value: impl ToSql + Sync + Send + 'static) -> String {
        self.values.push(Box::new(value));
        format!("${}", self.values.len())
    }

    pub(super) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect()
    }

    /// SQL for the JSON value of a field, null if it is missing. `None` if PostgreSQL cannot store such a key.
    ///
    /// `->` with a text key accesses only objects; the operator for whole paths would also index arrays.
    fn path(&mut self, field: &Field) -> Option<String> {
        if field.keys().iter().any(|key| key.contains('\0')) {
            return None;
        }
        let mut path = "metadata".to_string();
        for key in field.keys() {
            let key = self.add_value(key.clone());
            path += &format!(" -> {key}::text");
        }
        Some(format!("({path})"))
    }

    fn add(&mut self, filter: &Filter) {
        match filter {
            Filter::Compare(field, comparison, value) => self.compare(field, *comparison, value),
            Filter::In(field, values) => self.is_in(field, values),
            Filter::And(filters) => self.join(filters, "true", " AND "),
            Filter::Or(filters) => self.join(filters, "false", " OR "),
            Filter::Not(filter) => {
                self.sql.push_str("NOT ");
                self.add(filter);
            }
        }
    }

    fn join(&mut self, filters: &[Filter], empty: &str, operator: &str) {
        self.sql.push('(');
        for (n, filter) in filters.iter().enumerate() {
            self.sql.push_str(if n > 0 { operator } else { "" });
            self.add(filter);
        }
        self.sql.push_str(if filters.is_empty() { empty } else { "" });
        self.sql.push(')');
    }

    fn compare(&mut self, field: &Field, comparison: Comparison, value: &Scalar) {
        let operator = comparison.symbol();
        match value {
            Scalar::Bool(value) => self.compare_typed(field, "boolean", operator, *value, "boolean"),
            // in PostgreSQL, NaN equals itself and is greater than all numbers
            Scalar::Number(value) if value.is_nan() => self.sql.push_str("false"),
            Scalar::Number(value) => self.compare_typed(field, "number", operator, *value, "float8"),
            Scalar::Text(text) => match (text.split_once('\0'), comparison) {
                (None, _) => self.compare_typed(field, "string", operator, text.clone(), "text"),
                // stored text has no U+0000: text less than such a value is at most the part before it
                (Some(_), Comparison::Equal) => self.sql.push_str("false"),
                (Some((prefix, _)), Comparison::Less | Comparison::LessOrEqual) => {
                    self.compare_typed(field, "string", "<=", prefix.to_string(), "text");
                }
                (Some((prefix, _)), Comparison::Greater | Comparison::GreaterOrEqual) => {
                    self.compare_typed(field, "string", ">", prefix.to_string(), "text");
                }
            },
        }
    }

    fn is_in(&mut self, field: &Field, values: &[Scalar]) {
        let (mut booleans, mut numbers, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        for value in values {
            match value {
                Scalar::Bool(value) => booleans.push(*value),
                Scalar::Number(value) if value.is_nan() => {}
                Scalar::Number(value) => numbers.push(*value),
                Scalar::Text(text) if text.contains('\0') => {}
                Scalar::Text(text) => texts.push(text.clone()),
            }
        }
        self.sql.push_str("(false");
        if !booleans.is_empty() {
            self.sql.push_str(" OR ");
            self.compare_typed(field, "boolean", "= ANY", booleans, "boolean[]");
        }
        if !numbers.is_empty() {
            self.sql.push_str(" OR ");
            self.compare_typed(field, "number", "= ANY", numbers, "float8[]");
        }
        if !texts.is_empty() {
            self.sql.push_str(" OR ");
            self.compare_typed(field, "string", "= ANY", texts, "text[]");
        }
        self.sql.push(')');
    }

    /// Compares the field's value if it has this type; false otherwise.
    fn compare_typed(
        &mut self,
        field: &Field,
        json_type: &str,
        operator: &str,
        value: impl ToSql + Sync + Send + 'static,
        sql_type: &str,
    ) {
        let Some(path) = self.path(field) else {
            self.sql.push_str("false");
            return;
        };
        let value = self.add_value(value);
        let found = match json_type {
            "boolean" => format!("{path}::boolean"),
            "number" => format!("{path}::float8"),
            _ => format!("({path} #>> '{{}}') COLLATE \"C\""),
        };
        self.sql += &format!(
            "CASE WHEN jsonb_typeof({path}) = '{json_type}' THEN {found} {operator} ({value}::{sql_type}) ELSE false END"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_parameters() {
        let filter: Filter = "\"x'; DROP\".y = 'it''s' or not n in (1, true, '$1')".parse().unwrap();
        let condition = Condition::from_filter(Some(&filter));
        assert_eq!(
            condition.sql,
            "(CASE WHEN jsonb_typeof((metadata -> $1::text -> $2::text)) = 'string' THEN \
             ((metadata -> $1::text -> $2::text) #>> '{}') COLLATE \"C\" = ($3::text) ELSE false END \
             OR NOT (false \
             OR CASE WHEN jsonb_typeof((metadata -> $4::text)) = 'boolean' THEN \
             (metadata -> $4::text)::boolean = ANY ($5::boolean[]) ELSE false END \
             OR CASE WHEN jsonb_typeof((metadata -> $6::text)) = 'number' THEN \
             (metadata -> $6::text)::float8 = ANY ($7::float8[]) ELSE false END \
             OR CASE WHEN jsonb_typeof((metadata -> $8::text)) = 'string' THEN \
             ((metadata -> $8::text) #>> '{}') COLLATE \"C\" = ANY ($9::text[]) ELSE false END))"
        );
        assert_eq!(condition.values().len(), 9);
    }
}
