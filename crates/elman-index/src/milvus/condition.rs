//! A filter as a condition of Milvus's.

use crate::{
    filter::{Comparison, Field, Filter, Scalar},
    milvus::schema::{ID, METADATA},
};

/// The most values of a condition that are told to the server.
const MAX_VALUES: usize = 256;
/// From here on, whole numbers are not all numbers of floating point, and servers differ in how they compare.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// A condition that every entry meets which a filter admits, and perhaps others; none where nothing can be said.
///
/// Told are comparisons with values, joined by `and` and `or`. Not told, because servers differ in what they make of an
/// absent value, of other types and of other keys: `not`, the order of true and false, great numbers, and keys with other
/// characters than ASCII letters, digits, space, `_` and `-`.
pub(super) fn of(filter: &Filter) -> Option<String> {
    match filter {
        Filter::Compare(field, comparison, value) => Some(comparison_of(&path(field)?, *comparison, value)?),
        Filter::In(field, values) if values.len() <= MAX_VALUES => {
            let path = path(field)?;
            let equal = values.iter().map(|value| comparison_of(&path, Comparison::Equal, value));
            joined(&equal.collect::<Option<Vec<_>>>()?, "or")
        }
        Filter::In(..) | Filter::Not(_) => None,
        Filter::And(filters) => joined(&filters.iter().filter_map(of).collect::<Vec<_>>(), "and"),
        Filter::Or(filters) => joined(&filters.iter().map(of).collect::<Option<Vec<_>>>()?, "or"),
    }
}

/// A condition that every entry meets which has a value in a field, and perhaps others.
pub(super) fn exists(field: &Field) -> Option<String> {
    Some(format!("exists {}", path(field)?))
}

/// The condition that the id is one of these.
pub(super) fn is_one_of(ids: &[&str]) -> String {
    format!("{ID} in [{}]", ids.iter().map(|id| literal(id)).collect::<Vec<_>>().join(", "))
}

/// A condition, and that the id comes after another.
pub(super) fn after(condition: &str, id: &str) -> String {
    let after = format!("{ID} > {}", literal(id));
    match condition {
        "" => after,
        condition => format!("({condition}) and {after}"),
    }
}

fn comparison_of(path: &str, comparison: Comparison, value: &Scalar) -> Option<String> {
    let sign = match comparison {
        Comparison::Equal => "==",
        other => other.sign(),
    };
    let value = match value {
        // with a point or an exponent, so that it is one of floating point
        Scalar::Number(number) if number.abs() < MAX_EXACT => format!("{number:?}"),
        Scalar::Text(text) => literal(text),
        Scalar::Bool(value) if comparison == Comparison::Equal => value.to_string(),
        Scalar::Number(_) | Scalar::Bool(_) => return None,
    };
    Some(format!("{path} {sign} {value}"))
}

fn path(field: &Field) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '-');
    let keys = field.keys();
    let told = keys.iter().all(|key| !key.is_empty() && key.chars().all(plain));
    told.then(|| keys.iter().fold(METADATA.to_string(), |path, key| format!("{path}[\"{key}\"]")))
}

/// A text as both Milvus and Milvus Lite read it: they know these escapes, and no line may end within it.
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

/// Joined by halves: servers refuse a condition that is nested a thousand deep, as a long chain is.
fn joined(conditions: &[String], word: &str) -> Option<String> {
    match conditions {
        [] => None,
        [condition] => Some(condition.clone()),
        conditions => {
            let (first, second) = conditions.split_at(conditions.len() / 2);
            Some(format!("({} {word} {})", joined(first, word)?, joined(second, word)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(filter: &str) -> Option<String> {
        of(&filter.parse().unwrap())
    }

    #[test]
    fn what_is_certain_is_told() {
        assert_eq!(told("year > 2000").unwrap(), r#"metadata["year"] > 2000.0"#);
        assert_eq!(told("by.name = 'Ada'").unwrap(), r#"metadata["by"]["name"] == "Ada""#);
        assert_eq!(told("a in (1, 'x')").unwrap(), r#"(metadata["a"] == 1.0 or metadata["a"] == "x")"#);
        assert_eq!(
            told("a = true and b < 1 or c >= -1.5").unwrap(),
            r#"((metadata["a"] == true and metadata["b"] < 1.0) or metadata["c"] >= -1.5)"#
        );
    }

    #[test]
    fn what_is_not_certain_is_left_out_where_more_then_meet_it() {
        for filter in ["a != 1", "a < true", "a = 9007199254740993", "\"a[0]\" = 1", "a = 1 or b != 2", "\"ü\" = 1"] {
            assert_eq!(told(filter), None, "{filter}");
        }
        assert_eq!(told("a = 1 and not b = 2").unwrap(), r#"metadata["a"] == 1.0"#);
        assert_eq!(told("a not in (1) and b != 2"), None);
    }

    #[test]
    fn texts_are_written_so_that_they_cannot_end_early() {
        assert_eq!(is_one_of(&["it's", "a\"b\\\n\r\t\u{1f980}"]), "id in [\"it's\", \"a\\\"b\\\\\\n\\r\t\u{1f980}\"]");
        assert_eq!(after("", "\""), "id > \"\\\"\"");
        assert_eq!(after("a or b", "x"), "(a or b) and id > \"x\"");
    }
}
