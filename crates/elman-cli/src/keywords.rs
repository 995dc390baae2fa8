//! Keywords of groups of texts, by class-based TF-IDF.

use std::collections::HashMap;

use unicode_segmentation::UnicodeSegmentation;

/// Words at least this many times as frequent as in the other groups rank before all others.
const MIN_RATIO: f64 = 2.0;

/// The top `count` keywords of each group of texts, best first, by class-based TF-IDF as in BERTopic (Grootendorst
/// 2022), with its BM25 weighting and its square root of the frequencies. The weight of a word in a group is `√(its
/// share of the group's words) · ln((A + 1) / (f + ½))`, where `f` is its count in all groups and `A` the average
/// number of words of a group. Words that are common everywhere have a low weight, in any language. Words whose share
/// in the group is less than twice that in the others come last.
pub fn extract<'a, G>(groups: impl IntoIterator<Item = G>, count: usize) -> Vec<Vec<String>>
where
    G: IntoIterator<Item = &'a str>,
{
    let scored = score(groups.into_iter().map(|texts| texts.into_iter().flat_map(words)));
    let best = |mut words: Vec<ScoredWord>| -> Vec<String> {
        words.retain(|word| word.weight > 0.0);
        let order = |a: &ScoredWord, b: &ScoredWord| {
            let distinctive = (b.ratio >= MIN_RATIO).cmp(&(a.ratio >= MIN_RATIO));
            distinctive.then(b.weight.total_cmp(&a.weight)).then_with(|| a.word.cmp(&b.word))
        };
        words.sort_by(order);
        words.into_iter().take(count).map(|word| word.word).collect()
    };
    scored.into_iter().map(best).collect()
}

/// A word of a group, with its weight.
struct ScoredWord {
    word: String,
    weight: f64,
    /// Its share of the group's words, divided by its share of the words of all other groups.
    ratio: f64,
}

/// The words of a text in lower case, without numbers and single ASCII letters.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let is_word = |word: &&str| word.chars().any(char::is_alphabetic) && (word.len() > 1 || !word.is_ascii());
    text.unicode_words().filter(is_word).map(str::to_lowercase)
}

/// The words of each group, with their weights.
fn score<G: Iterator<Item = String>>(groups: impl Iterator<Item = G>) -> Vec<Vec<ScoredWord>> {
    let mut in_all: HashMap<String, usize> = HashMap::new();
    let mut in_groups: Vec<HashMap<String, usize>> = Vec::new();
    for words in groups {
        let mut counts = HashMap::new();
        words.for_each(|word| *counts.entry(word).or_insert(0) += 1);
        for (word, count) in &counts {
            match in_all.get_mut(word) {
                Some(all) => *all += count,
                None => drop(in_all.insert(word.clone(), *count)),
            }
        }
        in_groups.push(counts);
    }
    let total = in_all.values().sum::<usize>();
    // an integer, as in BERTopic
    let average = (total / in_groups.len().max(1)) as f64;
    let score_group = |counts: HashMap<String, usize>| {
        let own = counts.values().sum::<usize>();
        let score_word = |(word, count): (String, usize)| {
            let all = in_all[&word];
            let share = count as f64 / own as f64;
            let weight = share.sqrt() * ((average + 1.0) / (all as f64 + 0.5)).ln();
            let elsewhere = (all - count) as f64 / (total - own).max(1) as f64;
            ScoredWord { word, weight, ratio: share / elsewhere }
        };
        counts.into_iter().map(score_word).collect()
    };
    in_groups.into_iter().map(score_group).collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// The output of `tests/golden/keywords.py`.
    #[derive(Deserialize)]
    struct Golden {
        groups: Vec<Vec<String>>,
        weights: Vec<HashMap<String, f64>>,
    }

    #[test]
    fn weights_equal_those_of_bertopic() {
        let golden: Golden = serde_json::from_str(include_str!("../tests/golden/keywords.json")).unwrap();
        let found = score(golden.groups.iter().map(|texts| texts.iter().flat_map(|text| words(text))));
        for (found, expected) in found.into_iter().zip(golden.weights) {
            assert_eq!(found.len(), expected.len());
            for ScoredWord { word, weight, .. } in found {
                assert!((weight - expected[&word]).abs() < 1e-12, "{word}: {weight} {}", expected[&word]);
            }
        }
    }

    #[test]
    fn common_words_are_no_keywords() {
        let cats = ["The cat is in the house.", "A CAT and the mouse, and 2 cats", "the cat's milk"];
        let shares = ["The shares in the market fell.", "a market and the price, and 3 shares", "the shares fell"];
        let found = extract([cats, shares], 2);
        assert_eq!(found[0][0], "cat");
        assert_eq!(found[1][0], "shares");
        assert!(!found.iter().flatten().any(|word| word == "the" || word == "and"));
        // "an" has a higher weight than words that occur once, but is nearly as frequent in the other group
        let others = |name: char| (0..40).map(move |n| format!("{name}x{n}"));
        let texts = |name: char, ans: usize| others(name).chain(vec!["an".into(); ans]).collect::<Vec<String>>();
        let (first, second) = (texts('a', 4), texts('b', 3));
        let found = extract([&first, &second].map(|texts| texts.iter().map(String::as_str)), 50);
        assert_eq!((found[0].len(), found[0].last().map(String::as_str)), (41, Some("an")));
        assert_eq!(extract([first.iter().map(String::as_str)], 1), [["an"]], "a single group");
        assert_eq!(extract([["", "1 2 3"]], 5), [[""; 0]]);
        assert_eq!(extract([["猫 x"], ["犬"]], 1), [["猫"], ["犬"]]);
    }
}
