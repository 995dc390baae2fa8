//! Segments a stream of words into sentences, to count the grammatical ones.

use serde::Serialize;

use super::grammar::{Class, TEMPLATES, fits};

/// A segment of a stream of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment<'a> {
    /// A grammatical sentence.
    Sentence(&'a [&'a str]),
    /// A word that fits no sentence.
    Misfit(&'a [&'a str]),
    /// An incomplete sentence at the start or the end of the stream.
    Incomplete(&'a [&'a str]),
}

impl<'a> Segment<'a> {
    /// Its words.
    pub fn words(&self) -> &'a [&'a str] {
        let (Self::Sentence(words) | Self::Misfit(words) | Self::Incomplete(words)) = self;
        words
    }
}

/// Segments a stream into grammatical sentences with as few misfits as possible, and then as few segments as possible.
/// An incomplete sentence at the start or the end of the stream has no cost.
///
/// Dynamic programming: the best segmentation of the first `n` words is the best segmentation of fewer words, plus one
/// segment.
pub fn segment<'a>(words: &'a [&'a str]) -> Vec<Segment<'a>> {
    let max_length = TEMPLATES.iter().map(|template| template.len()).max().unwrap_or(0);
    // for the first n words: the misfits and segments of the best segmentation, and its last segment
    let mut best: Vec<((usize, usize), Option<Segment<'a>>)> = vec![((0, 0), None)];
    for end in 1..=words.len() {
        let candidates = (1..=max_length.min(end)).filter_map(|length| {
            let start = end - length;
            let (misfits, segments) = best[start].0;
            let segment = last_segment(&words[start..end], start == 0, end == words.len())?;
            Some(((misfits + usize::from(matches!(segment, Segment::Misfit(_))), segments + 1), Some(segment)))
        });
        best.push(candidates.min_by_key(|(cost, _)| *cost).expect("a single word is a segment"));
    }
    let mut segments = Vec::new();
    let mut end = words.len();
    while let Some(segment) = best[end].1 {
        segments.push(segment);
        end -= segment.words().len();
    }
    segments.reverse();
    segments
}

/// These words as a single segment, if possible.
fn last_segment<'a>(words: &'a [&'a str], at_start: bool, at_end: bool) -> Option<Segment<'a>> {
    let any = |part: fn(&[Class], usize) -> &[Class]| {
        TEMPLATES.iter().any(|template| words.len() <= template.len() && fits(words, part(template, words.len())))
    };
    if any(|template, _| template) {
        Some(Segment::Sentence(words))
    } else if at_start && any(|template, n| &template[template.len() - n..])
        || at_end && any(|template, n| &template[..n])
    {
        Some(Segment::Incomplete(words))
    } else {
        (words.len() == 1).then_some(Segment::Misfit(words))
    }
}

/// The grammaticality of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Grammaticality {
    /// Grammatical sentences.
    pub sentences: usize,
    /// Words that fit no sentence; each counts as one ungrammatical sentence.
    pub misfits: usize,
    /// `sentences / (sentences + misfits)`
    pub share: f64,
}

impl Grammaticality {
    /// Counts the segments of a stream, except incomplete sentences.
    pub fn from_segments(segments: &[Segment]) -> Self {
        let sentences = segments.iter().filter(|segment| matches!(segment, Segment::Sentence(_))).count();
        let misfits = segments.iter().filter(|segment| matches!(segment, Segment::Misfit(_))).count();
        Self { sentences, misfits, share: sentences as f64 / (sentences + misfits) as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::ChaCha12Rng};

    use crate::demo::grammar;

    /// The segments as text: `sentences`, `*misfits` and `~incomplete` ones.
    fn segmented(text: &str) -> String {
        let words: Vec<&str> = text.split_whitespace().collect();
        let segments = segment(&words).into_iter().map(|segment| {
            let mark = match segment {
                Segment::Sentence(_) => "",
                Segment::Misfit(_) => "*",
                Segment::Incomplete(_) => "~",
            };
            format!("{mark}{}", segment.words().join(" "))
        });
        segments.collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn streams_are_segmented_into_sentences() {
        assert_eq!(segmented(""), "");
        assert_eq!(segmented("man eat bread cat move dragon eat man"), "man eat bread | cat move | dragon eat man");
        // "man move book" leaves a lone "break"; "man move" does not
        assert_eq!(segmented("man move book break cat move"), "man move | book break | cat move");
        assert_eq!(segmented("man move book cat move"), "man move book | cat move");
    }

    #[test]
    fn misfits_are_single_words() {
        assert_eq!(segmented("cat move man eat rock man sleep"), "cat move | *man | *eat | *rock | man sleep");
        assert_eq!(
            segmented("cat move man eat dragon think cat move"),
            "cat move | *man | *eat | *dragon | *think | cat move"
        );
        assert_eq!(segmented("cat move <unk> cat move"), "cat move | *<unk> | cat move");
        assert_eq!(segmented("cat move cookie man sleep"), "cat move | *cookie | man sleep");
    }

    #[test]
    fn incomplete_sentences_at_the_ends_have_no_cost() {
        assert_eq!(segmented("bread cat move dragon eat"), "~bread | cat move | ~dragon eat");
        assert_eq!(segmented("eat bread cat move dragon"), "~eat bread | cat move | ~dragon");
        // no sentence ends with "chase" or starts with "bread"
        assert_eq!(segmented("chase eat cat move bread"), "*chase | *eat | cat move | *bread");
        // a complete sentence is not incomplete, even if it could continue
        assert_eq!(segmented("cat move"), "cat move");
    }

    #[test]
    fn the_share_counts_sentences_and_misfits() {
        let words: Vec<&str> = "bread cat move cat move cat move eat dragon".split(' ').collect();
        let found = Grammaticality::from_segments(&segment(&words));
        assert_eq!(found, Grammaticality { sentences: 3, misfits: 1, share: 0.75 });
    }

    #[test]
    fn streams_of_the_grammar_are_grammatical_wherever_they_start() {
        let words = grammar::stream(2_000, &mut ChaCha12Rng::seed_from_u64(3));
        for part in [&words[..], &words[1..], &words[2..words.len() - 1]] {
            assert_eq!(Grammaticality::from_segments(&segment(part)).share, 1.0);
        }
    }
}
