use std::fmt;

use crate::{
    entry::Metadata,
    filter::{Scalar, parse},
};

/// Where in the metadata of an entry a value is: a key, and keys of the objects inside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Field(Vec<String>);

impl Field {
    /// The value behind these keys, one after another.
    ///
    /// # Panics
    /// If there are none.
    pub fn new(keys: Vec<String>) -> Self {
        assert!(!keys.is_empty(), "a field has one key or more");
        Self(keys)
    }

    /// The keys, the outermost first.
    pub fn keys(&self) -> &[String] {
        &self.0
    }

    /// The scalar that metadata have there.
    pub(crate) fn of(&self, metadata: Option<&Metadata>) -> Option<Scalar> {
        let (last, outer) = self.0.split_last().expect("one key or more");
        let object = outer.iter().try_fold(metadata?, |object, key| object.get(key)?.as_object())?;
        object.get(last).and_then(Scalar::of)
    }

    /// Every field of metadata that holds a scalar, with it.
    pub(crate) fn all(metadata: &Metadata) -> Vec<(Self, Scalar)> {
        fn visit(object: &Metadata, outer: &[String], found: &mut Vec<(Field, Scalar)>) {
            for (key, value) in object {
                let keys = [outer, std::slice::from_ref(key)].concat();
                match value.as_object() {
                    Some(inner) => visit(inner, &keys, found),
                    None => found.extend(Scalar::of(value).map(|scalar| (Field(keys), scalar))),
                }
            }
        }
        let mut found = Vec::new();
        visit(metadata, &[], &mut found);
        found
    }
}

impl From<&str> for Field {
    /// The field of one key, dots included.
    fn from(key: &str) -> Self {
        Self(vec![key.into()])
    }
}

/// As in a filter: with dots between the keys, and those that need it in quotes.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, key) in self.0.iter().enumerate() {
            f.write_str(if n > 0 { "." } else { "" })?;
            match parse::is_plain(key) {
                true => f.write_str(key)?,
                false => write!(f, "\"{}\"", key.replace('"', "\"\""))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_fields_are_found_where_they_are() {
        let metadata = json!({"a": 1, "b": {"c": "x", "d": {"e": true}, "f": [1]}, "g": null});
        let metadata = metadata.as_object().unwrap();
        let all = Field::all(metadata);
        let names: Vec<String> = all.iter().map(|(field, value)| format!("{field} = {value}")).collect();
        assert_eq!(names, ["a = 1", "b.c = 'x'", "b.d.e = true"]);
        assert!(all.iter().all(|(field, value)| field.of(Some(metadata)).as_ref() == Some(value)));
    }
}
