//! The scan by kernels: those of `elman-cpu` and `elman-cube` as operations that burn differentiates.

#[cfg(feature = "cube")]
mod both_ways;
#[cfg(feature = "cube")]
mod cube;
#[allow(deprecated)] // burn deprecates NdArray; elman supports it
mod extension;
#[cfg(any(feature = "flex", feature = "ndarray"))]
#[allow(deprecated)]
mod host;
mod kernel;
mod optional;
#[cfg(any(feature = "flex", feature = "ndarray"))]
#[allow(deprecated)]
mod pieces;
#[cfg(any(feature = "flex", feature = "ndarray"))]
mod processor;
#[cfg(any(feature = "flex", feature = "ndarray"))]
#[allow(deprecated)]
mod product;
#[cfg(any(feature = "flex", feature = "ndarray"))]
#[allow(deprecated)]
mod recompute;
#[cfg(feature = "cube")]
mod shapes;

use burn::{
    backend::Dispatch,
    tensor::{DType, Tensor},
};

use self::extension::{Inputs, Recurrence, Walk};
use super::{
    RecurrentWeights, ScanInput, ScanOutput, Zoneout,
    stored::{as_stored, wide},
};

#[cfg(feature = "cube")]
pub(super) use both_ways::{both_fit, walk_both_ways};
pub(super) use kernel::Kernels;
#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(super) use processor::{input_product, product_fits, recomputed};

/// Whether the kernels can do this, and are worth their while.
pub(super) fn fits(kernel: &Kernels, scan: &ScanInput) -> bool {
    let [time, batch, _] = scan.input.dims();
    let stored = scan.input.dtype();
    let weights_fit = match &scan.recurrent {
        Some(RecurrentWeights { hidden, bias, projection, gain }) => {
            kernel.is_recurrent()
                && (projection.is_none() || kernel.has_projection())
                && hidden.dtype() == stored
                && projection.iter().all(|projection| projection.dtype() == stored)
                && bias.iter().chain(gain).all(|one| kernel.reads(one.dtype()))
        }
        None => !kernel.is_recurrent(),
    };
    let masks_fit = match &scan.zoneout {
        Some(Zoneout::Masks(masks)) => masks.iter().all(|mask| kernel.reads(mask.dtype())),
        _ => true,
    };
    weights_fit
        && masks_fit
        && kernel.reads(stored)
        && scan.dropout.iter().chain(&scan.state).all(|tensor| kernel.reads(tensor.dtype()))
        && time * batch >= kernel.worth_from()
}

/// Runs the recurrence with a kernel, where that [fits].
pub(super) fn walk(kernel: Kernels, scan: ScanInput, keep: usize) -> ScanOutput {
    let input = scan.input.clone().into_dispatch();
    let (hidden, stored) = (scan.input.dims()[2] / kernel.gates(), scan.input.dtype());
    let (walk, inputs) = read(kernel, scan, hidden);
    let states = Tensor::from_dispatch(<Dispatch as Recurrence>::scan(walk.clone(), input, inputs));
    output(&walk, states, keep, stored).remove(0)
}

/// What the kernels read besides the input product.
fn read(kernel: Kernels, scan: ScanInput, hidden: usize) -> (Walk, Inputs<Dispatch>) {
    let device = scan.input.device();
    let [time, batch, _] = scan.input.dims();
    let output = scan.state[0].dims()[1];
    // what there is not is an empty tensor
    let one = |tensor: Option<Tensor<1>>| tensor.map_or_else(|| Tensor::zeros([0], &device), wide).into_dispatch();
    let two = |tensor: Option<Tensor<2>>| tensor.unwrap_or_else(|| Tensor::zeros([0, 0], &device)).into_dispatch();
    let (rates, masks) = match scan.zoneout {
        None => (None, None),
        Some(Zoneout::Rates(rates)) => (Some(rates.map(|rate| rate as f32)), None),
        Some(Zoneout::Masks(masks)) => (None, Some(flat(masks))),
    };
    let (weights, bias, projection, gain) = match scan.recurrent {
        Some(RecurrentWeights { hidden, bias, projection, gain }) => (Some(hidden), bias, projection, gain),
        None => (None, None, None, None),
    };
    let inputs = Inputs {
        weights: two(weights),
        bias: one(bias),
        state: wide(flat(scan.state)).into_dispatch(),
        projection: two(projection),
        gain: one(gain),
        dropout: two(scan.dropout.map(wide)),
        zoneout: one(masks),
    };
    let lengths = scan.active.map(|active| active.lengths);
    (Walk { kernel, time, batch, hidden, output, reverse: scan.reverse, both_ways: false, lengths, rates }, inputs)
}

/// The states of all time steps as a scan returns them, stored as the input product is: one for each direction.
fn output(walk: &Walk, states: Tensor<1>, keep: usize, stored: DType) -> Vec<ScanOutput> {
    let Walk { time, batch, hidden, output, reverse, both_ways, ref kernel, .. } = *walk;
    let sides = if both_ways { 2 } else { 1 };
    let rows = batch / sides;
    let mut outputs: Vec<_> = (0..sides).map(|_| ScanOutput { states: Vec::new(), last: Vec::new() }).collect();
    let mut start = 0;
    for n in 0..kernel.states() {
        let width = if n == 0 { output } else { hidden };
        let all = states.clone().narrow(0, start, time * batch * width).reshape([time, batch, width]);
        for (side, into) in outputs.iter_mut().enumerate() {
            let its = if both_ways { all.clone().narrow(1, side * rows, rows) } else { all.clone() };
            let end = if reverse || side == 1 { 0 } else { time - 1 };
            into.last.push(as_stored(its.clone().narrow(0, end, 1).squeeze_dim(0), stored));
            if n < keep {
                into.states.push(as_stored(its, stored));
            }
        }
        start += time * batch * width;
    }
    outputs
}

/// Tensors one after the other.
fn flat<const D: usize>(tensors: Vec<Tensor<D>>) -> Tensor<1> {
    let mut flat: Vec<Tensor<1>> = tensors.into_iter().map(|tensor| tensor.flatten(0, D - 1)).collect();
    if flat.len() == 1 { flat.remove(0) } else { Tensor::cat(flat, 0) }
}
