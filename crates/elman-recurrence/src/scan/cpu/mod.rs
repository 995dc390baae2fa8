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
pub(super) fn fits(scan: &ScanInput) -> bool {
    let Some(RecurrentWeights { hidden, projection: None, .. }) = &scan.recurrent else { return false };
    let [time, batch, _] = scan.input.dims();
    [scan.input.dtype(), hidden.dtype(), scan.state[0].dtype()] == [DType::F32; 3]
        && time * batch >= WORTH_PACKING
        && is_host(&scan.input.device())
}

/// Runs the recurrence with a kernel, where that [fits].
pub(super) fn walk(kernel: Kernel, scan: ScanInput, keep: usize) -> ScanOutput {
    let [time, batch, _] = scan.input.dims();
    let weights = scan.recurrent.expect("fits: a recurrent product");
    let hidden = weights.hidden.dims()[1];
    let no_bias = || Tensor::zeros([weights.hidden.dims()[0]], &scan.input.device());
    let bias = weights.bias.unwrap_or_else(no_bias);
    let lengths = scan.active.map(|active| active.lengths);
    let walk = Walk { kernel, reverse: scan.reverse, lengths };
    let state: Tensor<3> = Tensor::stack(scan.state, 0);
    let parts = state.dims()[0];
    let states = <Dispatch as Recurrence>::scan(
        walk,
        scan.input.into_dispatch(),
        weights.hidden.into_dispatch(),
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
