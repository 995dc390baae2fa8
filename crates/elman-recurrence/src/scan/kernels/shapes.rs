//! What comes of the kernels, before they have run: burn's fusion, which graphics cards have, wants to know.

use burn::{
    backend::fusion::custom::TensorSpec,
    tensor::{DType, Shape},
};
use elman_cube::ScanOptions;

use super::extension::{ByInputsMetadata, InputsMetadata, Walk, WalkedMetadata};

fn numbers(len: usize, dtype: DType) -> TensorSpec {
    TensorSpec::new(Shape::new([len]), dtype)
}

pub(super) fn walked(walk: &Walk, input: &TensorSpec, inputs: &InputsMetadata) -> WalkedMetadata {
    let is_there = |tensor: &TensorSpec| tensor.shape.num_elements() > 0;
    let zoneout = walk.rates.is_some() || is_there(&inputs.zoneout);
    let variant = ScanOptions { projection: is_there(&inputs.projection), norm: is_there(&inputs.gain), zoneout };
    let [saved, kept] = walk.kept(variant);
    WalkedMetadata {
        states: numbers(walk.state_len(), DType::F32),
        saved: numbers(saved, input.dtype),
        kept: numbers(kept, DType::F32),
    }
}

pub(super) fn by_inputs(
    walk: &Walk,
    wanted: &[bool; 6],
    inputs: &InputsMetadata,
    walked: &WalkedMetadata,
    _gradient: &TensorSpec,
) -> ByInputsMetadata {
    let of = |n: usize, like: &TensorSpec| match wanted[n] && like.shape.num_elements() > 0 {
        true => like.clone(),
        false => numbers(0, DType::F32),
    };
    let rows = walk.kernel.gates() * walk.hidden;
    // these two are made in any case
    ByInputsMetadata {
        input: TensorSpec::new(Shape::new([walk.time, walk.batch, rows]), walked.saved.dtype),
        state: inputs.state.clone(),
        weights: of(1, &inputs.weights),
        bias: of(2, &inputs.bias),
        projection: of(4, &inputs.projection),
        gain: of(5, &inputs.gain),
    }
}
