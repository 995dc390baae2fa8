//! The words that tell a group of texts from others.

use std::collections::HashMap;

use unicode_segmentation::UnicodeSegmentation;

/// For each group of texts the `count` words that tell it best from the others, best first: class-based TF-IDF, as
/// Grootendorst has it in BERTopic (2022), with its weighting after BM25 and its root of the frequencies. The weight of a word
/// in a group is `√(its share of the group's words) · ln((A + 1) / (f + ½))`, for `f` of them in all groups and `A` words in a
/// group on average. Words that are common everywhere have little of it, in any language.
pub fn telling<'a, G>(groups: impl IntoIterator<Item = G>, count: usize) -> Vec<Vec<String>>
where
    G: IntoIterator<Item = &'a str>,
{
    let weighed = weigh(groups.into_iter().map(|texts| texts.into_iter().flat_map(words)));
    let best = |mut words: Vec<(String, f64)>| -> Vec<String> {
        words.retain(|(_, weight)| *weight > 0.0);
        words.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        words.into_iter().take(count).map(|(word, _)| word).collect()
    };
    weighed.into_iter().map(best).collect()
}

/// The words of a text in lower case: no numbers, and no single letter of the Latin alphabet.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let is_word = |word: &&str| word.chars().any(char::is_alphabetic) && (word.len() > 1 || !word.is_ascii());
    text.unicode_words().filter(is_word).map(str::to_lowercase)
}

/// The words of each group with their weights.
fn weigh<G: Iterator<Item = String>>(groups: impl Iterator<Item = G>) -> Vec<Vec<(String, f64)>> {
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
    // a whole number, as there
    let average = (in_all.values().sum::<usize>() / in_groups.len().max(1)) as f64;
    let weigh_group = |counts: HashMap<String, usize>| {
        let all = counts.values().sum::<usize>() as f64;
        let weight = |word: &str, count: usize| {
            (count as f64 / all).sqrt() * ((average + 1.0) / (in_all[word] as f64 + 0.5)).ln()
        };
        counts.into_iter().map(|(word, count)| (weight(&word, count), word)).map(|(w, word)| (word, w)).collect()
    };
    in_groups.into_iter().map(weigh_group).collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// What `tests/golden/words.py` wrote.
    #[derive(Deserialize)]
    struct Golden {
        groups: Vec<Vec<String>>,
        weights: Vec<HashMap<String, f64>>,
    }

    #[test]
    fn weights_are_those_of_bertopic() {
        let golden: Golden = serde_json::from_str(include_str!("../tests/golden/words.json")).unwrap();
        let found = weigh(golden.groups.iter().map(|texts| texts.iter().flat_map(|text| words(text))));
        for (found, expected) in found.into_iter().zip(golden.weights) {
            assert_eq!(found.len(), expected.len());
            for (word, weight) in found {
                assert!((weight - expected[&word]).abs() < 1e-12, "{word}: {weight} {}", expected[&word]);
            }
        }
    }

    #[test]
    fn what_is_everywhere_tells_nothing() {
        let cats = ["The cat is in the house.", "A CAT and the mouse, and 2 cats", "the cat's milk"];
        let shares = ["The shares in the market fell.", "a market and the price, and 3 shares", "the shares fell"];
        let found = telling([cats, shares], 2);
        assert_eq!(found[0][0], "cat");
        assert_eq!(found[1][0], "shares");
        assert!(!found.iter().flatten().any(|word| word == "the" || word == "and"));
        assert_eq!(telling([["", "1 2 3"]], 5), [[""; 0]]);
        assert_eq!(telling([["猫 x"], ["犬"]], 1), [["猫"], ["犬"]]);
    }
}
