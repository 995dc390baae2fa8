use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::Tensor,
};
use elman_layers::cpu::is_cpu;

use super::cpu_values::CpuValues;
use crate::evaluate::read;

/// Clips the global gradient norm `‖g‖ = √(Σ g²)` over all parameters: scales them by
/// `min(1, limit / (‖g‖ + 1e-6))` if `limit` is given (Pascanu et al. 2013, algorithm 1). Also returns the norm before
/// clipping, `[1]`, on the device.
///
/// The same as PyTorch's `clip_grad_norm_`. burn's clipping uses the norm of each tensor.
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
        // removed, so that it is the only reference and no copy is made
        let Some(gradient) = self.gradients.remove::<D>(param.id) else { return };
        let (gradient, sum) = if CpuValues::supports(&gradient) {
            let device = gradient.device();
            let values = CpuValues::from_tensor(gradient);
            let sum = Tensor::from_floats([values.sum_of_squares()], &device);
            (values.into_tensor(), sum)
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
    /// The factor on the CPU, if reading it needs no device synchronization. This is faster.
    known: Option<f32>,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            let scaled = match self.known {
                Some(factor) if CpuValues::supports(&gradient) => {
                    CpuValues::from_tensor(gradient).each(|x| *x *= factor).into_tensor()
                }
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
    fn the_norm_is_global_over_all_parameters() {
        assert_clipped(Some(2.5), 0.5);
    }

    #[test]
    fn gradients_below_the_limit_are_unchanged() {
        assert_clipped(Some(6.0), 1.0);
        assert_clipped(None, 1.0);
    }
}
