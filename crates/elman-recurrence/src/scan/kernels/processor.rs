//! What there are kernels for on processors only: the input product, and a layer that is computed again.

use burn::{
    backend::Dispatch,
    tensor::{DType, Tensor},
};
use elman_layers::cpu::is_cpu;

use super::{
    super::{Active, InputWeights, ScanInput, ScanOutput},
    kernel::Kernels,
    output,
    product::{InputProduct, Operands, Rows},
    read,
    recompute::Recomputed,
};

/// Runs the input product and the recurrence with a kernel, where both fit; training keeps the input of the layer, which is
/// that of `scan` here, and computes the rest again.
pub(in crate::scan) fn recomputed(kernel: Kernels, with: InputWeights, scan: ScanInput, keep: usize) -> ScanOutput {
    let (rows, hidden) = (rows(scan.active.as_ref()), with.weights.dims()[0] / kernel.gates());
    let operands = operands(scan.input.clone(), with);
    let (walk, inputs) = read(kernel, scan, hidden);
    let states = <Dispatch as Recomputed>::recomputed(walk.clone(), rows, operands, inputs);
    output(&walk, Tensor::from_dispatch(states), keep, DType::F32).remove(0)
}

/// Whether the kernel of the input product can do this.
pub(in crate::scan) fn product_fits(x: &Tensor<3>, with: &InputWeights) -> bool {
    let InputWeights { weights, bias, gain } = with;
    is_cpu(&x.device())
        && [x.dtype(), weights.dtype()] == [DType::F32; 2]
        && bias.iter().chain(gain).all(|one| one.dtype() == DType::F32)
}

/// The input product, where that [fits](product_fits).
pub(in crate::scan) fn input_product(x: Tensor<3>, with: InputWeights, active: Option<&Active>) -> Tensor<3> {
    Tensor::from_dispatch(<Dispatch as InputProduct>::input_product(rows(active), operands(x, with)))
}

fn operands(x: Tensor<3>, with: InputWeights) -> Operands<Dispatch> {
    let device = x.device();
    let one = |tensor: Option<Tensor<1>>| tensor.unwrap_or_else(|| Tensor::zeros([0], &device)).into_dispatch();
    Operands { x: x.into_dispatch(), weights: with.weights.into_dispatch(), bias: one(with.bias), gain: one(with.gain) }
}

fn rows(active: Option<&Active>) -> Rows {
    active.map(|active| active.rows().into())
}
