//! Both directions of a layer as one walk, on graphics cards.

use burn::{backend::Dispatch, tensor::Tensor};
use elman_cube::cell::MAX_GATES;

use super::{
    super::{RecurrentWeights, ScanInput, ScanOutput, Zoneout},
    extension::{Recurrence, Walk},
    fits,
    kernel::Kernels,
    output, read,
};

/// Whether both directions can be walked at once, with the input of the layer in place of its product.
pub(in crate::scan) fn both_fit<'a>(kernel: &Kernels, mut scans: impl Iterator<Item = &'a ScanInput>) -> bool {
    kernel.walks_both_ways()
        && scans.all(|scan| {
            let [time, batch, _] = scan.input.dims();
            let hidden = scan.recurrent.as_ref().map_or(0, |of| of.hidden.dims()[0]) / kernel.gates();
            let largest = 2 * time * batch * MAX_GATES * hidden * size_of::<f32>();
            let most = elman_layers::device::max_tensor_bytes(&scan.input.device());
            fits(kernel, scan) && most.is_none_or(|most| largest as u64 <= most)
        })
}

/// Runs the recurrence both ways at once: forward and back, where [both fit](both_fit).
pub(in crate::scan) fn walk_both_ways(kernel: Kernels, scans: Vec<ScanInput>, keep: usize) -> Vec<ScanOutput> {
    let lengths = scans[0].active.as_ref().map(|active| active.lengths.repeat(2).into());
    let scan = side_by_side(scans);
    let (input, hidden, stored) =
        (scan.input.clone().into_dispatch(), scan.input.dims()[2] / kernel.gates(), scan.input.dtype());
    let (walk, inputs) = read(kernel, scan, hidden);
    let walk = Walk { both_ways: true, lengths, ..walk };
    let states = Tensor::from_dispatch(<Dispatch as Recurrence>::scan(walk.clone(), input, inputs));
    output(&walk, states, keep, stored)
}

/// The rows of several scans as rows of one, and their weights one after the other.
fn side_by_side(scans: Vec<ScanInput>) -> ScanInput {
    fn all<const D: usize>(parts: Vec<Option<Tensor<D>>>, axis: usize) -> Option<Tensor<D>> {
        let parts: Option<Vec<_>> = parts.into_iter().collect();
        parts.map(|parts| Tensor::cat(parts, axis))
    }
    let states = scans[0].state.len();
    let weights = |of: fn(&RecurrentWeights) -> Option<Tensor<2>>| {
        all(scans.iter().map(|scan| scan.recurrent.as_ref().and_then(of)).collect(), 0)
    };
    let rows = |of: fn(&RecurrentWeights) -> Option<Tensor<1>>| {
        all(scans.iter().map(|scan| scan.recurrent.as_ref().and_then(of)).collect(), 0)
    };
    let recurrent = weights(|of| Some(of.hidden.clone())).map(|hidden| RecurrentWeights {
        hidden,
        bias: rows(|of| of.bias.clone()),
        projection: weights(|of| of.projection.clone()),
        gain: rows(|of| of.gain.clone()),
    });
    let state = (0..states).map(|n| Tensor::cat(scans.iter().map(|scan| scan.state[n].clone()).collect(), 0));
    let zoneout = match &scans[0].zoneout {
        Some(Zoneout::Masks(_)) => {
            let mask = |n: usize| {
                let masks = scans.iter().map(|scan| match &scan.zoneout {
                    Some(Zoneout::Masks(masks)) => masks[n].clone(),
                    _ => unreachable!("all directions have the same noise"),
                });
                Tensor::cat(masks.collect(), 1)
            };
            Some(Zoneout::Masks((0..states).map(mask).collect()))
        }
        other => other.clone(),
    };
    ScanInput {
        input: Tensor::cat(scans.iter().map(|scan| scan.input.clone()).collect(), 1),
        recurrent,
        state: state.collect(),
        active: None,
        reverse: false,
        dropout: all(scans.iter().map(|scan| scan.dropout.clone()).collect(), 0),
        zoneout,
    }
}
