//! The ideal predictor, which knows the grammar, but sees only the words, like the network.

use super::grammar::{Class, TEMPLATES};

/// Exact Bayesian filtering over the template and the position of the next word.
///
/// Let `q(t, i)` be the probability that the next word is word `i` of template `t`, given all previous words. The
/// probability of a word `w` is then `p(w) = Σ q(t, i) p(w | class)`, and the posterior after reading it is `r(t, i) =
/// q(t, i) p(w | class) / p(w)`. The position after `(t, i)` is `(t, i + 1)` or, after the last word of a template, the
/// first of any template, with probability 1/16 each. The first word starts a sentence; later boundaries are not
/// marked.
#[derive(Clone)]
pub struct IdealPredictor {
    /// `q(t, i)`
    positions: [Vec<f64>; TEMPLATES.len()],
}

impl IdealPredictor {
    /// The state before the first word.
    pub fn new() -> Self {
        let positions = |template: &[Class]| {
            let mut positions = vec![0.0; template.len()];
            positions[0] = 1.0 / TEMPLATES.len() as f64;
            positions
        };
        Self { positions: TEMPLATES.map(positions) }
    }

    /// Reads the next word and returns its probability. After an impossible word, with probability 0, the state is
    /// reset to the start of a sentence.
    pub fn read(&mut self, word: &str) -> f64 {
        let from_class = |class: &Class| if class.contains(word) { 1.0 / class.words().len() as f64 } else { 0.0 };
        for (positions, template) in self.positions.iter_mut().zip(TEMPLATES) {
            positions.iter_mut().zip(template).for_each(|(q, class)| *q *= from_class(class));
        }
        let probability: f64 = self.positions.iter().flatten().sum();
        if probability == 0.0 {
            *self = Self::new();
            return 0.0;
        }
        let ended: f64 = self.positions.iter().filter_map(|positions| positions.last()).sum();
        for positions in &mut self.positions {
            positions.rotate_right(1);
            positions[0] = ended / TEMPLATES.len() as f64;
            positions.iter_mut().for_each(|q| *q /= probability);
        }
        probability
    }
}

/// The mean cross-entropy of the ideal predictor, `−(1/N) Σ ln p(word)`, in nats, over all words except the first.
pub fn cross_entropy(words: &[&str]) -> f64 {
    let mut predictor = IdealPredictor::new();
    let surprise: Vec<f64> = words.iter().map(|word| -predictor.read(word).ln()).collect();
    surprise.iter().skip(1).sum::<f64>() / (words.len() - 1) as f64
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::ChaCha12Rng};

    use super::*;
    use crate::demo::{grammar, ngram::Ngram};

    /// The probability that a text starts with these words: the sum over all segmentations into sentences, the last of
    /// which may be unfinished.
    fn probability(words: &[&str]) -> f64 {
        if words.is_empty() {
            return 1.0;
        }
        let in_template = |template: &[Class]| {
            let length = template.len().min(words.len());
            let (sentence, rest) = words.split_at(length);
            if !grammar::fits(sentence, &template[..length]) {
                return 0.0;
            }
            let words_probability: f64 =
                template[..length].iter().map(|class| 1.0 / class.words().len() as f64).product();
            words_probability / 16.0 * probability(rest)
        };
        TEMPLATES.into_iter().map(in_template).sum()
    }

    #[test]
    fn probabilities_equal_the_sum_over_all_segmentations() {
        // the first four words of "man break book break plate" have more than one segmentation
        let texts = [
            "man break book break plate",
            "man move book move woman see book break rock move cat",
            "dragon eat man break rock break",
            "mouse move rock",
        ];
        for text in texts {
            let words: Vec<&str> = text.split(' ').collect();
            let mut predictor = IdealPredictor::new();
            for n in 0..words.len() {
                let before = probability(&words[..n]);
                let expected = if before == 0.0 { 0.0 } else { probability(&words[..=n]) / before };
                let found = predictor.read(words[n]);
                assert!((found - expected).abs() < 1e-12, "{text}, word {n}: {found}, expected {expected}");
                if expected == 0.0 {
                    break; // "break plate" does not follow "man break book"
                }
            }
        }
    }

    #[test]
    fn probabilities_of_all_words_sum_to_one() {
        let mut predictor = IdealPredictor::new();
        for word in ["man", "break", "book", "move", "cat"] {
            let each = grammar::words().into_iter().map(|word| predictor.clone().read(word));
            assert!((each.sum::<f64>() - 1.0).abs() < 1e-12);
            predictor.read(word);
        }
    }

    #[test]
    fn the_ideal_predictor_is_better_than_a_bigram_model() {
        let mut rng = ChaCha12Rng::seed_from_u64(7);
        let (training, held_out) = (grammar::stream(10_000, &mut rng), grammar::stream(1_000, &mut rng));
        let [unigram, bigram] = [0, 1].map(|context| Ngram::count(context, &training).cross_entropy(&held_out));
        let ideal = cross_entropy(&held_out);
        assert!(ideal < bigram && bigram < unigram, "{ideal} {bigram} {unigram}");
    }
}
