//! Highlights the sentence of a text that is most similar to a query.

use std::ops::Range;

use anstyle::{AnsiColor, Style};
use elman::{index::cosine, text::printable::in_one_line};
use unicode_segmentation::UnicodeSegmentation;

use crate::{embedding::Model, error::CliError};

/// Maximum length of a text on a terminal, in characters; longer texts are truncated around the sentence.
const MAX_CHARS: usize = 300;
const HIGHLIGHT: Style = AnsiColor::Yellow.on_default().bold();
const DIMMED: Style = Style::new().dimmed();

/// For each text, the byte range of the sentence nearest to the query; `None` for a text with fewer than two sentences.
pub fn best_sentences(model: &Model, query: &[f32], texts: &[&str]) -> Result<Vec<Option<Range<usize>>>, CliError> {
    let sentences: Vec<Vec<Range<usize>>> = texts.iter().map(|text| sentences(text)).collect();
    let all: Vec<&str> = texts
        .iter()
        .zip(&sentences)
        .filter(|(_, ranges)| ranges.len() > 1)
        .flat_map(|(text, ranges)| ranges.iter().map(|range| &text[range.clone()]))
        .collect();
    let mut vectors = model.embed(&all)?.into_iter();
    Ok(sentences
        .into_iter()
        .map(|ranges| {
            let scored =
                (ranges.len() > 1).then(|| ranges.into_iter().zip(vectors.by_ref().map(|v| cosine(query, &v))));
            let best = scored?.fold(None, |best: Option<(Range<usize>, f32)>, next| match best {
                Some(best) if best.1 >= next.1 => Some(best),
                _ => Some(next),
            });
            best.map(|(range, _)| range)
        })
        .collect())
}

/// The byte ranges of the sentences of a text, without surrounding whitespace.
fn sentences(text: &str) -> Vec<Range<usize>> {
    let trimmed = |(start, sentence): (usize, &str)| {
        let start = start + sentence.len() - sentence.trim_start().len();
        start..start + sentence.trim().len()
    };
    text.split_sentence_bound_indices()
        .map(trimmed)
        .filter(|range| text[range.clone()].chars().any(char::is_alphanumeric))
        .collect()
}

/// A text for a terminal: on one line, the best sentence highlighted. Long texts are truncated around that sentence.
pub fn highlighted(text: &str, best: Option<&Range<usize>>) -> String {
    let best = best.cloned().unwrap_or(0..text.len());
    let (before, sentence, after) = (&text[..best.start], &text[best.clone()], &text[best.end..]);
    let room = MAX_CHARS.saturating_sub(sentence.chars().count()) / 2;
    let whole = text.chars().count() <= MAX_CHARS;
    let (before, after) = match whole {
        true => (before.to_owned(), after.to_owned()),
        false => (truncated_start(before, room), truncated(after, room)),
    };
    let sentence = truncated(sentence, if whole { MAX_CHARS } else { MAX_CHARS.max(room) });
    let [before, sentence, after] = [before, sentence, after].map(|part| in_one_line(&part));
    match best.len() == text.len() {
        true => sentence,
        false => format!("{before}{HIGHLIGHT}{sentence}{HIGHLIGHT:#}{after}").trim().to_owned(),
    }
}

/// Dimmed text for a terminal.
pub fn dimmed(text: &str) -> String {
    format!("{DIMMED}{}{DIMMED:#}", in_one_line(text))
}

/// The first `count` characters of a text, with an ellipsis if it has more.
pub fn truncated(text: &str, count: usize) -> String {
    match text.char_indices().nth(count) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The last `count` characters of a text, with an ellipsis if it has more.
fn truncated_start(text: &str, count: usize) -> String {
    match text.char_indices().rev().nth(count) {
        Some((at, c)) => format!("…{}", &text[at + c.len_utf8()..]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn sentences_have_byte_ranges() {
        let text = " One is here.  Is two?\n\n— … —\nThree ";
        let found: Vec<&str> = sentences(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, ["One is here.", "Is two?", "Three"]);
        assert!(sentences("").is_empty());
    }

    #[test]
    fn the_best_sentence_is_highlighted() {
        let text = "One.\nTwo. Three.";
        assert_eq!(highlighted(text, Some(&(5..9))), format!("One. {HIGHLIGHT}Two.{HIGHLIGHT:#} Three."));
        assert_eq!(highlighted(text, None), "One. Two. Three.");
        assert_eq!(highlighted("a\u{1b}[31mb", None), "a\\u{1b}[31mb");
    }

    #[test]
    fn a_long_text_is_truncated_around_the_sentence() {
        let text = format!("{}The one. {}", "ä ".repeat(1000), "ö ".repeat(1000));
        let at = text.find("The").unwrap();
        let shown = plain(&highlighted(&text, Some(&(at..at + 8))));
        assert!(shown.starts_with("…") && shown.ends_with('…') && shown.contains("ä The one. ö"), "{shown}");
        assert!((MAX_CHARS - 10..MAX_CHARS + 10).contains(&shown.chars().count()));
        assert_eq!(highlighted(&"x".repeat(1000), None).chars().count(), MAX_CHARS + 1);
        let all = format!("Begin. {}", "y".repeat(1000));
        assert!(plain(&highlighted(&all, Some(&(7..1007)))).chars().count() < MAX_CHARS + 10);
    }
}
