//! The words that tell a group of texts from others.

use std::collections::HashMap;

use unicode_segmentation::UnicodeSegmentation;

/// How much more frequent than in all other groups a word is that tells one.
const APART: f64 = 2.0;

/// For each group of texts the `count` words that tell it best from the others, best first: class-based TF-IDF, as
/// Grootendorst has it in BERTopic (2022), with its weighting after BM25 and its root of the frequencies. The weight of a word
/// in a group is `√(its share of the group's words) · ln((A + 1) / (f + ½))`, for `f` of them in all groups and `A` words in a
/// group on average. Words that are common everywhere have little of it, in any language. Those whose share of a group's words
/// is not twice that in the others come last.
pub fn telling<'a, G>(groups: impl IntoIterator<Item = G>, count: usize) -> Vec<Vec<String>>
where
    G: IntoIterator<Item = &'a str>,
{
    let weighed = weigh(groups.into_iter().map(|texts| texts.into_iter().flat_map(words)));
    let best = |mut words: Vec<Weighed>| -> Vec<String> {
        words.retain(|word| word.weight > 0.0);
        let order = |a: &Weighed, b: &Weighed| {
            let apart = (b.apart >= APART).cmp(&(a.apart >= APART));
            apart.then(b.weight.total_cmp(&a.weight)).then_with(|| a.word.cmp(&b.word))
        };
        words.sort_by(order);
        words.into_iter().take(count).map(|word| word.word).collect()
    };
    weighed.into_iter().map(best).collect()
}

/// A word of a group.
struct Weighed {
    word: String,
    weight: f64,
    /// Its share of the group's words, by that of all others' words.
    apart: f64,
}

/// The words of a text in lower case: no numbers, and no single letter of the Latin alphabet.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let is_word = |word: &&str| word.chars().any(char::is_alphabetic) && (word.len() > 1 || !word.is_ascii());
    text.unicode_words().filter(is_word).map(str::to_lowercase)
}

/// The words of each group with their weights.
fn weigh<G: Iterator<Item = String>>(groups: impl Iterator<Item = G>) -> Vec<Vec<Weighed>> {
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
    // a whole number, as there
    let average = (total / in_groups.len().max(1)) as f64;
    let weigh_group = |counts: HashMap<String, usize>| {
        let own = counts.values().sum::<usize>();
        let weigh_word = |(word, count): (String, usize)| {
            let all = in_all[&word];
            let share = count as f64 / own as f64;
            let weight = share.sqrt() * ((average + 1.0) / (all as f64 + 0.5)).ln();
            let elsewhere = (all - count) as f64 / (total - own).max(1) as f64;
            Weighed { word, weight, apart: share / elsewhere }
        };
        counts.into_iter().map(weigh_word).collect()
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
            for Weighed { word, weight, .. } in found {
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
        // "an" weighs more than the words that are there once, and is nearly as frequent in the other group
        let others = |name: char| (0..40).map(move |n| format!("{name}x{n}"));
        let texts = |name: char, ans: usize| others(name).chain(vec!["an".into(); ans]).collect::<Vec<String>>();
        let (first, second) = (texts('a', 4), texts('b', 3));
        let found = telling([&first, &second].map(|texts| texts.iter().map(String::as_str)), 50);
        assert_eq!((found[0].len(), found[0].last().map(String::as_str)), (41, Some("an")));
        assert_eq!(telling([first.iter().map(String::as_str)], 1), [["an"]], "there is no other group");
        assert_eq!(telling([["", "1 2 3"]], 5), [[""; 0]]);
        assert_eq!(telling([["猫 x"], ["犬"]], 1), [["猫"], ["犬"]]);
    }
}
