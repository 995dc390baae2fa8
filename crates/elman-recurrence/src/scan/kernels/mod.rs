//! The kernels of `elman-cpu` and `elman-cube` as differentiable operations of burn.

#[cfg(feature = "cube")]
mod bidirectional;
#[cfg(any(feature = "flex", feature = "ndarray"))]
#[allow(deprecated)] // burn deprecates NdArray; elman supports it
mod chunks;
#[cfg(any(feature = "flex", feature = "ndarray"))]
#[allow(deprecated)]
mod cpu;
#[cfg(any(feature = "flex", feature = "ndarray"))]
mod cpu_layer;
#[cfg(feature = "cube")]
mod cube;
#[allow(deprecated)]
mod extension;
#[cfg(feature = "cube")]
mod fusion_shapes;
#[cfg(any(feature = "flex", feature = "ndarray"))]
#[allow(deprecated)]
mod input_projection;
mod kernel;
mod optional;
#[cfg(any(feature = "flex", feature = "ndarray"))]
#[allow(deprecated)]
mod recompute;

use burn::{
    backend::Dispatch,
    tensor::{DType, Tensor},
};

use self::extension::{Inputs, Recurrence, ScanSpec};
use super::{
    RecurrentWeights, ScanInput, ScanOutput, Zoneout,
    dtype::{at_least_f32, cast_to},
};

#[cfg(feature = "cube")]
pub(super) use bidirectional::{scan_bidirectional, supports_bidirectional};
#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(super) use cpu_layer::{input_projection, recomputed_layer, supports_input_projection};
pub(super) use kernel::Kernels;

/// Whether the kernel supports this scan and is faster than the reference.
pub(super) fn supports(kernel: &Kernels, scan: &ScanInput) -> bool {
    let [time, batch, _] = scan.input.dims();
    let dtype = scan.input.dtype();
    let supports_weights = match &scan.recurrent {
        Some(RecurrentWeights { hidden, bias, projection, gain }) => {
            kernel.is_recurrent()
                && (projection.is_none() || kernel.has_projection())
                && hidden.dtype() == dtype
                && projection.iter().all(|projection| projection.dtype() == dtype)
                && bias.iter().chain(gain).all(|tensor| kernel.supports_dtype(tensor.dtype()))
        }
        None => !kernel.is_recurrent(),
    };
    let supports_masks = match &scan.zoneout {
        Some(Zoneout::Masks(masks)) => masks.iter().all(|mask| kernel.supports_dtype(mask.dtype())),
        _ => true,
    };
    supports_weights
        && supports_masks
        && kernel.supports_dtype(dtype)
        && scan.dropout.iter().chain(&scan.state).all(|tensor| kernel.supports_dtype(tensor.dtype()))
        && time * batch >= kernel.min_batch_time()
}

/// Runs a scan that the kernel [supports].
pub(super) fn scan(kernel: Kernels, scan: ScanInput, num_states: usize) -> ScanOutput {
    let input = scan.input.clone().into_dispatch();
    let (hidden, dtype) = (scan.input.dims()[2] / kernel.gates(), scan.input.dtype());
    let (spec, inputs) = spec_and_inputs(kernel, scan, hidden);
    let states = Tensor::from_dispatch(<Dispatch as Recurrence>::scan(spec.clone(), input, inputs));
    scan_outputs(&spec, states, num_states, dtype).remove(0)
}

/// The arguments of a kernel other than the input projection.
fn spec_and_inputs(kernel: Kernels, scan: ScanInput, hidden: usize) -> (ScanSpec, Inputs<Dispatch>) {
    let device = scan.input.device();
    let [time, batch, _] = scan.input.dims();
    let output = scan.state[0].dims()[1];
    // absent operands are empty tensors
    let vector =
        |tensor: Option<Tensor<1>>| tensor.map_or_else(|| Tensor::zeros([0], &device), at_least_f32).into_dispatch();
    let matrix = |tensor: Option<Tensor<2>>| tensor.unwrap_or_else(|| Tensor::zeros([0, 0], &device)).into_dispatch();
    let (zoneout_rates, masks) = match scan.zoneout {
        None => (None, None),
        Some(Zoneout::Rates(rates)) => (Some(rates.map(|rate| rate as f32)), None),
        Some(Zoneout::Masks(masks)) => (None, Some(flatten(masks))),
    };
    let (weights, bias, projection, gain) = match scan.recurrent {
        Some(RecurrentWeights { hidden, bias, projection, gain }) => (Some(hidden), bias, projection, gain),
        None => (None, None, None, None),
    };
    let inputs = Inputs {
        weights: matrix(weights),
        bias: vector(bias),
        state: at_least_f32(flatten(scan.state)).into_dispatch(),
        projection: matrix(projection),
        gain: vector(gain),
        dropout: matrix(scan.dropout.map(at_least_f32)),
        zoneout: vector(masks),
    };
    let lengths = scan.active.map(|active| active.lengths);
    let reverse = scan.reverse;
    let spec = ScanSpec { kernel, time, batch, hidden, output, reverse, bidirectional: false, lengths, zoneout_rates };
    (spec, inputs)
}

/// Splits the states of all time steps into one output for each direction, cast to `dtype`.
fn scan_outputs(spec: &ScanSpec, states: Tensor<1>, num_states: usize, dtype: DType) -> Vec<ScanOutput> {
    let ScanSpec { time, batch, hidden, output, reverse, bidirectional, ref kernel, .. } = *spec;
    let directions = if bidirectional { 2 } else { 1 };
    let rows = batch / directions;
    let mut outputs: Vec<_> = (0..directions).map(|_| ScanOutput { states: Vec::new(), last: Vec::new() }).collect();
    let mut start = 0;
    for n in 0..kernel.states() {
        let width = if n == 0 { output } else { hidden };
        let all = states.clone().narrow(0, start, time * batch * width).reshape([time, batch, width]);
        for (direction, into) in outputs.iter_mut().enumerate() {
            let states = if bidirectional { all.clone().narrow(1, direction * rows, rows) } else { all.clone() };
            let end = if reverse || direction == 1 { 0 } else { time - 1 };
            into.last.push(cast_to(states.clone().narrow(0, end, 1).squeeze_dim(0), dtype));
            if n < num_states {
                into.states.push(cast_to(states, dtype));
            }
        }
        start += time * batch * width;
    }
    outputs
}

/// Flattens and concatenates tensors.
fn flatten<const D: usize>(tensors: Vec<Tensor<D>>) -> Tensor<1> {
    let mut flat: Vec<Tensor<1>> = tensors.into_iter().map(|tensor| tensor.flatten(0, D - 1)).collect();
    if flat.len() == 1 { flat.remove(0) } else { Tensor::cat(flat, 0) }
}
