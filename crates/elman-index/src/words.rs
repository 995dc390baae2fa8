//! The words of a text, as they are searched for.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use unicode_segmentation::UnicodeSegmentation;

/// A text in the one form of all that are the same to who searches: Unicode's NFKC (composed or not, full or half width),
/// full case folding (ß is ss), no accents on Latin letters, nothing that cannot be seen.
///
/// ```
/// assert_eq!(elman_index::folded("Ｃafe\u{301} GROẞ ｶﾞ"), "cafe gross ガ");
/// ```
pub fn folded(text: &str) -> String {
    let mut is_latin = false;
    let case_folded = text
        .nfkd()
        .filter(|&c| !is_invisible(c))
        // up and down again: some letters have no capital of their own, and ẞ has a small letter that has none
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfkd();
    let without_accents = case_folded.filter(|&c| {
        if !is_combining_mark(c) {
            is_latin = c.is_ascii_alphabetic();
        }
        !(is_latin && ('\u{300}'..='\u{36f}').contains(&c))
    });
    without_accents.nfc().collect()
}

/// What stands in a text for how it is drawn: hyphens where a word may be broken, joiners, variants.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Letters of scripts that put no spaces between words: of China and Japan, Thai, Lao, Burmese, Khmer, Balinese, Javanese
/// and their neighbours; and of Korea, which puts none before particles.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17ff}'
        | '\u{1950}'..='\u{19df}' | '\u{1a20}'..='\u{1aaf}' | '\u{1b00}'..='\u{1b7f}' | '\u{3005}' | '\u{3007}'
        | '\u{3040}'..='\u{312f}' | '\u{31a0}'..='\u{31bf}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' | '\u{a980}'..='\u{a9ff}' | '\u{aa60}'..='\u{aa7f}' | '\u{ac00}'..='\u{d7ff}'
        | '\u{f900}'..='\u{faff}' | '\u{1b000}'..='\u{1b16f}' | '\u{20000}'..='\u{3ffff}')
}

/// A part of a text between what is neither letter nor digit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Word,
    /// Letters of a script without spaces.
    Unspaced,
}

/// The words to look for: a word is a sequence of letters, digits and marks, and where a script puts no spaces between words,
/// each two letters beside each other are taken for one (a single letter, where it stands alone).
pub(crate) fn of_query(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    each_part(&folded(text), |part, kind| match kind {
        Part::Word => words.push(part.into()),
        Part::Unspaced => pairs(part, |pair| words.push(pair.into())),
    });
    words
}

/// The words by which a text is found, with spaces between: those of [`of_query`], and single letters of scripts without
/// spaces.
pub(crate) fn of_entry(text: &str) -> String {
    let mut words = String::new();
    let mut add = |word: &str| {
        words.push_str(word);
        words.push(' ');
    };
    each_part(&folded(text), |part, kind| {
        add_part(part, kind, &mut add);
    });
    words
}

fn add_part(part: &str, kind: Part, add: &mut impl FnMut(&str)) {
    match kind {
        Part::Word => add(part),
        Part::Unspaced => {
            pairs(part, &mut *add);
            // a single letter is its own pair
            let mut letters = part.graphemes(true);
            if letters.clone().nth(1).is_some() {
                letters.by_ref().for_each(add);
            }
        }
    }
}

/// Letters beside each other, with their marks.
fn pairs<'a>(part: &'a str, mut visit: impl FnMut(&'a str)) {
    let starts: Vec<usize> = part.grapheme_indices(true).map(|(start, _)| start).chain([part.len()]).collect();
    match starts.len() {
        0..=2 => visit(part),
        _ => starts.windows(3).for_each(|three| visit(&part[three[0]..three[2]])),
    }
}

/// Visits the parts of a folded text, in order.
fn each_part<'a>(text: &'a str, mut visit: impl FnMut(&'a str, Part)) {
    let mut current: Option<(usize, Part)> = None;
    for (at, c) in text.char_indices() {
        let kind = match current {
            Some((_, kind)) if is_combining_mark(c) => Some(kind),
            _ if !c.is_alphanumeric() => None,
            _ if is_unspaced(c) => Some(Part::Unspaced),
            _ => Some(Part::Word),
        };
        if current.map(|(_, kind)| kind) != kind {
            if let Some((start, before)) = current {
                visit(&text[start..at], before);
            }
            current = kind.map(|kind| (at, kind));
        }
    }
    if let Some((start, kind)) = current {
        visit(&text[start..], kind);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_text_has_one_form() {
        for (text, form) in [
            ("Straße STRASSE ẞ", "strasse strasse ss"),
            ("İstanbul ISTANBUL ıI", "istanbul istanbul ii"),
            ("ΣΊΣΥΦΟΣ σίσυφος", "σίσυφοσ σίσυφοσ"),
            ("ＡＢＣ １２３ ｱﾊﾟｰﾄ", "abc 123 アパート"),
            ("e\u{301}\u{323} ﬁ ½", "e fi 1⁄2"),
            ("й и\u{306}", "й й"),
            ("か\u{3099} が ᄒ\u{1161}ᆫ", "が が 한"),
            ("co\u{ad}op\u{200b}erate\u{feff}", "cooperate"),
        ] {
            assert_eq!(folded(text), form, "{text}");
        }
    }

    #[test]
    fn words_are_found_where_no_spaces_are() {
        for (text, words) in [
            ("iPhone 发票 2024", "iphone 发票 2024"),
            ("屋顶的发票", "屋顶 顶的 的发 发票"),
            ("票", "票"),
            ("東京タワーへ", "東京 京タ タワ ワー ーへ"),
            ("고양이가 집에", "고양 양이 이가 집에"),
            ("ที่บ้าน", "ที่บ้ บ้า าน"),
            ("ភាសា", "ភាសា"),
            ("don't AND (x*) \"a:b\" - NEAR^", "don t and x a b near"),
            ("हिन्दी में", "हिन्दी में"),
            ("v2发票pdf", "v2 发票 pdf"),
            ("\u{301} !? 🦀", ""),
        ] {
            assert_eq!(of_query(text).join(" "), words, "{text}");
        }
        assert_eq!(of_entry("a 发票了 b 票"), "a 发票 票了 发 票 了 b 票 ");
    }

    proptest! {
        #[test]
        fn a_form_is_its_own_and_that_of_other_forms(text in any::<String>()) {
            let form = folded(&text);
            prop_assert_eq!(folded(&form), form.clone());
            prop_assert_eq!(folded(&text.nfc().collect::<String>()), form.clone());
            prop_assert_eq!(folded(&text.nfd().collect::<String>()), form.clone());
            prop_assert_eq!(folded(&text.nfkc().collect::<String>()), form);
            let entry = of_entry(&text);
            let all: Vec<&str> = entry.split(' ').collect();
            for word in of_query(&text) {
                prop_assert!(all.contains(&&*word));
                prop_assert!(word.chars().all(|c| c.is_alphanumeric() || is_combining_mark(c)));
            }
        }
    }
}
