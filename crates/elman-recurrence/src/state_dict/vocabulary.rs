use std::collections::{BTreeMap, HashMap};

use burn::store::pytorch_reader::PickleValue;

/// A vocabulary saved together with weights: a list of tokens, or a dict from tokens to ids or from ids to tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Vocabulary {
    /// The name in the file.
    pub name: String,
    /// The tokens, in order of their ids.
    pub tokens: Vec<String>,
}

/// The tokens of a value, if it can be a vocabulary.
pub(super) fn tokens(value: &PickleValue) -> Option<Vec<String>> {
    let tokens = match value {
        PickleValue::List(items) => items.iter().map(text).collect::<Option<Vec<_>>>()?,
        PickleValue::Dict(entries) => in_order(entries)?,
        _ => return None,
    };
    (tokens.len() > 1).then_some(tokens)
}

fn text(value: &PickleValue) -> Option<String> {
    match value {
        PickleValue::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// The tokens of a dict between tokens and the ids 0, 1, 2, ….
fn in_order(entries: &HashMap<String, PickleValue>) -> Option<Vec<String>> {
    let by_id = entries.iter().map(|(key, value)| match value {
        PickleValue::Int(id) => Some((*id, key.clone())),
        PickleValue::String(token) => Some((key.parse().ok()?, token.clone())),
        _ => None,
    });
    let by_id: BTreeMap<i64, String> = by_id.collect::<Option<_>>()?;
    let complete = by_id.len() == entries.len() && by_id.keys().copied().eq(0..by_id.len() as i64);
    complete.then(|| by_id.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_dicts_of_tokens_are_vocabularies() {
        let text = |t: &str| PickleValue::String(t.into());
        let tokens = |value: &PickleValue| tokens(value).map(|tokens| tokens.join(" "));
        assert_eq!(tokens(&PickleValue::List(vec![text("b"), text("a")])).as_deref(), Some("b a"));
        assert_eq!(tokens(&PickleValue::List(vec![text("b"), PickleValue::Int(1)])), None);
        let dict = |entries: &[(&str, PickleValue)]| {
            PickleValue::Dict(entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
        };
        assert_eq!(tokens(&dict(&[("a", PickleValue::Int(1)), ("b", PickleValue::Int(0))])).as_deref(), Some("b a"));
        assert_eq!(tokens(&dict(&[("1", text("a")), ("0", text("b"))])).as_deref(), Some("b a"));
        assert_eq!(tokens(&dict(&[("lr", PickleValue::Int(7)), ("b", PickleValue::Int(0))])), None);
    }
}
