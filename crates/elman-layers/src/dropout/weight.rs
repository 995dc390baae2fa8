use burn::{module::Module, tensor::Tensor};

use super::rate::DropoutRate;

/// DropConnect, `W′_{ij} = m_{ij}·W_{ij} / (1 − p)` with `m_{ij} ~ Bernoulli(1 − p)` (Wan et al. 2013), for
/// hidden-to-hidden weights as in Merity et al. 2018, section 2.
///
/// Call [`forward`](Self::forward) once per sequence and use the result at every step, so that all steps share one
/// mask. The recurrence itself needs no support for it.
#[derive(Module, Debug)]
pub struct WeightDrop {
    rate: DropoutRate,
}

impl WeightDrop {
    /// Drops each weight with the given probability.
    ///
    /// # Panics
    /// If `probability` is not in [0, 1).
    pub fn new(probability: f64) -> Self {
        Self { rate: DropoutRate::new("WeightDrop", probability) }
    }

    /// The weights for one sequence. In training some are zero: if `weight` is on a device with autodiff and the module
    /// was not turned off by `valid()` or `freeze()`. Otherwise returns `weight`.
    ///
    /// # Shapes
    /// Any; the result has the shape of `weight`.
    pub fn forward<const D: usize>(&self, weight: Tensor<D>) -> Tensor<D> {
        let device = weight.device();
        self.rate.apply(weight, Some(&device))
    }
}

#[cfg(test)]
mod tests {
    use elman_testkit::devices;

    use super::*;

    #[test]
    fn weights_are_dropped_independently_and_the_gradient_is_the_mask() {
        for device in devices() {
            let weight = Tensor::<2>::ones([16, 16], &device.autodiff()).require_grad();
            let dropped = WeightDrop::new(0.5).forward(weight.clone());
            let dw = weight.grad(&dropped.clone().sum().backward()).expect("a gradient");
            let values = dropped.into_data().try_to_vec::<f32>().unwrap();
            assert!(values.iter().all(|&w| w == 0.0 || w == 2.0), "{device}: scale");
            assert!(values[..16] != values[16..32], "{device}: rows have different masks");
            assert_eq!(dw.into_data().try_to_vec::<f32>().unwrap(), values, "{device}: gradient");
        }
    }

    #[test]
    fn each_sequence_has_another_mask_and_valid_has_none() {
        for device in devices() {
            let weight = Tensor::<2>::ones([16, 16], &device.autodiff());
            let drop = WeightDrop::new(0.5);
            let [first, second] = [drop.forward(weight.clone()), drop.forward(weight.clone())].map(Tensor::into_data);
            assert_ne!(first, second, "{device}: two sequences");
            drop.valid().forward(weight.clone()).into_data().assert_eq(&weight.into_data(), true);
        }
    }
}
