use burn::{
    module::{Module, Param},
    nn::Initializer,
    tensor::{Device, Tensor, assert_shape, module::linear},
};
use serde::{Deserialize, Serialize};

/// Configuration of a [`TiedOutput`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TiedOutputConfig {
    /// Number of words.
    pub vocabulary: usize,
    /// Whether there is a bias.
    pub bias: bool,
}

impl TiedOutputConfig {
    /// With a bias, initialized to 0.
    pub fn new(vocabulary: usize) -> Self {
        Self { vocabulary, bias: true }
    }

    /// Sets whether there is a bias.
    #[must_use]
    pub fn with_bias(self, bias: bool) -> Self {
        Self { bias, ..self }
    }

    /// Initializes the layer.
    ///
    /// # Panics
    /// If the vocabulary is empty.
    pub fn init(&self, device: &Device) -> TiedOutput {
        assert!(self.vocabulary > 0, "vocabulary = 0 must be at least 1");
        let bias = self.bias.then(|| Initializer::Zeros.init([self.vocabulary], device));
        TiedOutput { bias, vocabulary: self.vocabulary }
    }
}

/// An output layer that shares the embedding's weight, `logits = h Eᵀ + b` (Press & Wolf 2017, section 3).
///
/// The embedding is passed to [`forward`](Self::forward), so a model stores and trains the matrix once. Its gradient is
/// the sum of both uses.
#[derive(Module, Debug)]
pub struct TiedOutput {
    /// The bias `b` `[vocabulary]`.
    pub bias: Option<Param<Tensor<1>>>,
    vocabulary: usize,
}

impl TiedOutput {
    /// The logits of every word.
    ///
    /// # Shapes
    /// - `hidden`: `[.., d_embed]`
    /// - `embedding`: `[vocabulary, d_embed]`
    /// - logits: `[.., vocabulary]`
    ///
    /// # Panics
    /// If `hidden` or `embedding` has another shape.
    pub fn forward<const D: usize>(&self, hidden: Tensor<D>, embedding: Tensor<2>) -> Tensor<D> {
        let [_, d_embed] = embedding.dims();
        assert_shape!(embedding, [self.vocabulary, _]);
        assert_shape!(hidden, [.., d_embed]);
        linear(hidden, embedding.transpose(), self.bias.as_ref().map(Param::val))
    }
}

#[cfg(test)]
mod tests {
    use burn::{
        nn::{Embedding, EmbeddingConfig},
        tensor::Int,
    };
    use elman_testkit::{Tolerance, assert_close, device, devices};

    use super::*;

    const SUM: Tolerance = Tolerance { relative: 1e-6, absolute: 0.0 };

    /// The logits of a model of one embedding and one tied output, with separate matrices for the two uses.
    fn logits(tied: &TiedOutput, input: &Embedding, output: &Embedding, device: &Device) -> Tensor<3> {
        let tokens = Tensor::<2, Int>::from_ints([[0, 3], [1, 3]], device);
        tied.forward(input.forward(tokens), output.weight.val())
    }

    #[test]
    fn the_gradient_of_the_tied_weight_is_the_sum_of_both_uses() {
        for device in devices() {
            let at = device.autodiff();
            let words = EmbeddingConfig::new(5, 4).init(&at);
            let tied = TiedOutputConfig::new(5).init(&at);
            let y = logits(&tied, &words, &words, &at);
            assert_eq!(y.dims(), [2, 2, 5]);
            let shared = words.weight.grad(&y.powi_scalar(2).sum().backward()).expect("a gradient");

            let copy = || Embedding { weight: Param::from_tensor(words.weight.val().detach()) };
            let (input, output) = (copy(), copy());
            let grads = logits(&tied, &input, &output, &at).powi_scalar(2).sum().backward();
            let parts = [input, output].map(|words| words.weight.grad(&grads).expect("a gradient"));
            let [input, output] = parts;
            assert_close(&format!("shared gradient on {device}"), &shared, &(input + output), SUM);
        }
    }

    #[test]
    fn logits_are_the_products_with_each_word_plus_its_bias() {
        for device in devices() {
            let words = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]], &device.device);
            let mut tied = TiedOutputConfig::new(3).init(&device.device);
            let hidden = Tensor::<1>::from_floats([10.0, 100.0], &device.device);
            let plain = tied.forward(hidden.clone(), words.clone());
            assert_eq!(plain.into_data().try_to_vec::<f32>().unwrap(), [10.0, 200.0, 430.0], "{device}");
            tied.bias = Some(Param::from_tensor(Tensor::from_floats([0.5, 0.25, 1.0], &device.device)));
            let shifted = tied.forward(hidden, words);
            assert_eq!(shifted.into_data().try_to_vec::<f32>().unwrap(), [10.5, 200.25, 431.0], "{device}");
        }
    }

    #[test]
    fn without_a_bias_it_has_no_parameters() {
        assert_eq!(TiedOutputConfig::new(5).with_bias(false).init(&device()).num_params(), 0);
        assert_eq!(TiedOutputConfig::new(5).init(&device()).num_params(), 5);
    }

    #[test]
    #[should_panic(expected = "axis 0 expected 5, got 6")]
    fn an_embedding_of_another_vocabulary_panics() {
        let device = &device();
        let tied = TiedOutputConfig::new(5).init(device);
        tied.forward(Tensor::<2>::zeros([1, 4], device), Tensor::zeros([6, 4], device));
    }
}
