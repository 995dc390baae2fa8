use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use elman_activations::Activation;
use serde::{Deserialize, Serialize};

use crate::{Dense, DenseConfig};

/// Configuration of a [`FeedForward`] network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeedForwardConfig {
    /// Widths of the input, of each hidden layer and of the output.
    pub widths: Vec<usize>,
    /// Activation of the hidden layers.
    pub activation: Activation,
    /// Activation of the output layer.
    pub output_activation: Activation,
    /// Whether there are biases.
    pub bias: bool,
}

impl FeedForwardConfig {
    /// `[d_input, d_hidden, …, d_output]` with biases, ReLU in the hidden layers and no activation at the output.
    pub fn new(widths: impl Into<Vec<usize>>) -> Self {
        let (activation, output_activation) = (Activation::Relu, Activation::Identity);
        Self { widths: widths.into(), activation, output_activation, bias: true }
    }

    /// Sets the activation of the hidden layers.
    #[must_use]
    pub fn with_activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// Sets the activation of the output layer.
    #[must_use]
    pub fn with_output_activation(self, output_activation: Activation) -> Self {
        Self { output_activation, ..self }
    }

    /// Sets whether there are biases.
    #[must_use]
    pub fn with_bias(self, bias: bool) -> Self {
        Self { bias, ..self }
    }

    /// Initializes the network.
    ///
    /// # Panics
    /// If there are fewer than two widths, or one of them is 0.
    pub fn init(&self, device: &Device) -> FeedForward {
        let widths = &self.widths;
        assert!(widths.len() >= 2, "widths {widths:?}: a network needs at least [d_input, d_output]");
        let layer = |pair: &[usize]| {
            let config = DenseConfig::new(pair[0], pair[1]).with_bias(self.bias).with_activation(self.activation);
            config.init(device)
        };
        let mut layers: Vec<_> = widths.windows(2).map(layer).collect();
        layers.last_mut().expect("at least one layer").activation = self.output_activation;
        FeedForward { layers }
    }
}

/// A stack of dense layers, `h_l = f(h_{l−1} W_l + b_l)` with `h_0 = x`, created by [`FeedForwardConfig`].
#[derive(Module, Debug)]
pub struct FeedForward {
    /// From the input to the output.
    pub layers: Vec<Dense>,
}

impl FeedForward {
    /// Applies the network along the last axis.
    ///
    /// # Shapes
    /// - `x`: `[.., d_input]`
    /// - output: `[.., d_output]`
    ///
    /// # Panics
    /// If the last axis of `x` is not `d_input`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.layers.iter().fold(x, |h, layer| layer.forward(h))
    }

    /// Like [`forward`](Self::forward), but also returns the activations of each hidden layer, which serve as
    /// embeddings of `x`.
    ///
    /// # Shapes
    /// - `x`: `[.., d_input]`
    /// - output: `[.., d_output]`
    /// - hidden: `[.., d_hidden]` for each hidden layer, in order
    ///
    /// # Panics
    /// If the last axis of `x` is not `d_input`.
    pub fn forward_hidden<const D: usize>(&self, x: Tensor<D>) -> (Tensor<D>, Vec<Tensor<D>>) {
        let (output, hidden) = self.layers.split_last().expect("at least one layer");
        let hidden: Vec<_> = hidden
            .iter()
            .scan(x.clone(), |h, layer| {
                *h = layer.forward(h.clone());
                Some(h.clone())
            })
            .collect();
        (output.forward(hidden.last().cloned().unwrap_or(x)), hidden)
    }
}

#[cfg(test)]
mod tests {
    use elman_testkit::{device, devices};

    use super::*;

    #[test]
    fn hidden_activations_match_the_forward_pass() {
        for device in devices() {
            let network = FeedForwardConfig::new([3, 5, 4, 2]).init(&device.device);
            let x = Tensor::<2>::ones([6, 3], &device.device);
            let (output, hidden) = network.forward_hidden(x.clone());
            assert_eq!(hidden.iter().map(|h| h.dims()).collect::<Vec<_>>(), [[6, 5], [6, 4]]);
            output.to_data().assert_eq(&network.forward(x).to_data(), true);
            output.to_data().assert_eq(&network.layers[2].forward(hidden[1].clone()).to_data(), true);
        }
    }

    #[test]
    fn one_layer_has_no_hidden_activations() {
        let device = &device();
        let network = FeedForwardConfig::new([3, 2]).init(device);
        let (output, hidden) = network.forward_hidden(Tensor::<3>::ones([1, 4, 3], device));
        assert_eq!(output.dims(), [1, 4, 2]);
        assert!(hidden.is_empty());
    }

    #[test]
    fn activations_and_biases_are_as_configured() {
        let config = FeedForwardConfig::new([3, 5, 2])
            .with_activation(Activation::Tanh)
            .with_output_activation(Activation::Sigmoid)
            .with_bias(false);
        let network = config.init(&device());
        assert_eq!(network.layers[0].activation, Activation::Tanh);
        assert_eq!(network.layers[1].activation, Activation::Sigmoid);
        assert_eq!(network.num_params(), 3 * 5 + 5 * 2);
    }

    #[test]
    #[should_panic(expected = "widths [3]: a network needs at least [d_input, d_output]")]
    fn a_single_width_panics() {
        FeedForwardConfig::new([3]).init(&device());
    }
}
