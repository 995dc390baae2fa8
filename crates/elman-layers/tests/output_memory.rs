//! The logits of an output layer are never materialized on a GPU.

use burn::{
    nn::loss::CrossEntropyLoss,
    tensor::{Device, Int, Tensor, module::linear},
};
use elman_layers::{device::is_cube, linear_cross_entropy};
use elman_testkit::devices;

const ROWS: usize = 8192;
const D_HIDDEN: usize = 8;
const CLASSES: usize = 4096;

/// Bytes that the device has reserved for tensors. This grows to the peak memory use and does not shrink.
fn reserved(device: &Device) -> u64 {
    device.memory_pool_usage().expect("a GPU reports its memory use").bytes_reserved
}

// the only test of its process, so that nothing else allocates device memory meanwhile
#[test]
fn a_loss_and_its_gradients_need_less_memory_than_the_logits() {
    let logits = (ROWS * CLASSES * size_of::<f32>()) as u64;
    for device in devices().into_iter().filter(|device| is_cube(&device.device)) {
        let at = device.autodiff();
        let hidden = Tensor::<2>::ones([ROWS, D_HIDDEN], &at).require_grad();
        let weight = Tensor::<2>::ones([D_HIDDEN, CLASSES], &at).require_grad();
        let before = reserved(&device.device);
        let targets = Tensor::<1, Int>::zeros([ROWS], &at);
        let grads = linear_cross_entropy(hidden.clone(), weight.clone(), None, targets.clone()).backward();
        let grad_weight = weight.grad(&grads).expect("a gradient").sum();
        assert!(grad_weight.into_scalar::<f32>().abs() < 1e-2, "a softmax and its target both sum to 1");
        let fused = reserved(&device.device) - before;
        assert!(fused < logits, "{fused} bytes on {device}, the logits alone are {logits}");

        // check that the measurement sees logits that are stored
        let loss = CrossEntropyLoss::new(None, &at).forward(linear(hidden, weight, None), targets);
        assert!(loss.into_scalar::<f32>().is_finite());
        let composed = reserved(&device.device) - before;
        assert!(composed >= logits, "{composed} bytes on {device}, the logits alone are {logits}");
    }
}
