use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::Tensor,
};
use elman_layers::cpu::is_cpu;

use super::numbers::Numbers;
use crate::evaluate::read;

/// The global norm of a module's gradients, `‖g‖ = √(Σ g²)` over all parameters together, `[1]`, left on the device;
/// and, if `limit` is given, the gradients scaled by `min(1, limit / (‖g‖ + 1e-6))` (Pascanu et al. 2013, algorithm 1).
///
/// As PyTorch's `clip_grad_norm_`. burn's own clipping takes each tensor's norm alone.
pub fn clip_by_global_norm<M: Module>(
    module: &M,
    gradients: GradientsParams,
    limit: Option<f64>,
) -> (GradientsParams, Tensor<1>) {
    let mut squares = Squares { gradients, sums: Vec::new() };
    module.visit(&mut squares);
    let Squares { gradients, sums } = squares;
    let norm = Tensor::cat(sums, 0).sum().sqrt();
    let Some(limit) = limit else { return (gradients, norm) };
    let factor = ((norm.clone() + 1e-6).recip() * limit).clamp_max(1.0);
    let known = is_cpu(&factor.device()).then(|| factor.clone().into_scalar::<f32>());
    if known == Some(1.0) {
        return (gradients, norm);
    }
    let mut scale = Scale { gradients, factor, known };
    module.visit(&mut scale);
    (scale.gradients, norm)
}

/// Whether every parameter is finite.
pub fn is_finite<M: Module>(module: &M) -> bool {
    #[derive(Default)]
    struct Sums(Vec<Tensor<1>>);
    impl ModuleVisitor for Sums {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(param.val().inner().abs().sum());
        }
    }
    let mut sums = Sums::default();
    module.visit(&mut sums);
    read(sums.0).into_iter().all(f32::is_finite)
}

struct Squares {
    gradients: GradientsParams,
    sums: Vec<Tensor<1>>,
}

impl ModuleVisitor for Squares {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        // taken out, so that nothing else holds it
        let Some(gradient) = self.gradients.remove::<D>(param.id) else { return };
        let (gradient, sum) = if Numbers::fit(&gradient) {
            let device = gradient.device();
            let numbers = Numbers::of(gradient);
            let sum = Tensor::from_floats([numbers.sum_of_squares()], &device);
            (numbers.tensor(), sum)
        } else {
            let sum = gradient.clone().square().sum();
            (gradient, sum)
        };
        self.gradients.register(param.id, gradient);
        self.sums.push(sum);
    }
}

struct Scale {
    gradients: GradientsParams,
    factor: Tensor<1>,
    /// The factor, where reading it does not wait for the device: this is the faster way.
    known: Option<f32>,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            let scaled = match self.known {
                Some(factor) if Numbers::fit(&gradient) => Numbers::of(gradient).each(|x| *x *= factor).tensor(),
                Some(factor) => gradient * factor,
                None => gradient * self.factor.clone().reshape([1; D]),
            };
            self.gradients.register(param.id, scaled);
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::{
        nn::{Linear, LinearConfig},
        tensor::{Device, TensorData},
    };
    use elman_testkit::{Tolerance, assert_close_data, devices};

    use super::*;

    const ROUNDING: Tolerance = Tolerance { relative: 1e-6, absolute: 0.0 };

    /// Weight gradients 3 and 0, bias gradient 4: norms 3 and 4 alone, 5 together.
    fn gradients(device: &Device) -> (Linear, GradientsParams) {
        let linear = LinearConfig::new(2, 1).init(device);
        let x = Tensor::<2>::from_data([[3.0, 0.0]], device);
        let bias = linear.bias.as_ref().unwrap().val();
        let loss = (x.matmul(linear.weight.val())).sum() + bias.sum() * 4.0;
        let gradients = GradientsParams::from_grads(loss.backward(), &linear);
        (linear, gradients)
    }

    fn assert_clipped(limit: Option<f64>, factor: f32) {
        for device in devices() {
            let (linear, gradients) = gradients(&device.autodiff());
            let (clipped, norm) = clip_by_global_norm(&linear, gradients, limit);
            assert_close_data("norm", &norm.into_data(), &TensorData::from([5.0f32]), ROUNDING);
            let weight = clipped.get::<2>(linear.weight.id).unwrap().into_data();
            assert_close_data("weight", &weight, &TensorData::from([[3.0 * factor], [0.0]]), ROUNDING);
            let bias = clipped.get::<1>(linear.bias.as_ref().unwrap().id).unwrap().into_data();
            assert_close_data("bias", &bias, &TensorData::from([4.0 * factor]), ROUNDING);
        }
    }

    #[test]
    fn the_norm_is_taken_over_all_parameters() {
        assert_clipped(Some(2.5), 0.5);
    }

    #[test]
    fn gradients_below_the_limit_stay() {
        assert_clipped(Some(6.0), 1.0);
        assert_clipped(None, 1.0);
    }
}
