use burn::{
    module::Module,
    tensor::{Device, Tensor},
};

use super::rate::DropoutRate;

/// Dropout with one mask value per element, `y_i = m_i·x_i / (1 − p)` with `m_i ~ Bernoulli(1 − p)` (Srivastava et al.
/// 2014; inverted dropout, which scales in training).
///
/// Like burn's [`Dropout`](burn::nn::Dropout), but faster on CPUs: all threads generate the mask, and backward
/// recomputes it from its seed instead of reading it. burn's is active if the input is on a device with autodiff; this
/// one follows [one rule](super::DropoutRate#training-or-not) that does not depend on the input.
#[derive(Module, Debug)]
pub struct Dropout {
    rate: DropoutRate,
}

impl Dropout {
    /// Drops each element with the given probability.
    ///
    /// # Panics
    /// If `probability` is not in [0, 1).
    pub fn new(probability: f64) -> Self {
        Self { rate: DropoutRate::new("Dropout", probability) }
    }

    /// Drops elements, independently of the device of `x`; returns `x` after `valid()` or `freeze()`.
    ///
    /// # Shapes
    /// Any; the output has the shape of `x`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.rate.apply(x, None)
    }

    /// [`forward`](Self::forward) as part of a module with `parameters` on this device: also returns `x` if the device
    /// has no autodiff.
    ///
    /// # Shapes
    /// Those of [`forward`](Self::forward).
    pub fn forward_in<const D: usize>(&self, x: Tensor<D>, parameters: &Device) -> Tensor<D> {
        self.rate.apply(x, Some(parameters))
    }
}

#[cfg(test)]
mod tests {
    use elman_testkit::{TestDevice, devices};

    use super::*;

    fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
        x.into_data().try_to_vec().unwrap()
    }

    fn ones(device: &TestDevice) -> Tensor<3> {
        Tensor::ones([3, 5, 67], &device.autodiff())
    }

    #[test]
    fn elements_are_dropped_or_scaled() {
        for device in devices() {
            let y = values(Dropout::new(0.5).forward(ones(&device) * 3.0));
            assert!(y.iter().all(|&y| y == 0.0 || y == 6.0), "{device}: scale");
            assert!(y.contains(&0.0) && y.contains(&6.0), "{device}: some but not all");
        }
    }

    #[test]
    fn the_gradient_is_the_mask_in_any_memory_layout() {
        for device in devices() {
            let x = ones(&device).require_grad();
            let mask = Dropout::new(0.5).forward(x.clone());
            let expected = values(mask.clone() * 3.0);
            // through a transpose, so that the gradient has another layout
            let loss = (mask.swap_dims(0, 2) * 3.0).sum();
            assert_eq!(values(x.grad(&loss.backward()).expect("a gradient")), expected, "{device}");
        }
    }

    #[test]
    fn two_masks_differ() {
        for device in devices() {
            let dropout = Dropout::new(0.5);
            let [first, second] = [(); 2].map(|()| values(dropout.forward(ones(&device))));
            assert_ne!(first, second, "{device}"); // equal with probability 2⁻¹⁰⁰⁵
        }
    }

    #[test]
    fn valid_and_a_rate_of_zero_return_the_input() {
        for device in devices() {
            for dropout in [Dropout::new(0.5).valid(), Dropout::new(0.0)] {
                assert_eq!(values(dropout.forward(ones(&device))), values(ones(&device)), "{device}");
            }
        }
    }
}
