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

use burn::{
    backend::Dispatch,
    tensor::{DType, Tensor},
};

use self::extension::{Inputs, Recurrence, Walk};
use super::{RecurrentWeights, ScanInput, ScanOutput, Zoneout};

pub(super) use kernel::Kernels;
#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(super) use processor::{input_product, product_fits, recomputed};

/// Whether the kernels can do this, and are worth their while.
pub(super) fn fits(kernel: &Kernels, scan: &ScanInput) -> bool {
    let weights_fit = match &scan.recurrent {
        Some(RecurrentWeights { hidden, bias, projection, gain }) => {
            kernel.is_recurrent()
                && (projection.is_none() || kernel.has_projection())
                && all_float(hidden, bias, gain)
                && projection.iter().all(is_float)
        }
        None => !kernel.is_recurrent(),
    };
    let masks_fit = scan.dropout.iter().all(is_float)
        && !matches!(&scan.zoneout, Some(Zoneout::Masks(masks)) if !masks.iter().all(is_float));
    let [time, batch, _] = scan.input.dims();
    weights_fit
        && masks_fit
        && is_float(&scan.input)
        && scan.state.iter().all(is_float)
        && time * batch >= kernel.worth_from()
}

fn is_float<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32
}

fn all_float(weights: &Tensor<2>, bias: &Option<Tensor<1>>, gain: &Option<Tensor<1>>) -> bool {
    is_float(weights) && bias.iter().chain(gain).all(is_float)
}

/// Runs the recurrence with a kernel, where that [fits].
pub(super) fn walk(kernel: Kernels, scan: ScanInput, keep: usize) -> ScanOutput {
    let input = scan.input.clone().into_dispatch();
    let hidden = scan.input.dims()[2] / kernel.gates();
    let (walk, inputs) = read(kernel, scan, hidden);
    let states = Tensor::from_dispatch(<Dispatch as Recurrence>::scan(walk.clone(), input, inputs));
    output(&walk, states, keep)
}

/// What the kernels read besides the input product.
fn read(kernel: Kernels, scan: ScanInput, hidden: usize) -> (Walk, Inputs<Dispatch>) {
    let device = scan.input.device();
    let [time, batch, _] = scan.input.dims();
    let output = scan.state[0].dims()[1];
    // what there is not is an empty tensor
    let one = |tensor: Option<Tensor<1>>| tensor.unwrap_or_else(|| Tensor::zeros([0], &device)).into_dispatch();
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
        state: flat(scan.state).into_dispatch(),
        projection: two(projection),
        gain: one(gain),
        dropout: two(scan.dropout),
        zoneout: one(masks),
    };
    let lengths = scan.active.map(|active| active.lengths);
    (Walk { kernel, time, batch, hidden, output, reverse: scan.reverse, lengths, rates }, inputs)
}

/// The states of all time steps as a scan returns them.
fn output(walk: &Walk, states: Tensor<1>, keep: usize) -> ScanOutput {
    let Walk { time, batch, hidden, output, reverse, ref kernel, .. } = *walk;
    let end = if reverse { 0 } else { time - 1 };
    let mut start = 0;
    let (mut all, mut last) = (Vec::new(), Vec::new());
    for n in 0..kernel.states() {
        let width = if n == 0 { output } else { hidden };
        let step = batch * width;
        if n < keep {
            all.push(states.clone().narrow(0, start, time * step).reshape([time, batch, width]));
        }
        last.push(states.clone().narrow(0, start + end * step, step).reshape([batch, width]));
        start += time * step;
    }
    ScanOutput { states: all, last }
}

/// Tensors one after the other.
fn flat<const D: usize>(tensors: Vec<Tensor<D>>) -> Tensor<1> {
    let mut flat: Vec<Tensor<1>> = tensors.into_iter().map(|tensor| tensor.flatten(0, D - 1)).collect();
    if flat.len() == 1 { flat.remove(0) } else { Tensor::cat(flat, 0) }
}
