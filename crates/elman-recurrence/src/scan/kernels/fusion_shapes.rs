//! Shapes and dtypes of the kernels' results, which burn's fusion backend for GPUs needs before they have run.

use burn::{
    backend::fusion::custom::TensorSpec,
    tensor::{DType, Shape},
};
use elman_cube::ScanOptions;

use super::extension::{InputGradsMetadata, InputsMetadata, ScanResultMetadata, ScanSpec};

fn vector(len: usize, dtype: DType) -> TensorSpec {
    TensorSpec::new(Shape::new([len]), dtype)
}

pub(super) fn scan_result(spec: &ScanSpec, input: &TensorSpec, inputs: &InputsMetadata) -> ScanResultMetadata {
    let is_present = |tensor: &TensorSpec| tensor.shape.num_elements() > 0;
    let zoneout = spec.zoneout_rates.is_some() || is_present(&inputs.zoneout);
    let options = ScanOptions { projection: is_present(&inputs.projection), norm: is_present(&inputs.gain), zoneout };
    let [saved, aux] = spec.saved_lens(options);
    ScanResultMetadata {
        states: vector(spec.state_len(), DType::F32),
        saved: vector(saved, input.dtype),
        aux: vector(aux, DType::F32),
    }
}

pub(super) fn input_grads(
    spec: &ScanSpec,
    needs_grad: &[bool; 6],
    inputs: &InputsMetadata,
    result: &ScanResultMetadata,
    _gradient: &TensorSpec,
) -> InputGradsMetadata {
    let grad = |n: usize, like: &TensorSpec| match needs_grad[n] && like.shape.num_elements() > 0 {
        true => like.clone(),
        false => vector(0, DType::F32),
    };
    let rows = spec.kernel.gates() * spec.hidden;
    // the first two are always computed
    InputGradsMetadata {
        input: TensorSpec::new(Shape::new([spec.time, spec.batch, rows]), result.saved.dtype),
        state: inputs.state.clone(),
        weights: grad(1, &inputs.weights),
        bias: grad(2, &inputs.bias),
        projection: grad(4, &inputs.projection),
        gain: grad(5, &inputs.gain),
    }
}
