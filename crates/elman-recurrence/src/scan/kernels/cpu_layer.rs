//! CPU-only operations: input projection and recomputed layers.

use burn::{
    backend::Dispatch,
    tensor::{DType, Tensor},
};
use elman_layers::cpu::is_cpu;

use super::{
    super::{Active, InputWeights, ScanInput, ScanOutput},
    input_projection::{ActiveRows, InputProjection, Operands},
    kernel::Kernels,
    recompute::RecomputedLayer,
    scan_outputs, spec_and_inputs,
};

/// Runs input projection and scan of a layer with a kernel that supports both. [`ScanInput::input`] is the input of the
/// layer here, not its projection. Training saves only this input and recomputes the rest.
pub(in crate::scan) fn recomputed_layer(
    kernel: Kernels,
    weights: InputWeights,
    layer: ScanInput,
    num_states: usize,
) -> ScanOutput {
    let (rows, hidden) = (rows(layer.active.as_ref()), weights.weights.dims()[0] / kernel.gates());
    let operands = operands(layer.input.clone(), weights);
    let (spec, inputs) = spec_and_inputs(kernel, layer, hidden);
    let states = <Dispatch as RecomputedLayer>::recomputed_layer(spec.clone(), rows, operands, inputs);
    scan_outputs(&spec, Tensor::from_dispatch(states), num_states, DType::F32).remove(0)
}

/// Whether the kernel of the input projection supports these tensors.
pub(in crate::scan) fn supports_input_projection(x: &Tensor<3>, weights: &InputWeights) -> bool {
    let InputWeights { weights, bias, gain } = weights;
    is_cpu(&x.device())
        && [x.dtype(), weights.dtype()] == [DType::F32; 2]
        && bias.iter().chain(gain).all(|tensor| tensor.dtype() == DType::F32)
}

/// The input projection, if [supported](supports_input_projection).
pub(in crate::scan) fn input_projection(x: Tensor<3>, weights: InputWeights, active: Option<&Active>) -> Tensor<3> {
    Tensor::from_dispatch(<Dispatch as InputProjection>::input_projection(rows(active), operands(x, weights)))
}

fn operands(x: Tensor<3>, weights: InputWeights) -> Operands<Dispatch> {
    let device = x.device();
    let InputWeights { weights, bias, gain } = weights;
    let vector = |tensor: Option<Tensor<1>>| tensor.unwrap_or_else(|| Tensor::zeros([0], &device)).into_dispatch();
    Operands { x: x.into_dispatch(), weights: weights.into_dispatch(), bias: vector(bias), gain: vector(gain) }
}

fn rows(active: Option<&Active>) -> ActiveRows {
    active.map(|active| active.rows().into())
}
