//! Makes text from files and models safe and short for a terminal.
//!
//! Control characters can move the cursor, set the window title or hide preceding text. Output for people goes through
//! these functions; output for programs is exact.

use std::{
    borrow::Cow,
    fmt::{self, Write},
};

/// Maximum length of a message in characters.
const MAX_MESSAGE_CHARS: usize = 300;

/// Escapes unprintable characters in Rust syntax, `\u{1b}`; line feeds and tabs stay.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |escaped, c| write!(escaped, "{}", c.escape_default()))
}

fn escaped(text: &str, escape: impl Fn(&mut String, char) -> fmt::Result) -> Cow<'_, str> {
    let is_safe = |c| is_printable(c) || matches!(c, '\n' | '\t');
    if text.chars().all(is_safe) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_safe(c) {
            true => escaped.push(c),
            false => escape(&mut escaped, c).expect("writing to a string cannot fail"),
        }
    }
    Cow::Owned(escaped)
}

/// Like [`printable`], with each line feed and tab replaced by a space.
pub fn in_one_line(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ")
}

/// Escapes unprintable characters of JSON in JSON syntax, `\u001b`, which preserves its value.
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(text, |escaped, c| write!(escaped, "\\u{:04x}", u32::from(c)))
}

/// A text on one line: white space becomes a space, unprintable characters are escaped as in [`printable`].
///
/// For error messages that quote a file, directly or through a parser's message.
pub fn one_line(text: impl fmt::Display) -> String {
    let text = text.to_string();
    let words: Vec<_> = text.split_whitespace().map(printable).collect();
    words.join(" ")
}

/// A message on [one line](one_line) of at most 300 characters. Longer messages lose their middle, since the beginning says what
/// failed and the end what to do.
pub fn message(text: &str) -> String {
    shortened(one_line(text), MAX_MESSAGE_CHARS)
}

fn shortened(text: String, max: usize) -> String {
    let length = text.chars().count();
    if length <= max {
        return text;
    }
    let head = max * 2 / 3;
    let tail = max - head - 3;
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(length - tail).collect();
    format!("{} … {}", start.trim_end(), end.trim_start())
}

/// Whether a character is safe to print. Unsafe are control characters, bidirectional embeddings and isolates (which
/// can make a text read differently than it is), line separators, and the byte order mark. Joiners are safe: emoji and
/// many scripts need them.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{FEFF}')
        && !matches!(c, '\u{FFF9}'..='\u{FFFB}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_escaped_and_scripts_are_not() {
        assert_eq!(printable("a\u{1b}[31mb\u{7}\u{9b}c\u{7f}\rd"), "a\\u{1b}[31mb\\u{7}\\u{9b}c\\u{7f}\\rd");
        assert_eq!(printable("\u{202e}txt.exe\u{2028}"), "\\u{202e}txt.exe\\u{2028}");
        let plain = "naïve\tहिन्दी 👩\u{200d}👧 می\u{200c}خواهم 猫\n";
        assert!(matches!(printable(plain), Cow::Borrowed(text) if text == plain));
    }

    #[test]
    fn json_keeps_its_value() {
        let text = "a \u{9b}2J \u{202e}\u{7f} 猫";
        let written = serde_json::to_string(text).unwrap();
        let shown = json(&written);
        assert_eq!(shown, r#""a \u009b2J \u202e\u007f 猫""#);
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }

    #[test]
    fn in_one_line_has_no_line_breaks() {
        assert_eq!(in_one_line(" a\r\n\tb "), " a\\r  b ");
    }

    #[test]
    fn message_is_one_short_line() {
        assert_eq!(message("a\r\n b\u{85}c\t\u{1b}]0;x\u{7}"), "a b c \\u{1b}]0;x\\u{7}");
        let long = format!("the tensor {} is not there: give --prefix", "é".repeat(5000));
        let short = message(&long);
        assert!(short.chars().count() <= MAX_MESSAGE_CHARS, "{}", short.chars().count());
        assert!(short.starts_with("the tensor é") && short.ends_with("é is not there: give --prefix"), "{short}");
        assert_eq!(message(&"x".repeat(MAX_MESSAGE_CHARS)), "x".repeat(MAX_MESSAGE_CHARS));
    }
}
