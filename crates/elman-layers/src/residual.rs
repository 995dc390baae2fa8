use burn::{
    module::Module,
    nn::{
        Linear,
        norm::{Normalization, NormalizationConfig},
    },
    tensor::{Device, Tensor},
};

use crate::{Dense, FeedForward};

/// A layer whose output has the shape of its input, as the branch of a residual connection.
pub trait Branch<const D: usize> {
    /// Applies the layer.
    ///
    /// # Shapes
    /// - `x`, output: `[.., d]`
    fn forward(&self, x: Tensor<D>) -> Tensor<D>;
}

macro_rules! branch {
    ($($layer:ty),*) => {$(
        impl<const D: usize> Branch<D> for $layer {
            fn forward(&self, x: Tensor<D>) -> Tensor<D> {
                self.forward(x)
            }
        }
    )*};
}

branch!(Dense, FeedForward, Linear);

/// A residual connection, `y = x + layer(norm(x))`; without a norm, `y = x + layer(x)` (He et al. 2016a, eq. 1; the
/// norm inside the branch as in He et al. 2016b, section 4, and Xiong et al. 2020, "pre-LN").
#[derive(Module, Debug)]
pub struct Residual<L> {
    /// The layer.
    pub layer: L,
    /// The norm of the layer's input.
    pub norm: Option<Normalization>,
}

impl<L> Residual<L> {
    /// Without a norm.
    pub fn new(layer: L) -> Self {
        Self { layer, norm: None }
    }

    /// Normalizes the layer's input with any norm of burn-nn, such as `LayerNormConfig::new(d).init(&device)`.
    #[must_use]
    pub fn with_norm(self, norm: impl Into<Normalization>) -> Self {
        Self { norm: Some(norm.into()), ..self }
    }

    /// Applies the layer and adds the input.
    ///
    /// # Shapes
    /// - `x`, output: `[.., d]`
    ///
    /// # Panics
    /// If the layer's output does not have the shape of `x`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D>
    where
        L: Branch<D>,
    {
        let y = self.layer.forward(normalize(&self.norm, x.clone()));
        // Without this check an output of width 1 would be broadcast.
        assert_eq!(y.dims(), x.dims(), "Residual: the layer's output (left) must have the shape of x (right)");
        x + y
    }
}

/// A stack of [`Residual`] layers, optionally with a norm before each layer and after the last.
#[derive(Module, Debug)]
pub struct ResidualStack<L> {
    /// From the input to the output.
    pub layers: Vec<Residual<L>>,
    /// The norm of the output.
    pub norm: Option<Normalization>,
}

impl<L> ResidualStack<L> {
    /// Without norms.
    pub fn new(layers: impl IntoIterator<Item = L>) -> Self {
        Self { layers: layers.into_iter().map(Residual::new).collect(), norm: None }
    }

    /// Puts a norm before each layer and one at the end; `norm` need not name the width, which is `d`.
    ///
    /// The last one is needed because the identity path sums all branches and is itself never normalized (Xiong et al.
    /// 2020).
    #[must_use]
    pub fn with_norms(self, norm: impl Into<NormalizationConfig>, d: usize, device: &Device) -> Self {
        let norm = norm.into().with_num_features(d);
        let layers = self.layers.into_iter().map(|layer| layer.with_norm(norm.init(device))).collect();
        Self { layers, norm: Some(norm.init(device)) }
    }

    /// Applies all layers.
    ///
    /// # Shapes
    /// - `x`, output: `[.., d]`
    ///
    /// # Panics
    /// If a layer's output does not have the shape of `x`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D>
    where
        L: Branch<D>,
    {
        normalize(&self.norm, self.layers.iter().fold(x, |x, layer| layer.forward(x)))
    }
}

fn normalize<const D: usize>(norm: &Option<Normalization>, x: Tensor<D>) -> Tensor<D> {
    match norm {
        Some(norm) => norm.forward(x),
        None => x,
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{LayerNormConfig, RmsNormConfig};
    use elman_activations::Activation;
    use elman_testkit::{device, devices};

    use super::*;
    use crate::DenseConfig;

    fn dense(d_output: usize, device: &Device) -> Dense {
        DenseConfig::new(4, d_output).with_activation(Activation::Tanh).init(device)
    }

    #[test]
    fn the_input_is_added() {
        for device in devices() {
            let layer = dense(4, &device.device);
            let x = Tensor::<3>::ones([2, 3, 4], &device.device);
            let expected = x.clone() + layer.forward(x.clone());
            Residual::new(layer).forward(x).into_data().assert_eq(&expected.into_data(), true);
        }
    }

    #[test]
    fn norms_precede_each_layer_and_follow_the_last() {
        for device in devices() {
            let at = &device.device;
            let layers = [dense(4, at), dense(4, at)];
            let norm = LayerNormConfig::new(4).init(at);
            let x = Tensor::<2>::from_floats([[1.0, 2.0, -3.0, 0.5]], at);
            let h = x.clone() + layers[0].forward(norm.forward(x.clone()));
            let h = h.clone() + layers[1].forward(norm.forward(h));
            let stack = ResidualStack::new(layers).with_norms(LayerNormConfig::new(0), 4, at);
            stack.forward(x).into_data().assert_eq(&norm.forward(h).into_data(), true);
        }
    }

    #[test]
    fn every_parameter_has_a_gradient() {
        for device in devices() {
            let at = device.autodiff();
            let stack = ResidualStack::new([dense(4, &at), dense(4, &at)]).with_norms(RmsNormConfig::new(0), 4, &at);
            assert_eq!(stack.num_params(), 2 * (4 * 4 + 4) + 3 * 4);
            let grads = stack.forward(Tensor::<2>::ones([3, 4], &at)).powi_scalar(2).sum().backward();
            for layer in &stack.layers {
                let weight = layer.layer.linear.weight.grad(&grads).expect("a gradient of the weight");
                assert!(weight.abs().sum().into_scalar::<f32>() > 0.0, "{device}");
            }
            assert_eq!(burn::optim::GradientsParams::from_grads(grads, &stack).len(), 2 * 2 + 3, "{device}");
        }
    }

    #[test]
    #[should_panic(expected = "the layer's output (left) must have the shape of x (right)")]
    fn a_layer_of_another_width_panics() {
        let device = &device();
        Residual::new(dense(1, device)).forward(Tensor::<2>::ones([3, 4], device));
    }
}
