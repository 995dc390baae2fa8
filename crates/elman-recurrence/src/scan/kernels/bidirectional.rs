//! Both directions of a layer in one scan, on GPUs.

use burn::{backend::Dispatch, tensor::Tensor};
use elman_cube::cell::MAX_GATES;

use super::{
    super::{RecurrentWeights, ScanInput, ScanOutput, Zoneout},
    extension::{Recurrence, ScanSpec},
    kernel::Kernels,
    scan_outputs, spec_and_inputs, supports,
};

/// Whether both directions can run in one scan. [`ScanInput::input`] is the input of the layer here, not its
/// projection.
pub(in crate::scan) fn supports_bidirectional<'a>(
    kernel: &Kernels,
    mut scans: impl Iterator<Item = &'a ScanInput>,
) -> bool {
    kernel.prefers_bidirectional()
        && scans.all(|scan| {
            let [time, batch, _] = scan.input.dims();
            let hidden = scan.recurrent.as_ref().map_or(0, |weights| weights.hidden.dims()[0]) / kernel.gates();
            let bytes = 2 * time * batch * MAX_GATES * hidden * size_of::<f32>();
            let max_bytes = elman_layers::device::max_tensor_bytes(&scan.input.device());
            supports(kernel, scan) && max_bytes.is_none_or(|max| bytes as u64 <= max)
        })
}

/// Runs the forward and the reverse direction in one scan, if [supported](supports_bidirectional).
pub(in crate::scan) fn scan_bidirectional(
    kernel: Kernels,
    scans: Vec<ScanInput>,
    num_states: usize,
) -> Vec<ScanOutput> {
    let lengths = scans[0].active.as_ref().map(|active| active.lengths.repeat(2).into());
    let scan = concat(scans);
    let (input, hidden, dtype) =
        (scan.input.clone().into_dispatch(), scan.input.dims()[2] / kernel.gates(), scan.input.dtype());
    let (spec, inputs) = spec_and_inputs(kernel, scan, hidden);
    let spec = ScanSpec { bidirectional: true, lengths, ..spec };
    let states = Tensor::from_dispatch(<Dispatch as Recurrence>::scan(spec.clone(), input, inputs));
    scan_outputs(&spec, states, num_states, dtype)
}

/// Concatenates the rows and the weights of several scans.
fn concat(scans: Vec<ScanInput>) -> ScanInput {
    fn cat_all<const D: usize>(parts: Vec<Option<Tensor<D>>>, axis: usize) -> Option<Tensor<D>> {
        let parts: Option<Vec<_>> = parts.into_iter().collect();
        parts.map(|parts| Tensor::cat(parts, axis))
    }
    let states = scans[0].state.len();
    let matrices = |get: fn(&RecurrentWeights) -> Option<Tensor<2>>| {
        cat_all(scans.iter().map(|scan| scan.recurrent.as_ref().and_then(get)).collect(), 0)
    };
    let vectors = |get: fn(&RecurrentWeights) -> Option<Tensor<1>>| {
        cat_all(scans.iter().map(|scan| scan.recurrent.as_ref().and_then(get)).collect(), 0)
    };
    let recurrent = matrices(|weights| Some(weights.hidden.clone())).map(|hidden| RecurrentWeights {
        hidden,
        bias: vectors(|weights| weights.bias.clone()),
        projection: matrices(|weights| weights.projection.clone()),
        gain: vectors(|weights| weights.gain.clone()),
    });
    let state = (0..states).map(|n| Tensor::cat(scans.iter().map(|scan| scan.state[n].clone()).collect(), 0));
    let zoneout = match &scans[0].zoneout {
        Some(Zoneout::Masks(_)) => {
            let mask = |n: usize| {
                let masks = scans.iter().map(|scan| match &scan.zoneout {
                    Some(Zoneout::Masks(masks)) => masks[n].clone(),
                    _ => unreachable!("both directions have the same kind of zoneout"),
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
        dropout: cat_all(scans.iter().map(|scan| scan.dropout.clone()).collect(), 0),
        zoneout,
    }
}
