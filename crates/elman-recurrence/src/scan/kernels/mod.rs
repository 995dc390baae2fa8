//! The scan by kernels: those of `elman-cpu` and `elman-cube` as operations that burn differentiates.

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
    output(&walk, states, keep, stored)
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
    (Walk { kernel, time, batch, hidden, output, reverse: scan.reverse, lengths, rates }, inputs)
}

/// The states of all time steps as a scan returns them, stored as the input product is.
fn output(walk: &Walk, states: Tensor<1>, keep: usize, stored: DType) -> ScanOutput {
    let Walk { time, batch, hidden, output, reverse, ref kernel, .. } = *walk;
    let end = if reverse { 0 } else { time - 1 };
    let mut start = 0;
    let (mut all, mut last) = (Vec::new(), Vec::new());
    for n in 0..kernel.states() {
        let width = if n == 0 { output } else { hidden };
        let step = batch * width;
        if n < keep {
            let all_steps = states.clone().narrow(0, start, time * step);
            all.push(as_stored(all_steps, stored).reshape([time, batch, width]));
        }
        let last_step = states.clone().narrow(0, start + end * step, step);
        last.push(as_stored(last_step, stored).reshape([batch, width]));
        start += time * step;
    }
    ScanOutput { states: all, last }
}

/// Tensors one after the other.
fn flat<const D: usize>(tensors: Vec<Tensor<D>>) -> Tensor<1> {
    let mut flat: Vec<Tensor<1>> = tensors.into_iter().map(|tensor| tensor.flatten(0, D - 1)).collect();
    if flat.len() == 1 { flat.remove(0) } else { Tensor::cat(flat, 0) }
}
