//! Filters as Milvus expressions.

use crate::{
    filter::{Comparison, Field, Filter, Scalar},
    milvus::schema::{ID, METADATA},
};

/// Maximum number of values of an `in` filter that is sent to the server.
const MAX_VALUES: usize = 256;
/// 2⁵³: larger integers are not exact in `f64`, and servers compare them differently.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// An expression that is true for every entry that matches the filter, and possibly for others. `None` if there is
/// none.
///
/// Contains comparisons with values, joined by `and` and `or`. Left out are `not`, the order of booleans, large
/// numbers, and keys with characters other than ASCII letters, digits, space, `_` and `-`: servers differ in how they
/// treat missing values, other types and other keys.
pub(super) fn from_filter(filter: &Filter) -> Option<String> {
    match filter {
        Filter::Compare(field, comparison, value) => Some(comparison_with(&path(field)?, *comparison, value)?),
        Filter::In(field, values) if values.len() <= MAX_VALUES => {
            let path = path(field)?;
            let equal = values.iter().map(|value| comparison_with(&path, Comparison::Equal, value));
            join(&equal.collect::<Option<Vec<_>>>()?, "or")
        }
        Filter::In(..) | Filter::Not(_) => None,
        Filter::And(filters) => join(&filters.iter().filter_map(from_filter).collect::<Vec<_>>(), "and"),
        Filter::Or(filters) => join(&filters.iter().map(from_filter).collect::<Option<Vec<_>>>()?, "or"),
    }
}

/// An expression that is true for every entry that has the field, and possibly for others.
pub(super) fn exists(field: &Field) -> Option<String> {
    Some(format!("exists {}", path(field)?))
}

/// An expression that is true for entries with one of these ids.
pub(super) fn is_one_of(ids: &[&str]) -> String {
    format!("{ID} in [{}]", ids.iter().map(|id| literal(id)).collect::<Vec<_>>().join(", "))
}

/// Restricts an expression to ids after `id`.
pub(super) fn after(condition: &str, id: &str) -> String {
    let after = format!("{ID} > {}", literal(id));
    match condition {
        "" => after,
        condition => format!("({condition}) and {after}"),
    }
}

fn comparison_with(path: &str, comparison: Comparison, value: &Scalar) -> Option<String> {
    let operator = match comparison {
        Comparison::Equal => "==",
        other => other.symbol(),
    };
    let value = match value {
        // with a decimal point or an exponent, so that it is a floating-point literal
        Scalar::Number(number) if number.abs() < MAX_EXACT => format!("{number:?}"),
        Scalar::Text(text) => literal(text),
        Scalar::Bool(value) if comparison == Comparison::Equal => value.to_string(),
        Scalar::Number(_) | Scalar::Bool(_) => return None,
    };
    Some(format!("{path} {operator} {value}"))
}

fn path(field: &Field) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '-');
    let keys = field.keys();
    let is_supported = keys.iter().all(|key| !key.is_empty() && key.chars().all(plain));
    is_supported.then(|| keys.iter().fold(METADATA.to_string(), |path, key| format!("{path}[\"{key}\"]")))
}

/// A string literal for Milvus and Milvus Lite: both support these escapes, and line breaks must be escaped.
fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for c in text.chars() {
        match c {
            '"' => literal.push_str("\\\""),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            c => literal.push(c),
        }
    }
    literal.push('"');
    literal
}

/// Joins expressions as a balanced tree: servers reject expressions nested 1,000 levels deep, which a long chain is.
fn join(conditions: &[String], operator: &str) -> Option<String> {
    match conditions {
        [] => None,
        [condition] => Some(condition.clone()),
        conditions => {
            let (first, second) = conditions.split_at(conditions.len() / 2);
            Some(format!("({} {operator} {})", join(first, operator)?, join(second, operator)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed_down(filter: &str) -> Option<String> {
        from_filter(&filter.parse().unwrap())
    }

    #[test]
    fn supported_comparisons_are_pushed_down() {
        assert_eq!(pushed_down("year > 2000").unwrap(), r#"metadata["year"] > 2000.0"#);
        assert_eq!(pushed_down("by.name = 'Ada'").unwrap(), r#"metadata["by"]["name"] == "Ada""#);
        assert_eq!(pushed_down("a in (1, 'x')").unwrap(), r#"(metadata["a"] == 1.0 or metadata["a"] == "x")"#);
        assert_eq!(
            pushed_down("a = true and b < 1 or c >= -1.5").unwrap(),
            r#"((metadata["a"] == true and metadata["b"] < 1.0) or metadata["c"] >= -1.5)"#
        );
    }

    #[test]
    fn unsupported_comparisons_are_left_out_if_that_only_adds_matches() {
        for filter in ["a != 1", "a < true", "a = 9007199254740993", "\"a[0]\" = 1", "a = 1 or b != 2", "\"ü\" = 1"] {
            assert_eq!(pushed_down(filter), None, "{filter}");
        }
        assert_eq!(pushed_down("a = 1 and not b = 2").unwrap(), r#"metadata["a"] == 1.0"#);
        assert_eq!(pushed_down("a not in (1) and b != 2"), None);
    }

    #[test]
    fn string_literals_are_escaped() {
        assert_eq!(is_one_of(&["it's", "a\"b\\\n\r\t\u{1f980}"]), "id in [\"it's\", \"a\\\"b\\\\\\n\\r\t\u{1f980}\"]");
        assert_eq!(after("", "\""), "id > \"\\\"\"");
        assert_eq!(after("a or b", "x"), "(a or b) and id > \"x\"");
    }
}
