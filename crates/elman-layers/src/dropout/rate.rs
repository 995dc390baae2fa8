use burn::{
    module::{Flag, Module, Param},
    tensor::{Device, Distribution, Tensor},
};

/// The probability of dropping, and whether it is in force: what every dropout has in common.
#[derive(Module, Debug)]
pub struct DropRate {
    probability: f64,
    /// Named as in burn's dropout; `valid()` and `freeze()` clear it.
    training: Param<Flag>,
}

impl DropRate {
    /// Drops with the given probability.
    ///
    /// # Panics
    /// If `probability` is not in [0, 1); the message begins with `layer`.
    pub fn new(layer: &str, probability: f64) -> Self {
        assert!((0.0..1.0).contains(&probability), "{layer}: probability {probability} must be in [0, 1)");
        Self { probability, training: Param::from_bool(true) }
    }

    /// Whether anything is dropped on this device.
    fn acts_on(&self, device: &Device) -> bool {
        // The device says that a backward pass is possible at all, the flag that this layer takes part in it.
        self.training.is_enabled() && device.is_autodiff() && self.probability > 0.0
    }

    /// `x` times a mask that is 0 with the given probability `p` and else `1/(1 − p)`, so that it keeps its expectation;
    /// `x` itself where nothing is dropped.
    pub fn apply<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let device = x.device();
        if !self.acts_on(&device) {
            return x;
        }
        #[cfg(any(feature = "flex", feature = "ndarray"))]
        if super::extension::fits(&x) {
            return super::extension::dropped(x, self.probability);
        }
        let keep = 1.0 - self.probability;
        let kept = x.random_like(Distribution::Bernoulli(keep));
        x * kept * (1.0 / keep)
    }

    /// The mask alone, which lives where `like` does; `None` where nothing is dropped.
    pub fn mask<const D: usize, const L: usize>(&self, shape: [usize; D], like: &Tensor<L>) -> Option<Tensor<D>> {
        let device = like.device();
        self.acts_on(&device).then(|| self.apply(Tensor::ones(shape, (&device, like.dtype()))))
    }
}

#[cfg(test)]
mod tests {
    use elman_testkit::devices;

    use super::*;

    #[test]
    fn a_mask_is_zero_or_the_inverse_of_keeping_and_one_on_average() {
        for device in devices() {
            let like = Tensor::<1>::zeros([1], &device.autodiff());
            let rate = DropRate::new("test", 0.2);
            let mask = rate.mask([200, 200], &like).expect("it is on");
            let values: Vec<f32> = mask.into_data().iter::<f32>().collect();
            assert!(values.iter().all(|&m| m == 0.0 || m == 1.25), "{device}: 0 or 1/(1 − 0.2)");
            // The standard error of the mean is 0.5/200 = 0.0025.
            let mean = values.iter().sum::<f32>() / values.len() as f32;
            assert!((mean - 1.0).abs() < 0.015, "{device}: mean {mean}");
        }
    }

    #[test]
    fn nothing_is_dropped_outside_training() {
        for device in devices() {
            let training = Tensor::<1>::zeros([1], &device.autodiff());
            let rate = DropRate::new("test", 0.5);
            assert!(rate.mask([2], &training).is_some(), "{device}: training");
            assert!(rate.valid().mask([2], &training).is_none(), "{device}: valid()");
            assert!(rate.valid().train().mask([2], &training).is_some(), "{device}: back to train()");
            assert!(rate.clone().freeze().mask([2], &training).is_none(), "{device}: freeze()");
            assert!(rate.mask([2], &Tensor::<1>::zeros([1], &device.device)).is_none(), "{device}: no autodiff");
            assert!(DropRate::new("test", 0.0).mask([2], &training).is_none(), "{device}: probability 0");
        }
    }

    #[test]
    fn a_probability_outside_its_range_is_named() {
        for probability in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
            let panic = std::panic::catch_unwind(|| DropRate::new("LockedDropout", probability)).unwrap_err();
            let message = panic.downcast_ref::<String>().expect("a message");
            assert_eq!(*message, format!("LockedDropout: probability {probability} must be in [0, 1)"));
        }
    }
}
