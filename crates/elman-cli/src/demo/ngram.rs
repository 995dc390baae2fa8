//! N-gram models, as a baseline.

use std::collections::HashMap;

use rand::{Rng, RngExt};

use super::grammar::{self, Word};

/// Additive smoothing (Lidstone): added to all counts, so that no word has probability 0.
const SMOOTHING: f64 = 0.01;

/// An n-gram model, `p(w | c) = (n(c w) + a) / (n(c) + V a)`, for the `context` words `c` before `w`, a = 0.01 and V
/// words in the vocabulary. A context of 0 is a unigram model, of 1 a bigram model.
pub struct Ngram {
    context: usize,
    words: Vec<Word>,
    /// For each context, the count of each of `words` after it.
    counts: HashMap<Vec<Word>, Vec<usize>>,
    /// The context at the end of the text.
    last: Vec<Word>,
}

impl Ngram {
    /// Counts the n-grams of a text.
    pub fn count(context: usize, text: &[Word]) -> Self {
        let words = grammar::words();
        let mut counts = HashMap::<Vec<Word>, Vec<usize>>::new();
        for window in text.windows(context + 1) {
            let (before, next) = window.split_at(context);
            let index = words.iter().position(|word| *word == next[0]).expect("a word of the grammar");
            counts.entry(before.to_vec()).or_insert_with(|| vec![0; words.len()])[index] += 1;
        }
        Self { context, words, counts, last: text[text.len() - context..].to_vec() }
    }

    /// The probability of each word of [`grammar::words`] after a context.
    pub fn probabilities(&self, context: &[Word]) -> Vec<f64> {
        let counts = self.counts.get(context);
        let weights: Vec<f64> =
            (0..self.words.len()).map(|n| SMOOTHING + counts.map_or(0, |counts| counts[n]) as f64).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / sum).collect()
    }

    /// The mean cross-entropy in nats over all words except the first.
    pub fn cross_entropy(&self, text: &[Word]) -> f64 {
        let surprise = |n: usize| {
            let index = self.words.iter().position(|word| *word == text[n]).expect("a word of the grammar");
            -self.probabilities(&text[n - self.context..n])[index].ln()
        };
        (1..text.len()).map(surprise).sum::<f64>() / (text.len() - 1) as f64
    }

    /// Samples words that continue the counted text.
    pub fn generate(&self, count: usize, rng: &mut impl Rng) -> Vec<Word> {
        let mut words = self.last.clone();
        for _ in 0..count {
            let probabilities = self.probabilities(&words[words.len() - self.context..]);
            let mut remaining: f64 = rng.random();
            let sampled = probabilities.iter().position(|probability| {
                remaining -= probability;
                remaining < 0.0
            });
            words.push(self.words[sampled.unwrap_or(self.words.len() - 1)]);
        }
        words.split_off(self.context)
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::ChaCha12Rng};

    use super::*;

    const TEXT: [Word; 6] = ["man", "eat", "bread", "man", "eat", "cookie"];

    fn probability(model: &Ngram, context: &[Word], word: Word) -> f64 {
        model.probabilities(context)[grammar::words().iter().position(|w| *w == word).unwrap()]
    }

    #[test]
    fn counts_become_probabilities() {
        let unigram = Ngram::count(0, &TEXT);
        assert!((probability(&unigram, &[], "eat") - 2.01 / 6.21).abs() < 1e-12);
        assert!((probability(&unigram, &[], "rock") - 0.01 / 6.21).abs() < 1e-12);
        let bigram = Ngram::count(1, &TEXT);
        assert!((probability(&bigram, &["eat"], "bread") - 1.01 / 2.21).abs() < 1e-12);
        assert!((probability(&bigram, &["man"], "eat") - 2.01 / 2.21).abs() < 1e-12);
        // an unseen context: all words are equally likely
        assert!((probability(&bigram, &["rock"], "eat") - 1.0 / 21.0).abs() < 1e-12);
    }

    #[test]
    fn the_first_word_is_not_predicted() {
        let text = ["cookie", "eat"];
        let found = Ngram::count(0, &TEXT).cross_entropy(&text);
        assert!((found + (2.01_f64 / 6.21).ln()).abs() < 1e-12);
        // "cookie" is only the last word, so nothing follows it
        assert!((Ngram::count(1, &TEXT).cross_entropy(&text) - 21f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn samples_follow_the_counts() {
        let model = Ngram::count(1, &["man", "eat", "man", "think", "man", "eat", "man", "eat", "man"]);
        let words = model.generate(20_000, &mut ChaCha12Rng::seed_from_u64(1));
        assert_eq!(words.len(), 20_000);
        let pairs = |a, b| words.windows(2).filter(|pair| *pair == [a, b]).count() as f64;
        let share = pairs("man", "eat") / (pairs("man", "eat") + pairs("man", "think"));
        assert!((share - 0.75).abs() < 0.02, "{share}");
    }
}
