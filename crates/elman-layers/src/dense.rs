use burn::{
    module::Module,
    nn::{Initializer, Linear, LinearConfig},
    tensor::{Device, Tensor},
};
use elman_activations::Activation;
use serde::{Deserialize, Serialize};

/// Configuration of a [`Dense`] layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DenseConfig {
    /// Width of the input.
    pub d_input: usize,
    /// Width of the output: the number of neurons.
    pub d_output: usize,
    /// Whether there is a bias.
    pub bias: bool,
    /// The activation function.
    pub activation: Activation,
    /// The initializer of weights and bias.
    pub initializer: Initializer,
}

impl DenseConfig {
    /// With a bias and without an activation; weights and bias uniform in ±1/√d_input, as in `torch.nn.Linear`.
    pub fn new(d_input: usize, d_output: usize) -> Self {
        let initializer = LinearConfig::new(d_input, d_output).initializer;
        Self { d_input, d_output, bias: true, activation: Activation::Identity, initializer }
    }

    /// Sets whether there is a bias.
    #[must_use]
    pub fn with_bias(self, bias: bool) -> Self {
        Self { bias, ..self }
    }

    /// Sets the activation.
    #[must_use]
    pub fn with_activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// Sets the initializer of weights and bias.
    #[must_use]
    pub fn with_initializer(self, initializer: Initializer) -> Self {
        Self { initializer, ..self }
    }

    /// Initializes the layer.
    ///
    /// # Panics
    /// If a width is 0.
    pub fn init(&self, device: &Device) -> Dense {
        let Self { d_input, d_output, bias, activation, ref initializer } = *self;
        assert!(d_input > 0 && d_output > 0, "[d_input, d_output] = [{d_input}, {d_output}] must be at least 1");
        let linear = LinearConfig::new(d_input, d_output).with_bias(bias).with_initializer(initializer.clone());
        Dense { linear: linear.init(device), activation }
    }
}

/// A fully connected layer of neurons, `y = f(x W + b)`, created by [`DenseConfig`].
#[derive(Module, Debug)]
pub struct Dense {
    /// The weight `W` `[d_input, d_output]` and the bias `b` `[d_output]`.
    pub linear: Linear,
    /// The function `f`.
    #[module(skip)]
    pub activation: Activation,
}

impl Dense {
    /// Applies the layer along the last axis.
    ///
    /// # Shapes
    /// - `x`: `[.., d_input]`
    /// - output: `[.., d_output]`
    ///
    /// # Panics
    /// If the last axis of `x` is not `d_input`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.activation.apply(self.linear.forward(x))
    }
}

#[cfg(test)]
mod tests {
    use elman_testkit::{device, devices};

    use super::*;

    #[test]
    fn only_the_last_axis_is_mapped() {
        for device in devices() {
            let dense = DenseConfig::new(4, 3).init(&device.device);
            assert_eq!(dense.forward(Tensor::<1>::zeros([4], &device.device)).dims(), [3]);
            assert_eq!(dense.forward(Tensor::<3>::zeros([2, 5, 4], &device.device)).dims(), [2, 5, 3]);
        }
    }

    #[test]
    fn the_bias_is_optional() {
        let device = &device();
        assert_eq!(DenseConfig::new(4, 3).init(device).num_params(), 15);
        assert_eq!(DenseConfig::new(4, 3).with_bias(false).init(device).num_params(), 12);
    }

    #[test]
    fn valid_preserves_the_activation() {
        let dense = DenseConfig::new(2, 2).with_activation(Activation::Tanh).init(&device().autodiff());
        assert_eq!(dense.valid().activation, Activation::Tanh);
    }

    #[test]
    #[should_panic(expected = "[d_input, d_output] = [0, 3]")]
    fn a_width_of_zero_panics() {
        DenseConfig::new(0, 3).init(&device());
    }

    #[test]
    #[should_panic(expected = "axis 1 expected 4, got 3")]
    fn a_wrong_width_panics() {
        let device = &device();
        DenseConfig::new(4, 3).init(device).forward(Tensor::<2>::zeros([1, 3], device));
    }
}
