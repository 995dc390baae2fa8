#[cfg(any(feature = "flex", feature = "ndarray"))]
#[allow(deprecated)]
mod cpu;
#[cfg(feature = "cube")]
mod cube;
#[cfg(any(feature = "flex", feature = "ndarray", feature = "cube"))]
#[allow(deprecated)] // burn deprecates NdArray; elman supports it
mod extension;
#[cfg(any(feature = "flex", feature = "ndarray", feature = "cube"))]
mod fused;

use burn::{
    nn::loss::CrossEntropyLoss,
    tensor::{Int, Tensor, assert_shape, module::linear},
};

/// The mean cross-entropy of the softmax over a linear layer's outputs, `−(1/N) Σ ln softmax(x W + b)[target]`, in
/// nats, `[1]`. A language model with a large vocabulary spends most of its time here.
///
/// In f32 this is one fused operation that never stores all logits `[N, V]`: it computes them in chunks of 2²² on CPUs
/// (Flex and NdArray) and of 2²⁴ on GPUs (CubeCL), or of 16 rows if these have more. With autodiff the gradients are
/// computed in the same pass, so a loss that is not differentiated is cheaper on a device without autodiff. On GPUs no
/// gradient is computed for a frozen weight. Other dtypes and devices use a composition of burn's operations.
///
/// # Shapes
/// - `hidden`: `[N, H]`
/// - `weight`: `[H, V]`; a transposed embedding is used without a copy
/// - `bias`: `[V]`
/// - `targets`: `[N]`, each below `V`
///
/// # Panics
/// If shapes do not match, there are no rows or no classes, or a target is not below `V`. The last is detected on CPUs
/// only. On GPUs, where a check would synchronize the device, such a target makes the loss NaN.
///
/// ```
/// use burn::tensor::{Int, Tensor};
/// use elman_layers::linear_cross_entropy;
///
/// # #[cfg(feature = "flex")] {
/// let device = burn::tensor::Device::flex();
/// let hidden = Tensor::<2>::from_floats([[2.0, 0.0]], &device);
/// let weight = Tensor::from_floats([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], &device);
/// let loss = linear_cross_entropy(hidden, weight, None, Tensor::<1, Int>::from_ints([0], &device));
/// let expected = -(2f32.exp() / (2f32.exp() + 2.0)).ln();
/// assert!((loss.into_scalar::<f32>() - expected).abs() < 1e-6);
/// # }
/// ```
pub fn linear_cross_entropy(
    hidden: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    targets: Tensor<1, Int>,
) -> Tensor<1> {
    let ([rows, d_hidden], [_, classes]) = (hidden.dims(), weight.dims());
    assert!(rows > 0, "hidden: [rows, width] = [{rows}, {d_hidden}], at least one row is needed");
    assert!(classes > 0, "weight: [width, classes] = [{d_hidden}, {classes}], at least one class is needed");
    assert_shape!(weight, [d_hidden, classes]);
    assert_shape!(targets, [rows]);
    if let Some(bias) = &bias {
        assert_shape!(bias, [classes]);
    }
    #[cfg(any(feature = "flex", feature = "ndarray", feature = "cube"))]
    if fused::is_supported(&hidden, &weight, bias.as_ref()) {
        return fused::loss(hidden, weight, bias, targets);
    }
    let device = hidden.device();
    CrossEntropyLoss::new(None, &device).forward(linear(hidden, weight, bias), targets)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Distribution};
    use elman_testkit::{Tolerance, assert_close, device, devices};

    use super::*;

    /// Another order of f32 sums and another exponential.
    const ROUNDING: Tolerance = Tolerance { relative: 1e-5, absolute: 1e-7 };

    /// The loss, and its gradients with respect to hidden values, weight and bias.
    fn check(tied: bool, with_bias: bool, [rows, d_hidden, classes]: [usize; 3]) {
        for device in devices() {
            let what = format!("tied {tied} bias {with_bias} [{rows}, {d_hidden}, {classes}] on {device}");
            let at = device.autodiff();
            let random = |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Uniform(-1.0, 1.0), &at);
            let hidden = random([rows, d_hidden]).require_grad();
            let weight = random(if tied { [classes, d_hidden] } else { [d_hidden, classes] }).require_grad();
            let bias = with_bias.then(|| random([1, classes]).reshape([classes]).require_grad());
            let targets: Vec<i64> = (0..rows).map(|row| (row * 5 % classes) as i64).collect();
            let targets = Tensor::<1, Int>::from_ints(targets.as_slice(), &at);
            let as_used = || if tied { weight.clone().transpose() } else { weight.clone() };

            let fused = linear_cross_entropy(hidden.clone(), as_used(), bias.clone(), targets.clone());
            let logits = linear(hidden.clone(), as_used(), bias.clone());
            let composed = CrossEntropyLoss::new(None, &at).forward(logits, targets);
            assert_close(&format!("loss, {what}"), &fused, &composed, ROUNDING);
            // as part of a larger expression
            let (fused, composed) = ((fused * 3.0).backward(), (composed * 3.0).backward());
            for (name, input) in [("hidden", &hidden), ("weight", &weight)] {
                let [fused, composed] = [&fused, &composed].map(|grads| input.grad(grads).expect("a gradient"));
                assert_close(&format!("gradient of {name}, {what}"), &fused, &composed, ROUNDING);
            }
            if let Some(bias) = bias {
                let [fused, composed] = [&fused, &composed].map(|grads| bias.grad(grads).expect("a gradient"));
                assert_close(&format!("gradient of the bias, {what}"), &fused, &composed, ROUNDING);
            }
        }
    }

    #[test]
    fn loss_and_gradients_match_the_composed_operations() {
        for tied in [false, true] {
            for with_bias in [false, true] {
                for shape in [[1, 1, 1], [3, 7, 5], [20, 33, 70]] {
                    check(tied, with_bias, shape);
                }
            }
        }
    }

    #[test]
    fn only_frozen_weights_have_no_gradient() {
        for device in devices() {
            let at = device.autodiff();
            let hidden = Tensor::<2>::ones([2, 3], &at).require_grad();
            let weight = Tensor::<2>::ones([3, 4], &at);
            let targets = Tensor::<1, Int>::from_ints([0, 3], &at);
            let grads = linear_cross_entropy(hidden.clone(), weight.clone(), None, targets).backward();
            assert!(hidden.grad(&grads).is_some() && weight.grad(&grads).is_none(), "{device}");
        }
    }

    /// f16 has a mantissa of 11 bits, and the sums are short.
    const HALF: Tolerance = Tolerance { relative: 1e-2, absolute: 0.0 };

    #[test]
    fn half_precision_uses_the_composed_operations() {
        for device in devices().into_iter().filter(|device| device.device.supports_dtype(DType::F16)) {
            let at = device.autodiff();
            let hidden = Tensor::<2>::from_floats([[1.0, -0.5], [0.25, 2.0]], &at).require_grad();
            let weight = Tensor::<2>::from_floats([[0.5, -1.0, 1.5], [2.0, 0.125, -0.75]], &at);
            let targets = Tensor::<1, Int>::from_ints([2, 0], &at);
            let run = |dtype| {
                let [hidden, weight] = [&hidden, &weight].map(|tensor| tensor.clone().cast(dtype));
                let loss = linear_cross_entropy(hidden, weight, None, targets.clone());
                assert_eq!(loss.dtype(), dtype, "{device}");
                loss.cast(DType::F32)
            };
            let (half, full) = (run(DType::F16), run(DType::F32));
            assert_close(&format!("loss on {device}"), &half, &full, HALF);
            let [half, full] = [half, full].map(|loss| hidden.grad(&loss.backward()).expect("a gradient"));
            assert_close(&format!("gradient on {device}"), &half, &full, HALF);
        }
    }

    #[test]
    #[should_panic(expected = "targets: each below 4")]
    fn an_invalid_target_panics() {
        let device = &device();
        let targets = Tensor::<1, Int>::from_ints([4], device);
        linear_cross_entropy(Tensor::ones([1, 3], device), Tensor::ones([3, 4], device), None, targets);
    }
}
