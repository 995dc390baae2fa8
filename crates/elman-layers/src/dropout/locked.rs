use burn::{
    module::Module,
    tensor::{Device, Tensor},
};

use super::rate::DropoutRate;

/// Dropout with one mask for all time steps, `y_{b,t,i} = m_{b,i}·x_{b,t,i} / (1 − p)` with `m_{b,i} ~ Bernoulli(1 −
/// p)` (Gal & Ghahramani 2016, section 4; "variational dropout").
///
/// A recurrent network reads the same feature at every step. Masks that change from step to step are noise that the
/// state averages out.
#[derive(Module, Debug)]
pub struct LockedDropout {
    rate: DropoutRate,
}

impl LockedDropout {
    /// Drops each feature with the given probability.
    ///
    /// # Panics
    /// If `probability` is not in [0, 1).
    pub fn new(probability: f64) -> Self {
        Self { rate: DropoutRate::new("LockedDropout", probability) }
    }

    /// Drops features, independently of the device of `x`; returns `x` after `valid()` or `freeze()`.
    ///
    /// # Shapes
    /// - `x`, output: `[batch, time, feature]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.masked(x, None)
    }

    /// [`forward`](Self::forward) as part of a module with `parameters` on this device: also returns `x` if the device
    /// has no autodiff.
    ///
    /// # Shapes
    /// Those of [`forward`](Self::forward).
    pub fn forward_in(&self, x: Tensor<3>, parameters: &Device) -> Tensor<3> {
        self.masked(x, Some(parameters))
    }

    fn masked(&self, x: Tensor<3>, parameters: Option<&Device>) -> Tensor<3> {
        let [batch, _, feature] = x.dims();
        match self.rate.mask([batch, 1, feature], &x, parameters) {
            Some(mask) => x * mask,
            None => x,
        }
    }
}

#[cfg(test)]
mod tests {
    use elman_testkit::devices;

    use super::*;

    #[test]
    fn all_time_steps_share_one_mask_and_rows_do_not() {
        for device in devices() {
            let dropout = LockedDropout::new(0.5);
            let y = dropout.forward(Tensor::ones([2, 7, 64], &device.autodiff()));
            let step =
                |b: usize, t: usize| y.clone().slice([b..b + 1, t..t + 1]).into_data().try_to_vec::<f32>().unwrap();
            for t in 1..7 {
                assert_eq!(step(0, t), step(0, 0), "{device}: step {t}");
            }
            // Equal with probability 2⁻⁶⁴.
            assert_ne!(step(0, 0), step(1, 0), "{device}: rows");
            assert!(step(0, 0).iter().all(|&y| y == 0.0 || y == 2.0), "{device}: scale");
        }
    }

    #[test]
    fn the_gradient_is_the_mask() {
        for device in devices() {
            let x = Tensor::<3>::ones([2, 3, 8], &device.autodiff()).require_grad();
            let y = LockedDropout::new(0.5).forward(x.clone());
            let dx = x.grad(&y.clone().sum().backward()).expect("a gradient");
            dx.into_data().assert_eq(&y.into_data(), true); // x is 1, so both are the mask
        }
    }

    #[test]
    fn valid_returns_the_input() {
        for device in devices() {
            let x = Tensor::<3>::ones([2, 3, 8], &device.autodiff());
            let y = LockedDropout::new(0.5).valid().forward(x.clone());
            y.into_data().assert_eq(&x.into_data(), true);
        }
    }
}
