//! The sentence of a text that is most like a query.

use std::ops::Range;

use anstyle::{AnsiColor, Style};
use elman::{index::cosine, text::printable::in_one_line};
use unicode_segmentation::UnicodeSegmentation;

use crate::{embedding::Model, error::CliError};

/// The longest text, in characters, that is shown whole on a terminal.
const WHOLE: usize = 300;
const MARK: Style = AnsiColor::Yellow.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// Where in each text its sentence nearest to the query is; none where there is one sentence.
pub fn nearest(model: &Model, query: &[f32], texts: &[&str]) -> Result<Vec<Option<Range<usize>>>, CliError> {
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

/// Where the sentences of a text are, without the space around them.
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

/// A text for a terminal: in one line, with its best sentence marked; a long one is cut to what is around that.
pub fn marked(text: &str, best: Option<&Range<usize>>) -> String {
    let best = best.cloned().unwrap_or(0..text.len());
    let (before, sentence, after) = (&text[..best.start], &text[best.clone()], &text[best.end..]);
    let room = WHOLE.saturating_sub(sentence.chars().count()) / 2;
    let whole = text.chars().count() <= WHOLE;
    let (before, after) = match whole {
        true => (before.to_owned(), after.to_owned()),
        false => (end(before, room), start(after, room)),
    };
    let sentence = start(sentence, if whole { WHOLE } else { WHOLE.max(room) });
    let [before, sentence, after] = [before, sentence, after].map(|part| in_one_line(&part));
    match best.len() == text.len() {
        true => sentence,
        false => format!("{before}{MARK}{sentence}{MARK:#}{after}").trim().to_owned(),
    }
}

/// An id for a terminal.
pub fn faint(text: &str) -> String {
    format!("{FAINT}{}{FAINT:#}", in_one_line(text))
}

/// The first characters of a text that has more.
pub fn start(text: &str, count: usize) -> String {
    match text.char_indices().nth(count) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn end(text: &str, count: usize) -> String {
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
    fn sentences_are_found_where_they_are() {
        let text = " One is here.  Is two?\n\n— … —\nThree ";
        let found: Vec<&str> = sentences(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, ["One is here.", "Is two?", "Three"]);
        assert!(sentences("").is_empty());
    }

    #[test]
    fn the_best_sentence_is_marked() {
        let text = "One.\nTwo. Three.";
        assert_eq!(marked(text, Some(&(5..9))), format!("One. {MARK}Two.{MARK:#} Three."));
        assert_eq!(marked(text, None), "One. Two. Three.");
        assert_eq!(marked("a\u{1b}[31mb", None), "a\\u{1b}[31mb");
    }

    #[test]
    fn a_long_text_is_cut_around_it() {
        let text = format!("{}The one. {}", "ä ".repeat(1000), "ö ".repeat(1000));
        let at = text.find("The").unwrap();
        let shown = plain(&marked(&text, Some(&(at..at + 8))));
        assert!(shown.starts_with("…") && shown.ends_with('…') && shown.contains("ä The one. ö"), "{shown}");
        assert!((WHOLE - 10..WHOLE + 10).contains(&shown.chars().count()));
        assert_eq!(marked(&"x".repeat(1000), None).chars().count(), WHOLE + 1);
        let all = format!("Begin. {}", "y".repeat(1000));
        assert!(plain(&marked(&all, Some(&(7..1007)))).chars().count() < WHOLE + 10);
    }
}
