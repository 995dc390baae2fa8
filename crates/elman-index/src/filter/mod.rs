//! Filters on the metadata of entries: `year > 2000 and lang in ('en', 'de')`.

mod field;
mod parse;

use std::{cmp::Ordering, collections::BTreeSet, fmt, str::FromStr};

pub use field::Field;
use serde_json::Value;

use crate::{entry::Metadata, error::IndexError};

/// A condition on the metadata of entries.
///
/// Constructed from values, or parsed from text with [`FromStr`]:
///
/// ```text
/// year >= 2000 and year < 2010
/// lang in ('en', 'de') or not draft = true
/// author.name = 'Lovelace' and "key with spaces" != 3
/// ```
/// - A field is a key of the metadata. Dots access nested objects; double quotes or backticks enclose any other key.
/// - A value is a number, `true`, `false`, or a string in single or double quotes, in which a doubled quote is one
///   quote.
/// - Operators: `=` (also `==`), `!=` (also `<>`), `<`, `<=`, `>`, `>=`, `in (…)`, `not in (…)`, `and` (also `&&`),
///   `or` (also `||`), `not` (also `!`), parentheses. Precedence is that of SQL, and keywords are case-insensitive.
///
/// Every comparison is true or false. It is false if the entry lacks the field, its value is null, an array or an
/// object, or the types differ; `!=` and `not in` negate `=` and `in`, so they are true for such an entry. Numbers are
/// compared as `f64`, strings by code points.
///
/// ```
/// use elman_index::Filter;
/// use serde_json::json;
///
/// let filter: Filter = "year > 2000 and lang = 'en'".parse()?;
/// assert!(filter.matches(json!({"year": 2012, "lang": "en"}).as_object()));
/// assert!(!filter.matches(json!({"lang": "en"}).as_object()));
/// # Ok::<(), elman_index::IndexError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Compares the field with a value.
    Compare(Field, Comparison, Scalar),
    /// The field has one of these values.
    In(Field, Vec<Scalar>),
    /// All filters match; true if empty.
    And(Vec<Filter>),
    /// At least one filter matches; false if empty.
    Or(Vec<Filter>),
    /// The filter does not match.
    Not(Box<Filter>),
}

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A value in a filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// `true` or `false`; `false` is less.
    Bool(bool),
    /// A finite number.
    Number(f64),
    /// A string.
    Text(String),
}

impl Filter {
    /// Maximum nesting depth.
    pub const MAX_DEPTH: usize = 64;
    /// Maximum size of a filter's text in bytes.
    pub const MAX_BYTES: usize = 65_536;

    /// Whether `metadata` matches.
    pub fn matches(&self, metadata: Option<&Metadata>) -> bool {
        match self {
            Self::Compare(field, comparison, value) => {
                field.scalar_in(metadata).is_some_and(|found| comparison.compare(&found, value))
            }
            Self::In(field, values) => field.scalar_in(metadata).is_some_and(|found| values.contains(&found)),
            Self::And(filters) => filters.iter().all(|filter| filter.matches(metadata)),
            Self::Or(filters) => filters.iter().any(|filter| filter.matches(metadata)),
            Self::Not(filter) => !filter.matches(metadata),
        }
    }

    /// The fields that the filter uses.
    pub fn fields(&self) -> BTreeSet<&Field> {
        match self {
            Self::Compare(field, ..) | Self::In(field, _) => BTreeSet::from([field]),
            Self::And(filters) | Self::Or(filters) => filters.iter().flat_map(Self::fields).collect(),
            Self::Not(filter) => filter.fields(),
        }
    }
}

impl Filter {
    /// Returns an error if the filter uses a field that none of these metadata have, unless `all` is empty.
    pub(crate) fn check_fields<'a>(
        &self,
        all: impl Iterator<Item = Option<&'a Metadata>> + Clone,
    ) -> Result<(), IndexError> {
        let unknown = |field: &&Field| all.clone().all(|metadata| field.scalar_in(metadata).is_none());
        match self.fields().into_iter().find(unknown) {
            Some(field) if all.clone().next().is_some() => {
                let known: BTreeSet<Field> =
                    all.flatten().flat_map(Field::all_in).map(|(field, _)| field).take(1000).collect();
                let known = known.iter().take(20).map(Field::to_string).collect();
                Err(IndexError::UnknownField { field: field.to_string(), known })
            }
            _ => Ok(()),
        }
    }
}

impl Comparison {
    fn compare(self, found: &Scalar, value: &Scalar) -> bool {
        let order = match (found, value) {
            (Scalar::Bool(a), Scalar::Bool(b)) => Some(a.cmp(b)),
            (Scalar::Number(a), Scalar::Number(b)) => a.partial_cmp(b),
            (Scalar::Text(a), Scalar::Text(b)) => Some(a.cmp(b)),
            _ => None,
        };
        order.is_some_and(|order| match self {
            Self::Equal => order == Ordering::Equal,
            Self::Less => order == Ordering::Less,
            Self::LessOrEqual => order != Ordering::Greater,
            Self::Greater => order == Ordering::Greater,
            Self::GreaterOrEqual => order != Ordering::Less,
        })
    }

