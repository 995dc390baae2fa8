//! Cutting a stream of words into sentences, to see how many are grammatical.

use serde::Serialize;

use super::grammar::{Class, TEMPLATES, fits};

/// A piece of a stream of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment<'a> {
    /// A grammatical sentence.
    Sentence(&'a [&'a str]),
    /// A word that fits in no sentence.
    Misfit(&'a [&'a str]),
    /// The end of a sentence at the stream's begin, or the begin of one at its end.
    Cut(&'a [&'a str]),
}

impl<'a> Segment<'a> {
    /// Its words.
    pub fn words(&self) -> &'a [&'a str] {
        let (Self::Sentence(words) | Self::Misfit(words) | Self::Cut(words)) = self;
        words
    }
}

/// Cuts a stream into grammatical sentences so that as few words as possible fit in none; of the ways to do so, one with
/// the fewest segments. An unfinished sentence at the stream's begin or end costs nothing.
///
/// Dynamic programming over the cuts: the best way to cut the first `n` words is the best way to cut fewer, and one
/// segment more.
pub fn segment<'a>(words: &'a [&'a str]) -> Vec<Segment<'a>> {
    let longest = TEMPLATES.iter().map(|template| template.len()).max().unwrap_or(0);
    // for the first n words: misfits and segments of the best way, and its last segment
    let mut best: Vec<((usize, usize), Option<Segment<'a>>)> = vec![((0, 0), None)];
    for end in 1..=words.len() {
        let candidates = (1..=longest.min(end)).filter_map(|length| {
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

/// What these words are as one segment, if anything.
fn last_segment<'a>(words: &'a [&'a str], at_begin: bool, at_end: bool) -> Option<Segment<'a>> {
    let any = |part: fn(&[Class], usize) -> &[Class]| {
        TEMPLATES.iter().any(|template| words.len() <= template.len() && fits(words, part(template, words.len())))
    };
    if any(|template, _| template) {
        Some(Segment::Sentence(words))
    } else if at_begin && any(|template, n| &template[template.len() - n..])
        || at_end && any(|template, n| &template[..n])
    {
        Some(Segment::Cut(words))
    } else {
        (words.len() == 1).then_some(Segment::Misfit(words))
    }
}

/// How much of a stream is grammatical.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Grammaticality {
    /// Grammatical sentences.
    pub sentences: usize,
    /// Words that fit in none; each counts as one ungrammatical sentence.
    pub misfits: usize,
    /// `sentences / (sentences + misfits)`
    pub share: f64,
}

impl Grammaticality {
    /// Counts the segments of a stream. Unfinished sentences at its begin and end do not count.
    pub fn of(segments: &[Segment]) -> Self {
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

    /// The segments as text: sentences plain, `*misfits`, `~cut` ones.
    fn cut(text: &str) -> String {
        let words: Vec<&str> = text.split_whitespace().collect();
        let segments = segment(&words).into_iter().map(|segment| {
            let mark = match segment {
                Segment::Sentence(_) => "",
                Segment::Misfit(_) => "*",
                Segment::Cut(_) => "~",
            };
            format!("{mark}{}", segment.words().join(" "))
        });
        segments.collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn streams_are_cut_into_sentences() {
        assert_eq!(cut(""), "");
        assert_eq!(cut("man eat bread cat move dragon eat man"), "man eat bread | cat move | dragon eat man");
        // "man move book" leaves a lone "break"; "man move" does not
        assert_eq!(cut("man move book break cat move"), "man move | book break | cat move");
        assert_eq!(cut("man move book cat move"), "man move book | cat move");
    }

    #[test]
    fn words_that_fit_nowhere_are_counted_one_by_one() {
        assert_eq!(cut("cat move man eat rock man sleep"), "cat move | *man | *eat | *rock | man sleep");
        assert_eq!(
            cut("cat move man eat dragon think cat move"),
            "cat move | *man | *eat | *dragon | *think | cat move"
        );
        assert_eq!(cut("cat move <unk> cat move"), "cat move | *<unk> | cat move");
        assert_eq!(cut("cat move cookie man sleep"), "cat move | *cookie | man sleep");
    }

    #[test]
    fn unfinished_sentences_at_the_ends_cost_nothing() {
        assert_eq!(cut("bread cat move dragon eat"), "~bread | cat move | ~dragon eat");
        assert_eq!(cut("eat bread cat move dragon"), "~eat bread | cat move | ~dragon");
        // but only if they are such: no sentence ends with "chase" nor begins with "bread"
        assert_eq!(cut("chase eat cat move bread"), "*chase | *eat | cat move | *bread");
        // a whole sentence is one, even where it might go on
        assert_eq!(cut("cat move"), "cat move");
    }

    #[test]
    fn shares_count_sentences_and_misfits() {
        let words: Vec<&str> = "bread cat move cat move cat move eat dragon".split(' ').collect();
        let found = Grammaticality::of(&segment(&words));
        assert_eq!(found, Grammaticality { sentences: 3, misfits: 1, share: 0.75 });
    }

    #[test]
    fn the_grammars_own_stream_is_grammatical_wherever_it_is_cut() {
        let words = grammar::stream(2_000, &mut ChaCha12Rng::seed_from_u64(3));
        for part in [&words[..], &words[1..], &words[2..words.len() - 1]] {
            assert_eq!(Grammaticality::of(&segment(part)).share, 1.0);
        }
    }
}
