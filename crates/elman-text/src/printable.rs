//! Text from files and models, made safe and short for a terminal.
//!
//! Control characters in a text can move the cursor, set the window's title or hide what stands before them. What is
//! printed for a person goes through one of these functions; what a program reads gets the exact text.

use std::{
    borrow::Cow,
    fmt::{self, Write},
};

/// The longest message, in characters.
const LONGEST: usize = 300;

/// A text with its unprintable characters escaped as Rust writes them, `\u{1b}`; line feeds and tabs are kept.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |escaped, c| write!(escaped, "{}", c.escape_default()))
}

fn escaped(text: &str, escape: impl Fn(&mut String, char) -> fmt::Result) -> Cow<'_, str> {
    let is_kept = |c| is_printable(c) || matches!(c, '\n' | '\t');
    if text.chars().all(is_kept) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_kept(c) {
            true => escaped.push(c),
            false => escape(&mut escaped, c).expect("a string takes any text"),
        }
    }
    Cow::Owned(escaped)
}

/// A text in one line, each of its line feeds and tabs a space, the rest as in [`printable`].
pub fn in_one_line(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ")
}

/// JSON with its unprintable characters escaped as JSON has it, `\u001b`: the same value.
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(text, |escaped, c| write!(escaped, "\\u{:04x}", u32::from(c)))
}

/// A message in one line of at most some 300 characters; of a longer one the middle is left out, since the beginning says
/// what failed and the end what to do.
pub fn message(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().map(printable).collect();
    shortened(words.join(" "), LONGEST)
}

fn shortened(text: String, longest: usize) -> String {
    let length = text.chars().count();
    if length <= longest {
        return text;
    }
    let head = longest * 2 / 3;
    let tail = longest - head - 3;
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(length - tail).collect();
    format!("{} … {}", start.trim_end(), end.trim_start())
}

/// Whether a character can be shown as it is. Controls cannot; nor can what reorders the characters beside it (bidirectional
/// embeddings and isolates, with which a text can be made to read otherwise than it is), line separators, and the byte order
/// mark. Joiners stay: emoji and many scripts need them.
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
    fn a_line_has_no_breaks() {
        assert_eq!(in_one_line(" a\r\n\tb "), " a\\r  b ");
    }

    #[test]
    fn a_message_is_one_short_line() {
        assert_eq!(message("a\r\n b\u{85}c\t\u{1b}]0;x\u{7}"), "a b c \\u{1b}]0;x\\u{7}");
        let long = format!("the tensor {} is not there: give --prefix", "é".repeat(5000));
        let short = message(&long);
        assert!(short.chars().count() <= LONGEST, "{}", short.chars().count());
        assert!(short.starts_with("the tensor é") && short.ends_with("é is not there: give --prefix"), "{short}");
        assert_eq!(message(&"x".repeat(LONGEST)), "x".repeat(LONGEST));
    }
}
