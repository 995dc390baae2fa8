//! A filter as a condition of SQL.

use tokio_postgres::types::ToSql;

use crate::filter::{Comparison, Field, Filter, Scalar};

type Value = Box<dyn ToSql + Sync + Send>;

/// A condition on the column `metadata`, and the values that stand in it as `$1`, `$2` and so on.
///
/// It is true or false, never null. A value is looked at by its type within `CASE`, the one place where PostgreSQL keeps to
/// an order.
#[derive(Default)]
pub(super) struct Condition {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl Condition {
    /// The rows that a filter admits; all of them without one.
    pub(super) fn of(filter: Option<&Filter>) -> Self {
        let mut condition = Self::default();
        match filter {
            Some(filter) => condition.add(filter),
            None => condition.sql.push_str("true"),
        }
        condition
    }

    /// Whether an entry has a scalar in this field.
    pub(super) fn has(field: &Field) -> Self {
        let mut condition = Self::default();
        let sql = match condition.place(field) {
            Some(place) => format!("coalesce(jsonb_typeof({place}) IN ('boolean', 'number', 'string'), false)"),
            None => "false".into(),
        };
        condition.sql = sql;
        condition
    }

    /// A value more, as it stands in SQL.
    pub(super) fn value(&mut self, value: impl ToSql + Sync + Send + 'static) -> String {
        self.values.push(Box::new(value));
        format!("${}", self.values.len())
    }

    pub(super) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect()
    }

    /// The value of a field as JSON: null where it is not there, and None where it cannot be.
    ///
    /// A step with a text leads into objects alone; the operator for whole paths would count the values of arrays.
    fn place(&mut self, field: &Field) -> Option<String> {
        if field.keys().iter().any(|key| key.contains('\0')) {
            return None;
        }
        let mut place = "metadata".to_string();
        for key in field.keys() {
            let key = self.value(key.clone());
            place += &format!(" -> {key}::text");
        }
        Some(format!("({place})"))
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

    fn join(&mut self, filters: &[Filter], none: &str, word: &str) {
        self.sql.push('(');
        for (n, filter) in filters.iter().enumerate() {
            self.sql.push_str(if n > 0 { word } else { "" });
            self.add(filter);
        }
        self.sql.push_str(if filters.is_empty() { none } else { "" });
        self.sql.push(')');
    }

    fn compare(&mut self, field: &Field, comparison: Comparison, value: &Scalar) {
        let sign = comparison.sign();
        match value {
            Scalar::Bool(value) => self.guarded(field, "boolean", sign, *value, "boolean"),
            // PostgreSQL has NaN equal to itself and greater than any number
            Scalar::Number(value) if value.is_nan() => self.sql.push_str("false"),
            Scalar::Number(value) => self.guarded(field, "number", sign, *value, "float8"),
            Scalar::Text(text) => match (text.split_once('\0'), comparison) {
                (None, _) => self.guarded(field, "string", sign, text.clone(), "text"),
                // No text here has the character U+0000. One that is less than such a text is its beginning or less.
                (Some(_), Comparison::Equal) => self.sql.push_str("false"),
                (Some((begin, _)), Comparison::Less | Comparison::LessOrEqual) => {
                    self.guarded(field, "string", "<=", begin.to_string(), "text");
                }
                (Some((begin, _)), Comparison::Greater | Comparison::GreaterOrEqual) => {
                    self.guarded(field, "string", ">", begin.to_string(), "text");
                }
            },
        }
    }

    fn is_in(&mut self, field: &Field, values: &[Scalar]) {
        let (mut truths, mut numbers, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        for value in values {
            match value {
                Scalar::Bool(value) => truths.push(*value),
                Scalar::Number(value) if value.is_nan() => {}
                Scalar::Number(value) => numbers.push(*value),
                Scalar::Text(text) if text.contains('\0') => {}
                Scalar::Text(text) => texts.push(text.clone()),
            }
        }
        self.sql.push_str("(false");
        if !truths.is_empty() {
            self.sql.push_str(" OR ");
            self.guarded(field, "boolean", "= ANY", truths, "boolean[]");
        }
        if !numbers.is_empty() {
            self.sql.push_str(" OR ");
            self.guarded(field, "number", "= ANY", numbers, "float8[]");
        }
        if !texts.is_empty() {
            self.sql.push_str(" OR ");
            self.guarded(field, "string", "= ANY", texts, "text[]");
        }
        self.sql.push(')');
    }

    /// A comparison of the field's value, where it is of this type.
    fn guarded(
        &mut self,
        field: &Field,
        json_type: &str,
        sign: &str,
        value: impl ToSql + Sync + Send + 'static,
        sql_type: &str,
    ) {
        let Some(place) = self.place(field) else {
            self.sql.push_str("false");
            return;
        };
        let value = self.value(value);
        let found = match json_type {
            "boolean" => format!("{place}::boolean"),
            "number" => format!("{place}::float8"),
            _ => format!("({place} #>> '{{}}') COLLATE \"C\""),
        };
        self.sql += &format!(
            "CASE WHEN jsonb_typeof({place}) = '{json_type}' THEN {found} {sign} ({value}::{sql_type}) ELSE false END"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_never_part_of_the_sql() {
        let filter: Filter = "\"x'; DROP\".y = 'it''s' or not n in (1, true, '$1')".parse().unwrap();
        let condition = Condition::of(Some(&filter));
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
