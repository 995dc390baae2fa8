//! The language of filters, read from left to right.

use crate::{
    error::IndexError,
    filter::{Comparison, Field, Filter, Scalar},
};

/// Words with a meaning of their own, which cannot be keys without quotes.
const WORDS: [&str; 6] = ["and", "or", "not", "in", "true", "false"];

pub(super) fn filter(text: &str) -> Result<Filter, IndexError> {
    if text.len() > Filter::MAX_BYTES {
        return Err(IndexError::FilterSize { limit: Filter::MAX_BYTES, found: text.len() });
    }
    let mut reader = Reader { text, at: 0, depth: 0 };
    let filter = reader.either()?;
    match reader.rest() {
        "" => Ok(filter),
        _ => Err(reader.expected("'and', 'or', or the end")),
    }
}

/// Whether a key needs no quotes.
pub(super) fn is_plain(key: &str) -> bool {
    key.starts_with(begins_word) && key.chars().all(in_word) && !WORDS.contains(&key.to_ascii_lowercase().as_str())
}

fn begins_word(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

struct Reader<'a> {
    text: &'a str,
    /// The byte that comes next.
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// What is still to be read, without leading space.
    fn rest(&mut self) -> &'a str {
        let rest = self.text[self.at..].trim_start();
        self.at = self.text.len() - rest.len();
        rest
    }

    fn expected(&mut self, expected: &'static str) -> IndexError {
        let mut found: String = self.rest().chars().take(20).collect();
        if found.is_empty() {
            found = "the end".into();
        } else {
            found = format!("'{}'", found.trim_end());
        }
        IndexError::Filter {
            filter: self.text.into(),
            position: self.text[..self.at].chars().count() + 1,
            expected,
            found,
        }
    }

    /// Reads a sign, if it comes next.
    fn sign(&mut self, signs: &[&str]) -> bool {
        let rest = self.rest();
        let found = signs.iter().find(|&&sign| rest.starts_with(sign));
        self.at += found.map_or(0, |sign| sign.len());
        found.is_some()
    }

    /// The word that comes next, empty if none does.
    fn peek(&mut self) -> &'a str {
        let rest = self.rest();
        match rest.starts_with(begins_word) {
            true => &rest[..rest.find(|c| !in_word(c)).unwrap_or(rest.len())],
            false => "",
        }
    }

    /// Reads this word, if it comes next.
    fn word(&mut self, word: &str) -> bool {
        let found = self.peek().eq_ignore_ascii_case(word);
        self.at += if found { word.len() } else { 0 };
        found
    }

    /// A text in these quotes, if it comes next.
    fn quoted(&mut self, quotes: &[char]) -> Result<Option<String>, IndexError> {
        let Some(quote) = self.rest().chars().next().filter(|c| quotes.contains(c)) else {
            return Ok(None);
        };
        let mut text = String::new();
        let mut rest = self.rest()[1..].chars();
        loop {
            match rest.next() {
                Some(c) if c == quote => match rest.as_str().strip_prefix(quote) {
                    Some(after) => {
                        text.push(quote);
                        rest = after.chars();
                    }
                    None => break,
                },
                Some(c) => text.push(c),
                None => return Err(self.expected("a quote at the end of this text")),
            }
        }
        self.at = self.text.len() - rest.as_str().len();
        Ok(Some(text))
    }

    fn either(&mut self) -> Result<Filter, IndexError> {
        let mut filters = vec![self.all()?];
        while self.word("or") || self.sign(&["||"]) {
            filters.push(self.all()?);
        }
        Ok(if filters.len() == 1 { filters.remove(0) } else { Filter::Or(filters) })
    }

    fn all(&mut self) -> Result<Filter, IndexError> {
        let mut filters = vec![self.one()?];
        while self.word("and") || self.sign(&["&&"]) {
            filters.push(self.one()?);
        }
        Ok(if filters.len() == 1 { filters.remove(0) } else { Filter::And(filters) })
    }

    fn one(&mut self) -> Result<Filter, IndexError> {
        self.depth += 1;
        if self.depth > Filter::MAX_DEPTH {
            return Err(IndexError::FilterDepth { limit: Filter::MAX_DEPTH });
        }
        let filter = if self.word("not") || self.sign(&["!"]) {
            Filter::Not(Box::new(self.one()?))
        } else if self.sign(&["("]) {
            let inner = self.either()?;
            if !self.sign(&[")"]) {
                return Err(self.expected("'and', 'or' or ')'"));
            }
            inner
        } else {
            self.condition()?
        };
        self.depth -= 1;
        Ok(filter)
    }

    fn condition(&mut self) -> Result<Filter, IndexError> {
        let field = self.field()?;
        let negated = self.word("not");
        if self.word("in") {
            let found = Filter::In(field, self.values()?);
            return Ok(if negated { Filter::Not(Box::new(found)) } else { found });
        }
        if negated {
            return Err(self.expected("'in'"));
        }
        if self.sign(&["!=", "<>"]) {
            return Ok(Filter::Not(Box::new(Filter::Compare(field, Comparison::Equal, self.value()?))));
        }
        let comparison = [
            ("==", Comparison::Equal),
            ("=", Comparison::Equal),
            ("<=", Comparison::LessOrEqual),
            ("<", Comparison::Less),
            (">=", Comparison::GreaterOrEqual),
            (">", Comparison::Greater),
        ];
        match comparison.into_iter().find(|(sign, _)| self.sign(&[sign])) {
            Some((_, comparison)) => Ok(Filter::Compare(field, comparison, self.value()?)),
            None => Err(self.expected("=, !=, <, <=, >, >=, 'in' or 'not in'")),
        }
    }

    fn field(&mut self) -> Result<Field, IndexError> {
        let mut keys = Vec::new();
        loop {
            let key = match self.quoted(&['"', '`'])? {
                Some(key) => key,
                None => match self.peek() {
                    word if is_plain(word) => {
                        self.at += word.len();
                        word.into()
                    }
                    _ => return Err(self.expected("a field")),
                },
            };
            keys.push(key);
            if !self.sign(&["."]) {
                return Ok(Field::new(keys));
            }
        }
    }

    fn values(&mut self) -> Result<Vec<Scalar>, IndexError> {
        if !self.sign(&["("]) {
            return Err(self.expected("'(' and values"));
        }
        let mut values = vec![self.value()?];
        while self.sign(&[","]) {
            values.push(self.value()?);
        }
        if !self.sign(&[")"]) {
            return Err(self.expected("',' or ')'"));
        }
        Ok(values)
    }

    fn value(&mut self) -> Result<Scalar, IndexError> {
        if let Some(text) = self.quoted(&['\'', '"'])? {
            return Ok(Scalar::Text(text));
        }
        for (word, value) in [("true", true), ("false", false)] {
            if self.word(word) {
                return Ok(Scalar::Bool(value));
            }
        }
        let rest = self.rest();
        let number =
            &rest[..rest.find(|c| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')).unwrap_or(rest.len())];
        match number.parse::<f64>() {
            Ok(value) if value.is_finite() && !rest[number.len()..].starts_with(in_word) => {
                self.at += number.len();
                Ok(Scalar::Number(value))
            }
            _ => Err(self.expected("a number, true, false, or a text in quotes")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        filter(text).unwrap_err().to_string()
    }

    #[test]
    fn precedence_and_spellings() {
        for (one, other) in [
            ("a = 1 or b = 2 and c = 3", "a = 1 or (b = 2 and c = 3)"),
            ("not a = 1 and b = 2", "(not (a = 1)) and b = 2"),
            ("a==1&&b<>'x'||!c=true", "(a = 1 AND NOT b = 'x') OR NOT (c = true)"),
            ("a=-1.5e3", "a = -1500"),
            ("`a b` = \"it's\"", "\"a b\" = 'it''s'"),
            ("lang Not In('a','b')", "not lang in ('a', 'b')"),
        ] {
            assert_eq!(filter(one).unwrap(), filter(other).unwrap(), "{one}");
        }
    }

    #[test]
    fn errors_say_where_and_what() {
        assert_eq!(
            error("year >"),
            "cannot read the filter «year >»: at character 7 a number, true, false, or a text in quotes is expected, and there is the end"
        );
        assert_eq!(
            error("year > 2000 lang = 'en'"),
            "cannot read the filter «year > 2000 lang = 'en'»: at character 13 'and', 'or', or the end is expected, and there is 'lang = 'en''"
        );
        assert!(error("").contains("at character 1 a field is expected, and there is the end"));
        assert!(error("(a = 1").contains("'and', 'or' or ')' is expected"));
        assert!(error("a = 'x").contains("at character 5 a quote at the end of this text is expected"));
        assert!(error("a in ()").contains("a number, true, false"));
        assert!(error("a = 20x").contains("at character 5"));
        assert!(error("é = é").contains("at character 5"));
        assert!(error("and = 1").contains("a field is expected"));
        assert_eq!(error(&"(".repeat(100)), "the filter is nested more than 64 deep: simplify it");
        assert_eq!(error(&" ".repeat(70_000)), "the filter has 70000 bytes, and may have 65536");
    }
}
