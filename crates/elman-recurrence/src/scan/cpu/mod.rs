//! The scan on a processor: kernels of `elman-cpu` as operations that burn differentiates.

#[allow(deprecated)] // burn deprecates NdArray; elman supports it
mod extension;

use burn::{
    backend::Dispatch,
    tensor::{DType, Tensor},
};
use elman_layers::host::is_host;

use self::extension::{Recurrence, Walk};
use super::{Kernel, RecurrentWeights, ScanInput, ScanOutput};

/// Fewer rows × time steps than this do not pay for packing the weights.
const WORTH_PACKING: usize = 8;

/// Whether the kernels can do this, and are worth their while.
pub(super) fn fits(kernel: Kernel, scan: &ScanInput) -> bool {
    let is_float = |dtype: DType| dtype == DType::F32;
    let weights_fit = match &scan.recurrent {
        Some(RecurrentWeights { hidden, projection: None, .. }) => kernel.is_recurrent() && is_float(hidden.dtype()),
        Some(_) => false,
        None => !kernel.is_recurrent(),
    };
    let [time, batch, _] = scan.input.dims();
    weights_fit
        && is_float(scan.input.dtype())
        && is_float(scan.state[0].dtype())
        && (time * batch >= WORTH_PACKING || !kernel.is_recurrent())
        && is_host(&scan.input.device())
}

/// Runs the recurrence with a kernel, where that [fits].
pub(super) fn walk(kernel: Kernel, scan: ScanInput, keep: usize) -> ScanOutput {
    let [time, batch, _] = scan.input.dims();
    let hidden = scan.input.dims()[2] / kernel.gates();
    let rows = kernel.recurrent_rows(hidden);
    let device = scan.input.device();
    let (weights, bias) = match scan.recurrent {
        Some(weights) => (weights.hidden, weights.bias),
        None => (Tensor::zeros([rows, hidden], &device), None),
    };
    let bias = bias.unwrap_or_else(|| Tensor::zeros([rows], &device));
    let lengths = scan.active.map(|active| active.lengths);
    let walk = Walk { kernel, reverse: scan.reverse, lengths };
    let state: Tensor<3> = Tensor::stack(scan.state, 0);
    let parts = state.dims()[0];
    let states = <Dispatch as Recurrence>::scan(
        walk,
        scan.input.into_dispatch(),
        weights.into_dispatch(),
        bias.into_dispatch(),
        state.into_dispatch(),
    );
    let states: Tensor<4> = Tensor::from_dispatch(states); // [STATES, T, B, H]
    let end = if scan.reverse { 0 } else { time - 1 };
    ScanOutput {
        states: (0..keep).map(|n| states.clone().narrow(0, n, 1).reshape([time, batch, hidden])).collect(),
        last: (0..parts).map(|n| states.clone().narrow(0, n, 1).narrow(1, end, 1).reshape([batch, hidden])).collect(),
    }
}
