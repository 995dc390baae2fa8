//! Terms of texts and queries, for full-text search.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use unicode_segmentation::UnicodeSegmentation;

/// Normalizes a text for search: Unicode NFKC (composed or decomposed, full or half width), full case folding (ß
/// becomes ss), no accents on Latin letters, no invisible characters.
///
/// ```
/// assert_eq!(elman_index::folded("Ｃafe\u{301} GROẞ ｶﾞ"), "cafe gross ガ");
/// ```
pub fn folded(text: &str) -> String {
    let mut is_latin = false;
    let case_folded = text
        .nfkd()
        .filter(|&c| !is_invisible(c))
        // lower, upper, lower: some letters have no uppercase of their own, and the lowercase of ẞ has none
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

/// Characters that only affect rendering: soft hyphens, joiners, variation selectors.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Letters of scripts without spaces between words: Chinese, Japanese, Thai, Lao, Burmese, Khmer, Balinese, Javanese
/// and related ones; and Korean, which has none before particles.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17ff}'
        | '\u{1950}'..='\u{19df}' | '\u{1a20}'..='\u{1aaf}' | '\u{1b00}'..='\u{1b7f}' | '\u{3005}' | '\u{3007}'
        | '\u{3040}'..='\u{312f}' | '\u{31a0}'..='\u{31bf}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' | '\u{a980}'..='\u{a9ff}' | '\u{aa60}'..='\u{aa7f}' | '\u{ac00}'..='\u{d7ff}'
        | '\u{f900}'..='\u{faff}' | '\u{1b000}'..='\u{1b16f}' | '\u{20000}'..='\u{3ffff}')
}

/// The kind of a run of letters, digits and marks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RunKind {
    Word,
    /// Letters of a script without spaces.
    Unspaced,
}

/// The terms of a query: runs of letters, digits and marks. In scripts without spaces, the bigrams of each run, or its
/// only letter.
pub(crate) fn query_terms(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for_each_run(&folded(text), |run, kind| match kind {
        RunKind::Word => words.push(run.into()),
        RunKind::Unspaced => bigrams(run, |pair| words.push(pair.into())),
    });
    words
}

/// The terms that a text is indexed under, separated by spaces: those of [`query_terms`], and the single letters of
/// scripts without spaces.
pub(crate) fn entry_terms(text: &str) -> String {
    let mut words = String::new();
    let mut add = |word: &str| {
        words.push_str(word);
        words.push(' ');
    };
    for_each_run(&folded(text), |run, kind| {
        add_run(run, kind, &mut add);
    });
    words
}

fn add_run(run: &str, kind: RunKind, add: &mut impl FnMut(&str)) {
    match kind {
        RunKind::Word => add(run),
        RunKind::Unspaced => {
            bigrams(run, &mut *add);
            // the only letter of a run is already added
            let mut letters = run.graphemes(true);
            if letters.clone().nth(1).is_some() {
                letters.by_ref().for_each(add);
            }
        }
    }
}

/// Bigrams of letters with their marks; a run of one letter is visited as it is.
fn bigrams<'a>(run: &'a str, mut visit: impl FnMut(&'a str)) {
    let starts: Vec<usize> = run.grapheme_indices(true).map(|(start, _)| start).chain([run.len()]).collect();
    match starts.len() {
        0..=2 => visit(run),
        _ => starts.windows(3).for_each(|three| visit(&run[three[0]..three[2]])),
    }
}

/// Visits the runs of a folded text, in order.
fn for_each_run<'a>(text: &'a str, mut visit: impl FnMut(&'a str, RunKind)) {
    let mut current: Option<(usize, RunKind)> = None;
    for (at, c) in text.char_indices() {
        let kind = match current {
            Some((_, kind)) if is_combining_mark(c) => Some(kind),
            _ if !c.is_alphanumeric() => None,
            _ if is_unspaced(c) => Some(RunKind::Unspaced),
            _ => Some(RunKind::Word),
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
    fn equivalent_texts_have_one_folded_form() {
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
    fn scripts_without_spaces_are_split_into_bigrams() {
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
            assert_eq!(query_terms(text).join(" "), words, "{text}");
        }
        assert_eq!(entry_terms("a 发票了 b 票"), "a 发票 票了 发 票 了 b 票 ");
    }

    proptest! {
        #[test]
        fn folding_is_idempotent_and_query_terms_are_indexed(text in any::<String>()) {
            let form = folded(&text);
            prop_assert_eq!(folded(&form), form.clone());
            prop_assert_eq!(folded(&text.nfc().collect::<String>()), form.clone());
            prop_assert_eq!(folded(&text.nfd().collect::<String>()), form.clone());
            prop_assert_eq!(folded(&text.nfkc().collect::<String>()), form);
            let entry = entry_terms(&text);
            let all: Vec<&str> = entry.split(' ').collect();
            for word in query_terms(&text) {
                prop_assert!(all.contains(&&*word));
                prop_assert!(word.chars().all(|c| c.is_alphanumeric() || is_combining_mark(c)));
            }
        }
    }
}
