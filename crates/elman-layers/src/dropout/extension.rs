use burn::{
    backend::{
        Autodiff, Backend, Dispatch, TensorMetadata,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind, unary},
        },
        backend_extension,
        tensor::FloatTensor,
    },
    tensor::{DType, Device, Distribution, Int, Tensor},
};

use super::mask::masked;
use crate::cpu::{CpuBackend, is_cpu};

/// Whether [`dropped`] supports this tensor.
pub fn is_supported<const D: usize>(x: &Tensor<D>) -> bool {
    x.dtype() == DType::F32 && is_cpu(&x.device())
}

/// A [supported](is_supported) tensor `x` times a mask.
pub fn dropped<const D: usize>(x: Tensor<D>, probability: f64) -> Tensor<D> {
    let seed = random_seed(&x.device());
    with_seed(x, seed, probability)
}

/// A seed from the device's random number generator, so that [`Device::seed`] determines all later masks.
fn random_seed(device: &Device) -> u64 {
    let below = Distribution::Uniform(0.0, 2f64.powi(62));
    Tensor::<1, Int>::random([1], below, (device, DType::I64)).into_scalar::<i64>().unsigned_abs()
}

/// `x` times the mask of this seed, which does not depend on the memory layout of `x`.
fn with_seed<const D: usize>(x: Tensor<D>, seed: u64, probability: f64) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as MaskedOp>::masked(x.into_dispatch(), seed, probability))
}

/// Dropout as one differentiable operation that saves only its seed.
#[backend_extension(Flex: cfg(feature = "flex"), NdArray: cfg(feature = "ndarray"), Autodiff)]
pub trait MaskedOp: Backend {
    /// `x` times the mask of [`masked`], any shape.
    fn masked(x: FloatTensor<Self>, seed: u64, probability: f64) -> FloatTensor<Self>;
}

fn on_cpu<B: CpuBackend>(x: FloatTensor<B>, seed: u64, probability: f64) -> FloatTensor<B> {
    let (device, shape) = (x.device(), x.shape());
    B::tensor(masked(seed, probability, &B::values(x)), shape, &device)
}

#[cfg(feature = "flex")]
impl MaskedOp for burn::backend::Flex {
    fn masked(x: FloatTensor<Self>, seed: u64, probability: f64) -> FloatTensor<Self> {
        on_cpu::<Self>(x, seed, probability)
    }
}

#[cfg(feature = "ndarray")]
impl MaskedOp for burn::backend::NdArray {
    fn masked(x: FloatTensor<Self>, seed: u64, probability: f64) -> FloatTensor<Self> {
        on_cpu::<Self>(x, seed, probability)
    }
}

#[derive(Debug)]
struct MaskedBackward;

impl<B: Backend + MaskedOp> Backward<B, 1> for MaskedBackward {
    /// Seed and probability.
    type State = (u64, f64);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (seed, probability) = ops.state;
        unary::<B, _>(ops.parents, ops.node, gradients, |gradient| B::masked(gradient, seed, probability));
    }
}

impl<B: Backend + MaskedOp, C: CheckpointStrategy> MaskedOp for Autodiff<B, C> {
    fn masked(x: FloatTensor<Self>, seed: u64, probability: f64) -> FloatTensor<Self> {
        let prepared = MaskedBackward.prepare::<C>([x.node()]).compute_bound().stateful();
        let y = B::masked(x.into_primitive(), seed, probability);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish((seed, probability), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}

#[cfg(test)]
mod tests {
    use elman_testkit::devices;

    use super::*;

    #[test]
    fn the_mask_does_not_depend_on_the_memory_layout() {
        for device in devices().into_iter().filter(|device| is_cpu(&device.device)) {
            let x = Tensor::<2>::ones([33, 65], &device.autodiff());
            let column_major = x.clone().transpose().mul_scalar(1.0).transpose();
            let [expected, found] = [x, column_major].map(|x| with_seed(x, 5, 0.5).into_data());
            found.assert_eq(&expected, true);
        }
    }
}
