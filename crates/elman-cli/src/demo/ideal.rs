//! The best that any predictor can do that knows the grammar and, like the network, sees words only.

use super::grammar::{Class, TEMPLATES};

/// Exact Bayesian filtering over where in which template the next word is.
///
/// With `q(t, i)` the probability that the next word is word `i` of template `t`, given all words before, a word has
/// probability `p(w) = Σ q(t, i) p(w | class)`. Once read, it has come from that place with probability
/// `r(t, i) = q(t, i) p(w | class) / p(w)`. The next place after `(t, i)` is `(t, i + 1)` or, after a template's last
/// word, the first of any template, with 1/16 each. The first word begins a sentence; where others begin is not told.
#[derive(Clone)]
pub struct IdealPredictor {
    /// `q(t, i)`
    places: [Vec<f64>; TEMPLATES.len()],
}

impl IdealPredictor {
    /// Before the first word.
    pub fn new() -> Self {
        let places = |template: &[Class]| {
            let mut places = vec![0.0; template.len()];
            places[0] = 1.0 / TEMPLATES.len() as f64;
            places
        };
        Self { places: TEMPLATES.map(places) }
    }

    /// The probability of the next word, which is then read. After a word that cannot come, whose probability is 0, a
    /// sentence begins.
    pub fn read(&mut self, word: &str) -> f64 {
        let from_class = |class: &Class| if class.contains(word) { 1.0 / class.words().len() as f64 } else { 0.0 };
        for (places, template) in self.places.iter_mut().zip(TEMPLATES) {
            places.iter_mut().zip(template).for_each(|(q, class)| *q *= from_class(class));
        }
        let probability: f64 = self.places.iter().flatten().sum();
        if probability == 0.0 {
            *self = Self::new();
            return 0.0;
        }
        let ended: f64 = self.places.iter().filter_map(|places| places.last()).sum();
        for places in &mut self.places {
            places.rotate_right(1);
            places[0] = ended / TEMPLATES.len() as f64;
            places.iter_mut().for_each(|q| *q /= probability);
        }
        probability
    }
}

/// The ideal predictor's mean cross-entropy, `−(1/N) Σ ln p(word)`, in nats, over all words but the first.
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

    /// The probability that a text begins with these words: the sum over every way to cut them into sentences, of which
    /// the last may be unfinished.
    fn probability(words: &[&str]) -> f64 {
        if words.is_empty() {
            return 1.0;
        }
        let of_template = |template: &[Class]| {
            let length = template.len().min(words.len());
            let (sentence, rest) = words.split_at(length);
            if !grammar::fits(sentence, &template[..length]) {
                return 0.0;
            }
            let drawn: f64 = template[..length].iter().map(|class| 1.0 / class.words().len() as f64).product();
            drawn / 16.0 * probability(rest)
        };
        TEMPLATES.into_iter().map(of_template).sum()
    }

    #[test]
    fn equals_the_sum_over_all_segmentations() {
        // "man break book break plate" can be cut in more than one way up to its fourth word
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
                assert!((found - expected).abs() < 1e-12, "{text}, word {n}: {found}, not {expected}");
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
    fn no_pair_model_is_as_good() {
        let mut rng = ChaCha12Rng::seed_from_u64(7);
        let (training, held_out) = (grammar::stream(10_000, &mut rng), grammar::stream(1_000, &mut rng));
        let [unigram, bigram] = [0, 1].map(|context| Ngram::count(context, &training).cross_entropy(&held_out));
        let ideal = cross_entropy(&held_out);
        assert!(ideal < bigram && bigram < unigram, "{ideal} {bigram} {unigram}");
    }
}
