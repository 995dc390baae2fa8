use burn::{
    module::{Flag, Module, Param},
    tensor::{Device, Distribution, Tensor},
};

/// A drop probability and whether it is active, shared by every module that draws random numbers.
///
/// # Training or not
/// [`is_training`](Self::is_training) is the one rule. A module is active unless [`valid()`](Module::valid) or
/// [`freeze()`](Module::freeze) was called, like `eval()` in PyTorch. If it has parameters, they must also be on a
/// device with autodiff: a network on a device without autodiff cannot be trained, and is inactive. The input's device
/// does not matter.
#[derive(Module, Debug)]
pub struct DropoutRate {
    probability: f64,
    /// Named as in burn's dropout; `valid()` and `freeze()` clear it.
    training: Param<Flag>,
}

impl DropoutRate {
    /// Drops with the given probability.
    ///
    /// # Panics
    /// If `probability` is not in [0, 1); the message starts with `layer`.
    pub fn new(layer: &str, probability: f64) -> Self {
        assert!((0.0..1.0).contains(&probability), "{layer}: probability {probability} must be in [0, 1)");
        Self { probability, training: Param::from_bool(true) }
    }

    /// Whether the module is in training: it was not turned off, and its parameters, if it has any, are on a device
    /// with autodiff.
    pub fn is_training(&self, parameters: Option<&Device>) -> bool {
        self.training.is_enabled() && parameters.is_none_or(Device::is_autodiff)
    }

    /// `x` times a mask that is 0 with the given probability `p` and else `1/(1 − p)`, which preserves the expectation.
    /// Returns `x` if `p` is 0 and outside [training](Self::is_training). `parameters` is the device of the module's
    /// parameters.
    pub fn apply<const D: usize>(&self, x: Tensor<D>, parameters: Option<&Device>) -> Tensor<D> {
        if self.is_active(parameters) { self.drop_elements(x) } else { x }
    }

    fn is_active(&self, parameters: Option<&Device>) -> bool {
        self.probability > 0.0 && self.is_training(parameters)
    }

    fn drop_elements<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        #[cfg(any(feature = "flex", feature = "ndarray"))]
        if super::extension::is_supported(&x) {
            return super::extension::dropped(x, self.probability);
        }
        let keep = 1.0 - self.probability;
        let mask = x.random_like(Distribution::Bernoulli(keep));
        x * mask * (1.0 / keep)
    }

    /// The mask, on the device and in the dtype of `like`; `None` if [`apply`](Self::apply) would return `x`.
    pub fn mask<const D: usize, const L: usize>(
        &self,
        shape: [usize; D],
        like: &Tensor<L>,
        parameters: Option<&Device>,
    ) -> Option<Tensor<D>> {
        self.is_active(parameters).then(|| self.drop_elements(Tensor::ones(shape, (&like.device(), like.dtype()))))
    }
}

#[cfg(test)]
mod tests {
    use elman_testkit::devices;

    use super::*;

    #[test]
    fn a_mask_is_zero_or_scaled_and_one_on_average() {
        for device in devices() {
            let like = Tensor::<1>::zeros([1], &device.autodiff());
            let rate = DropoutRate::new("test", 0.2);
            let mask = rate.mask([200, 200], &like, None).expect("dropout is active");
            let values: Vec<f32> = mask.into_data().iter::<f32>().collect();
            assert!(values.iter().all(|&m| m == 0.0 || m == 1.25), "{device}: 0 or 1/(1 − 0.2)");
            // The standard error of the mean is 0.5/200 = 0.0025.
            let mean = values.iter().sum::<f32>() / values.len() as f32;
            assert!((mean - 1.0).abs() < 0.015, "{device}: mean {mean}");
        }
    }

    #[test]
    fn dropout_is_active_in_training_only() {
        for device in devices() {
            let (rate, trained, plain) = (DropoutRate::new("test", 0.5), device.autodiff(), &device.device);
            // the input's device does not matter
            for input in [&trained, plain] {
                let like = Tensor::<1>::zeros([1], input);
                let drops = |rate: &DropoutRate, parameters| {
                    let mask = rate.mask([64], &like, parameters);
                    let x = Tensor::<1>::ones([64], input);
                    // equal with probability 2⁻⁶⁴
                    let is_dropped = rate.apply(x.clone(), parameters).into_data() != x.into_data();
                    assert_eq!(mask.is_some(), is_dropped, "{device}");
                    is_dropped
                };
                for parameters in [None, Some(&trained)] {
                    assert!(drops(&rate, parameters), "{device}: training");
                    assert!(!drops(&rate.valid(), parameters), "{device}: valid()");
                    assert!(drops(&rate.valid().train(), parameters), "{device}: back to train()");
                    assert!(drops(&rate.clone().no_grad(), parameters), "{device}: no_grad()");
                    assert!(!drops(&rate.clone().freeze(), parameters), "{device}: freeze()");
                    assert!(!drops(&DropoutRate::new("test", 0.0), parameters), "{device}: probability 0");
                }
                assert!(!drops(&rate, Some(plain)), "{device}: parameters that cannot be trained");
            }
        }
    }

    #[test]
    fn a_probability_out_of_range_panics() {
        for probability in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
            let panic = std::panic::catch_unwind(|| DropoutRate::new("LockedDropout", probability)).unwrap_err();
            let message = panic.downcast_ref::<String>().expect("a message");
            assert_eq!(*message, format!("LockedDropout: probability {probability} must be in [0, 1)"));
        }
    }
}
