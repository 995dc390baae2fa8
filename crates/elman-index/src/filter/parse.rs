//! Recursive-descent parser for filters.

use crate::{
    error::IndexError,
    filter::{Comparison, Field, Filter, Scalar},
};

/// Reserved words, which must be quoted as keys.
const KEYWORDS: [&str; 6] = ["and", "or", "not", "in", "true", "false"];

pub(super) fn filter(text: &str) -> Result<Filter, IndexError> {
    if text.len() > Filter::MAX_BYTES {
        return Err(IndexError::FilterSize { limit: Filter::MAX_BYTES, found: text.len() });
    }
    let mut parser = Parser { text, offset: 0, depth: 0 };
    let filter = parser.or_expression()?;
    match parser.rest() {
        "" => Ok(filter),
        _ => Err(parser.expected("'and', 'or', or the end")),
    }
}

/// Whether a key needs no quotes.
pub(super) fn is_plain(key: &str) -> bool {
    key.starts_with(is_identifier_start)
        && key.chars().all(is_identifier_char)
        && !KEYWORDS.contains(&key.to_ascii_lowercase().as_str())
}

fn is_identifier_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_identifier_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

struct Parser<'a> {
    text: &'a str,
    /// Offset of the next byte.
    offset: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    /// The rest of the text, without leading whitespace.
    fn rest(&mut self) -> &'a str {
        let rest = self.text[self.offset..].trim_start();
        self.offset = self.text.len() - rest.len();
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
            position: self.text[..self.offset].chars().count() + 1,
            expected,
            found,
        }
    }

    /// Consumes one of the symbols if it comes next.
    fn symbol(&mut self, symbols: &[&str]) -> bool {
        let rest = self.rest();
        let found = symbols.iter().find(|&&symbol| rest.starts_with(symbol));
        self.offset += found.map_or(0, |symbol| symbol.len());
        found.is_some()
    }

    /// The identifier that comes next, or an empty string.
    fn peek(&mut self) -> &'a str {
        let rest = self.rest();
        match rest.starts_with(is_identifier_start) {
            true => &rest[..rest.find(|c| !is_identifier_char(c)).unwrap_or(rest.len())],
            false => "",
        }
    }

    /// Consumes this keyword if it comes next.
    fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.peek().eq_ignore_ascii_case(keyword);
        self.offset += if found { keyword.len() } else { 0 };
        found
    }

    /// Consumes a string in one of these quotes if it comes next.
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
                None => return Err(self.expected("a closing quote for this string")),
            }
        }
        self.offset = self.text.len() - rest.as_str().len();
        Ok(Some(text))
    }

    fn or_expression(&mut self) -> Result<Filter, IndexError> {
        let mut filters = vec![self.and_expression()?];
        while self.keyword("or") || self.symbol(&["||"]) {
            filters.push(self.and_expression()?);
        }
        Ok(if filters.len() == 1 { filters.remove(0) } else { Filter::Or(filters) })
    }

    fn and_expression(&mut self) -> Result<Filter, IndexError> {
        let mut filters = vec![self.not_expression()?];
        while self.keyword("and") || self.symbol(&["&&"]) {
            filters.push(self.not_expression()?);
        }
        Ok(if filters.len() == 1 { filters.remove(0) } else { Filter::And(filters) })
    }

    fn not_expression(&mut self) -> Result<Filter, IndexError> {
        self.depth += 1;
        if self.depth > Filter::MAX_DEPTH {
            return Err(IndexError::FilterDepth { limit: Filter::MAX_DEPTH });
        }
        let filter = if self.keyword("not") || self.symbol(&["!"]) {
            Filter::Not(Box::new(self.not_expression()?))
        } else if self.symbol(&["("]) {
            let inner = self.or_expression()?;
            if !self.symbol(&[")"]) {
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
        let negated = self.keyword("not");
        if self.keyword("in") {
            let found = Filter::In(field, self.values()?);
            return Ok(if negated { Filter::Not(Box::new(found)) } else { found });
        }
        if negated {
            return Err(self.expected("'in'"));
        }
        if self.symbol(&["!=", "<>"]) {
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
        match comparison.into_iter().find(|(symbol, _)| self.symbol(&[symbol])) {
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
                        self.offset += word.len();
                        word.into()
                    }
                    _ => return Err(self.expected("a field")),
                },
            };
            keys.push(key);
            if !self.symbol(&["."]) {
                return Ok(Field::new(keys));
            }
        }
    }

    fn values(&mut self) -> Result<Vec<Scalar>, IndexError> {
        if !self.symbol(&["("]) {
            return Err(self.expected("'(' and values"));
        }
        let mut values = vec![self.value()?];
        while self.symbol(&[","]) {
            values.push(self.value()?);
        }
        if !self.symbol(&[")"]) {
            return Err(self.expected("',' or ')'"));
        }
        Ok(values)
    }

    fn value(&mut self) -> Result<Scalar, IndexError> {
        if let Some(text) = self.quoted(&['\'', '"'])? {
            return Ok(Scalar::Text(text));
        }
        for (word, value) in [("true", true), ("false", false)] {
            if self.keyword(word) {
                return Ok(Scalar::Bool(value));
            }
        }
        let rest = self.rest();
        let number =
            &rest[..rest.find(|c| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')).unwrap_or(rest.len())];
        match number.parse::<f64>() {
            Ok(value) if value.is_finite() && !rest[number.len()..].starts_with(is_identifier_char) => {
                self.offset += number.len();
                Ok(Scalar::Number(value))
            }
            _ => Err(self.expected("a number, true, false, or a quoted string")),
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
    fn precedence_and_alternative_spellings() {
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
    fn errors_have_a_position_and_an_expectation() {
        assert_eq!(
            error("year >"),
            "invalid filter «year >»: expected a number, true, false, or a quoted string at character 7, found the end"
        );
        assert_eq!(
            error("year > 2000 lang = 'en'"),
            "invalid filter «year > 2000 lang = 'en'»: expected 'and', 'or', or the end at character 13, found 'lang = 'en''"
        );
        assert!(error("").contains("expected a field at character 1, found the end"));
        assert!(error("(a = 1").contains("expected 'and', 'or' or ')'"));
        assert!(error("a = 'x").contains("expected a closing quote for this string at character 5"));
        assert!(error("a in ()").contains("a number, true, false"));
        assert!(error("a = 20x").contains("at character 5"));
        assert!(error("é = é").contains("at character 5"));
        assert!(error("and = 1").contains("expected a field"));
        assert_eq!(error(&"(".repeat(100)), "the filter is nested more than 64 levels deep: simplify it");
        assert_eq!(error(&" ".repeat(70_000)), "the filter has 70000 bytes; the limit is 65536");
    }
}