    /// The operator in [`Filter`] and in SQL.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

impl Scalar {
    /// The scalar of a JSON value; `None` for null, arrays and objects.
    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(Self::Bool(*value)),
            Value::Number(number) => number.as_f64().map(Self::Number),
            Value::String(text) => Some(Self::Text(text.clone())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

/// Formats the filter as text that [`FromStr`] parses to an equal filter.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, filters: &[Self], operator: &str, empty: &str| {
            if filters.is_empty() {
                return f.write_str(empty);
            }
            for (n, filter) in filters.iter().enumerate() {
                if n > 0 {
                    write!(f, " {operator} ")?;
                }
                match filter {
                    Self::Compare(..) | Self::In(..) | Self::Not(_) => write!(f, "{filter}")?,
                    Self::And(_) | Self::Or(_) => write!(f, "({filter})")?,
                }
            }
            Ok(())
        };
        match self {
            Self::Compare(field, comparison, value) => write!(f, "{field} {} {value}", comparison.symbol()),
            Self::In(field, values) => {
                write!(f, "{field} in (")?;
                for (n, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if n > 0 { ", " } else { "" })?;
                }
                f.write_str(")")
            }
            Self::And(filters) => joined(f, filters, "and", "true"),
            Self::Or(filters) => joined(f, filters, "or", "false"),
            Self::Not(filter) => write!(f, "not ({filter})"),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
        }
    }
}

impl FromStr for Filter {
    type Err = IndexError;

    /// # Errors
    /// If the text is not a valid filter, with the position and what was expected there; if it is nested deeper than
    /// [`MAX_DEPTH`](Self::MAX_DEPTH) or longer than [`MAX_BYTES`](Self::MAX_BYTES).
    fn from_str(text: &str) -> Result<Self, IndexError> {
        parse::filter(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::select};
    use serde_json::json;

    use super::*;

    fn matches(filter: &str, metadata: Value) -> bool {
        filter.parse::<Filter>().unwrap().matches(metadata.as_object())
    }

    #[test]
    fn comparisons_need_equal_types() {
        assert!(matches("year > 2000", json!({"year": 2000.5})));
        assert!(!matches("year > 2000", json!({"year": "2001"})));
        assert!(matches("name < 'b'", json!({"name": "a"})));
        assert!(matches("draft = true and draft >= false", json!({"draft": true})));
        assert!(!matches("draft = 1", json!({"draft": true})));
        assert!(matches("a.b = 1", json!({"a": {"b": 1}})));
        assert!(!matches("a.b = 1", json!({"a.b": 1})));
        assert!(matches("\"a.b\" = 1", json!({"a.b": 1})));
    }

    #[test]
    fn absent_fields_are_not_equal() {
        for metadata in [json!({}), json!({"year": null}), json!({"year": [2000]}), json!({"year": {"a": 1}})] {
            for non_matching in ["year = 2000", "year < 2000", "year >= 2000", "year in (2000)"] {
                assert!(!matches(non_matching, metadata.clone()), "{non_matching} {metadata}");
            }
            for matching in ["year != 2000", "year not in (2000)", "not year = 2000"] {
                assert!(matches(matching, metadata.clone()), "{matching} {metadata}");
            }
        }
        assert!(!"a = 1".parse::<Filter>().unwrap().matches(None));
    }

    #[test]
    fn fields_are_collected() {
        let filter: Filter = "a = 1 and (b.c = 2 or not a in (3))".parse().unwrap();
        assert_eq!(filter.fields().into_iter().map(Field::to_string).collect::<Vec<_>>(), ["a", "b.c"]);
    }

    fn scalar() -> impl Strategy<Value = Scalar> {
        prop_oneof![
            any::<bool>().prop_map(Scalar::Bool),
            any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(Scalar::Number),
            any::<String>().prop_map(Scalar::Text),
        ]
    }

    fn some_filter() -> impl Strategy<Value = Filter> {
        let key = prop_oneof![
            "[a-z_]{1,5}",
            any::<String>(),
            select(vec!["and", "IN", "true", "a.b", ""]).prop_map(String::from)
        ];
        let field = prop::collection::vec(key, 1..3).prop_map(Field::new);
        let comparison = select(vec![
            Comparison::Equal,
            Comparison::Less,
            Comparison::LessOrEqual,
            Comparison::Greater,
            Comparison::GreaterOrEqual,
        ]);
        let leaf = prop_oneof![
            (field.clone(), comparison, scalar())
                .prop_map(|(field, comparison, value)| Filter::Compare(field, comparison, value)),
            (field, prop::collection::vec(scalar(), 1..4)).prop_map(|(field, values)| Filter::In(field, values)),
        ];
        leaf.prop_recursive(4, 24, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
                prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::Or),
                inner.prop_map(|filter| Filter::Not(Box::new(filter))),
            ]
        })
    }

    proptest! {
        #[test]
        fn display_and_parse_round_trip(filter in some_filter()) {
            prop_assert_eq!(filter.to_string().parse::<Filter>().unwrap(), filter);
        }

        #[test]
        fn parsing_never_panics(text in "([a-z'\"`()<>=!.,0-9 -]|and|or|not|in|[^a-z]){0,40}") {
            let _ = text.parse::<Filter>();
        }
    }
}
