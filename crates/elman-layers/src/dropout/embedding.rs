use burn::{
    module::Module,
    nn::Embedding,
    tensor::{Int, Tensor, module::embedding},
};

use super::rate::DropoutRate;

/// An embedding that drops whole words, `y_{b,t} = m_w·E_w / (1 − p)` for the word `w` at `[b, t]`, with one
/// `m_w ~ Bernoulli(1 − p)` for all occurrences of the word (Gal & Ghahramani 2016, section 4.2; Merity et al. 2018,
/// section 4.3).
#[derive(Module, Debug)]
pub struct EmbeddingDropout {
    rate: DropoutRate,
}

impl EmbeddingDropout {
    /// Drops each word with the given probability.
    ///
    /// # Panics
    /// If `probability` is not in [0, 1).
    pub fn new(probability: f64) -> Self {
        Self { rate: DropoutRate::new("EmbeddingDropout", probability) }
    }

    /// Looks up `tokens`. In training some words are zero: if `words` is on a device with autodiff and the module was
    /// not turned off by `valid()` or `freeze()`.
    ///
    /// The mask is looked up like the vectors. This equals a masked copy of the whole matrix and costs less.
    ///
    /// # Shapes
    /// - `words`: a matrix of `[vocabulary, d_embed]`
    /// - `tokens`: `[batch, time]`, each below `vocabulary`
    /// - output: `[batch, time, d_embed]`
    pub fn forward(&self, words: &Embedding, tokens: Tensor<2, Int>) -> Tensor<3> {
        let matrix = words.weight.val();
        let [vocabulary, _] = matrix.dims();
        let mask = self.rate.mask([vocabulary, 1], &matrix, Some(&matrix.device()));
        let vectors = embedding(matrix, tokens.clone());
        match mask {
            Some(mask) => vectors * embedding(mask, tokens),
            None => vectors,
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::{
        nn::{EmbeddingConfig, Initializer},
        tensor::TensorData,
    };
    use elman_testkit::{TestDevice, devices};

    use super::*;

    const VOCABULARY: usize = 64;

    fn words(device: &TestDevice) -> Embedding {
        EmbeddingConfig::new(VOCABULARY, 3).with_initializer(Initializer::Ones).init(&device.autodiff())
    }

    /// Every word twice, in two rows.
    fn tokens(device: &TestDevice) -> Tensor<2, Int> {
        let ids: Vec<i64> = (0..2 * VOCABULARY as i64).map(|i| i % VOCABULARY as i64).collect();
        Tensor::from_data(TensorData::new(ids, [2, VOCABULARY]), &device.autodiff())
    }

    #[test]
    fn all_occurrences_of_a_word_are_dropped() {
        for device in devices() {
            let y = EmbeddingDropout::new(0.5).forward(&words(&device), tokens(&device));
            let rows: Vec<Vec<f32>> =
                y.into_data().try_to_vec::<f32>().unwrap().chunks(3 * VOCABULARY).map(<[f32]>::to_vec).collect();
            assert_eq!(rows[0], rows[1], "{device}: both occurrences of each word");
            let whole = rows[0].chunks(3).all(|word| word == [0.0; 3] || word == [2.0; 3]);
            assert!(whole, "{device}: a word is dropped as a whole, {:?}", rows[0]);
            // All 64 words have the same mask with probability 2⁻⁶³.
            assert!(rows[0].contains(&0.0) && rows[0].contains(&2.0), "{device}: some but not all");
        }
    }

    #[test]
    fn the_gradient_is_zero_for_dropped_words_only() {
        for device in devices() {
            let words = words(&device);
            let y = EmbeddingDropout::new(0.5).forward(&words, tokens(&device));
            let grads = y.clone().sum().backward();
            let dw = words.weight.grad(&grads).expect("a gradient").into_data();
            // Each word occurs in both rows, so its gradient is twice the mask.
            let expected = y.inner().sum_dim(0).squeeze_dim::<2>(0).into_data();
            dw.assert_eq(&expected, true);
        }
    }

    #[test]
    fn valid_is_the_plain_embedding() {
        for device in devices() {
            let words = words(&device);
            let y = EmbeddingDropout::new(0.5).valid().forward(&words, tokens(&device));
            y.into_data().assert_eq(&words.forward(tokens(&device)).into_data(), true);
        }
    }
}
