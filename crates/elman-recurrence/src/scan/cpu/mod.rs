//! The scan on a processor: kernels of `elman-cpu` as operations that burn differentiates.

#[allow(deprecated)] // burn deprecates NdArray; elman supports it
mod extension;
mod optional;
#[allow(deprecated)]
mod product;
#[allow(deprecated)]
mod recompute;

use burn::{
    backend::Dispatch,
    tensor::{DType, Tensor},
};
use elman_layers::host::is_host;

use self::{
    extension::{Inputs, Recurrence, Walk},
    product::{InputProduct, Operands, Rows},
    recompute::Recomputed,
};
use super::{Active, InputWeights, Kernel, RecurrentWeights, ScanInput, ScanOutput, Zoneout};

/// Fewer rows × time steps than this do not pay for packing the weights.
const WORTH_PACKING: usize = 8;

/// Whether the kernels can do this, and are worth their while.
pub(super) fn fits(kernel: &Kernel, scan: &ScanInput) -> bool {
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
        && (time * batch >= WORTH_PACKING || !kernel.is_recurrent())
        && is_host(&scan.input.device())
}

fn is_float<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32
}

fn all_float(weights: &Tensor<2>, bias: &Option<Tensor<1>>, gain: &Option<Tensor<1>>) -> bool {
    is_float(weights) && bias.iter().chain(gain).all(is_float)
}

/// Runs the recurrence with a kernel, where that [fits].
pub(super) fn walk(kernel: Kernel, scan: ScanInput, keep: usize) -> ScanOutput {
    let input = scan.input.clone().into_dispatch();
    let hidden = scan.input.dims()[2] / kernel.gates();
    let (walk, inputs) = read(kernel, scan, hidden);
    let states = Tensor::from_dispatch(<Dispatch as Recurrence>::scan(walk.clone(), input, inputs));
    output(&walk, states, keep)
}

/// Runs the input product and the recurrence with a kernel, where both fit; training keeps the input of the layer, which is
/// that of `scan` here, and computes the rest again.
pub(super) fn recomputed(kernel: Kernel, with: InputWeights, scan: ScanInput, keep: usize) -> ScanOutput {
    let (rows, hidden) = (rows(scan.active.as_ref()), with.weights.dims()[0] / kernel.gates());
    let operands = operands(scan.input.clone(), with);
    let (walk, inputs) = read(kernel, scan, hidden);
    let states = <Dispatch as Recomputed>::recomputed(walk.clone(), rows, operands, inputs);
    output(&walk, Tensor::from_dispatch(states), keep)
}

/// What the kernels read besides the input product.
fn read(kernel: Kernel, scan: ScanInput, hidden: usize) -> (Walk, Inputs<Dispatch>) {
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

/// Whether the kernel of the input product can do this.
pub(super) fn product_fits(x: &Tensor<3>, with: &InputWeights) -> bool {
    is_float(x) && all_float(&with.weights, &with.bias, &with.gain) && is_host(&x.device())
}

/// The input product, where that [fits](product_fits).
pub(super) fn input_product(x: Tensor<3>, with: InputWeights, active: Option<&Active>) -> Tensor<3> {
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

/// Tensors one after the other.
fn flat<const D: usize>(tensors: Vec<Tensor<D>>) -> Tensor<1> {
    let mut flat: Vec<Tensor<1>> = tensors.into_iter().map(|tensor| tensor.flatten(0, D - 1)).collect();
    if flat.len() == 1 { flat.remove(0) } else { Tensor::cat(flat, 0) }
}
