use std::fmt;

use crate::{
    entry::Metadata,
    filter::{Scalar, parse},
};

/// The path of a value in the metadata of an entry: a key, and keys of nested objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Field(Vec<String>);

impl Field {
    /// A field from its path of keys.
    ///
    /// # Panics
    /// If `keys` is empty.
    pub fn new(keys: Vec<String>) -> Self {
        assert!(!keys.is_empty(), "a field has at least one key");
        Self(keys)
    }

    /// The keys, outermost first.
    pub fn keys(&self) -> &[String] {
        &self.0
    }

    /// The scalar at this field of `metadata`.
    pub(crate) fn scalar_in(&self, metadata: Option<&Metadata>) -> Option<Scalar> {
        let (last, outer) = self.0.split_last().expect("a field has at least one key");
        let object = outer.iter().try_fold(metadata?, |object, key| object.get(key)?.as_object())?;
        object.get(last).and_then(Scalar::from_json)
    }

    /// All fields of `metadata` that hold scalars, with their values.
    pub(crate) fn all_in(metadata: &Metadata) -> Vec<(Self, Scalar)> {
        fn visit(object: &Metadata, outer: &[String], found: &mut Vec<(Field, Scalar)>) {
            for (key, value) in object {
                let keys = [outer, std::slice::from_ref(key)].concat();
                match value.as_object() {
                    Some(inner) => visit(inner, &keys, found),
                    None => found.extend(Scalar::from_json(value).map(|scalar| (Field(keys), scalar))),
                }
            }
        }
        let mut found = Vec::new();
        visit(metadata, &[], &mut found);
        found
    }
}

impl From<&str> for Field {
    /// The field of a single key, which may contain dots.
    fn from(key: &str) -> Self {
        Self(vec![key.into()])
    }
}

/// Formats the field as in a filter: keys separated by dots, quoted where necessary.
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
    fn all_scalar_fields_are_found() {
        let metadata = json!({"a": 1, "b": {"c": "x", "d": {"e": true}, "f": [1]}, "g": null});
        let metadata = metadata.as_object().unwrap();
        let all = Field::all_in(metadata);
        let names: Vec<String> = all.iter().map(|(field, value)| format!("{field} = {value}")).collect();
        assert_eq!(names, ["a = 1", "b.c = 'x'", "b.d.e = true"]);
        assert!(all.iter().all(|(field, value)| field.scalar_in(Some(metadata)).as_ref() == Some(value)));
    }
}
