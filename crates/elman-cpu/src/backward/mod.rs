//! The backward scan, and the weight gradients, which are sums over its results.

mod scan;
mod stages;
mod weight_grads;

use crate::{
    Isa, Kernel, ScanOptions, Sequences, WeightDtype,
    cell::Pointwise,
    forward::{check, plan},
    kernel::CellSpec,
    layout::SavedLayout,
    multiply::PlainTile,
    panels::{Column, Panels, chunk_range},
    product::BlockRows,
    sums::sum_of_rows,
    threading::{Plan, SharedPtr},
};

use self::scan::{Buffers, Scan, ThreadTask, TransposedWeights};

/// The arguments of [`backward()`].
#[derive(Clone, Copy, Debug)]
pub struct Backward<'a> {
    /// Sizes, direction, lengths; the same as in forward.
    pub sequences: Sequences<'a>,
    /// The recurrent weights, `[G·H, P]`; empty if the cell is not [recurrent](Kernel::is_recurrent).
    pub weights: &'a [f32],
    /// The initial states.
    pub state: &'a [f32],
    /// Options of the scan; the same as in forward.
    pub variant: ScanOptions<'a>,
    /// The states that forward wrote.
    pub states: &'a [f32],
    /// The values that forward saved.
    pub saved: &'a [f32],
    /// The gradient with respect to the states.
    pub gradient: &'a [f32],
}

/// Buffers for the gradients. Optional gradients are computed only if their buffer is given.
#[derive(Debug)]
pub struct BackwardInto<'a> {
    /// Gradient with respect to the input projection, `[T, B, G·H]`.
    pub input: &'a mut [f32],
    /// Gradient with respect to the initial states.
    pub state: &'a mut [f32],
    /// Gradient with respect to the recurrent weights, `[G·H, P]`.
    pub weights: Option<&'a mut [f32]>,
    /// Gradient with respect to the recurrent bias, `[G·H]`.
    pub bias: Option<&'a mut [f32]>,
    /// Gradient with respect to the projection, `[P, H]`.
    pub projection: Option<&'a mut [f32]>,
    /// Gradient with respect to the gain of layer normalization, `[G·H]`.
    pub gain: Option<&'a mut [f32]>,
}

/// The backward pass of [`forward`](crate::forward()): backpropagation through time (Werbos 1990). The weight gradients
/// are single matrix products over all time steps, computed after the scan.
///
/// Temporary memory: `T·B·(s·G·H + n·G·H + p·P + l·H)` values and at most `B·(H + P)` more, where `s` is 1 if the
/// gradients with respect to input projection and recurrent product differ, `n` with layer normalization, `p` with a
/// projection and `l` with candidate gates.
///
/// # Panics
/// If a slice has the wrong size, or a gradient of the gain is requested without layer normalization.
pub fn backward(kernel: &Kernel, isa: Isa, threads: usize, from: Backward<'_>, into: BackwardInto<'_>) {
    kernel.backward(isa, threads, from, into);
}

/// [`backward()`] for one cell type.
pub(crate) fn scan_backward<C: Pointwise>(
    cell: C,
    isa: Isa,
    threads: usize,
    from: Backward<'_>,
    mut into: BackwardInto<'_>,
) {
    let sequences = &from.sequences;
    let Sequences { time, batch, hidden, output, .. } = *sequences;
    let spec = CellSpec::new::<C>();
    check(spec, sequences, from.weights, from.state, from.states, &from.variant);
    let (rows, gates) = (time * batch, C::GATES * hidden);
    let layout = SavedLayout::new(spec, sequences, &from.variant);
    assert_eq!(from.saved.len(), layout.len, "saved: saved_len() values");
    assert_eq!(from.gradient.len(), from.states.len(), "gradient: the size of the states");
    assert_eq!(into.input.len(), rows * gates, "gradient of the input: [T, B, G·H]");
    assert_eq!(into.state.len(), from.state.len(), "gradient of the initial states: the size of the initial states");

    into.state.fill(0.0);
    let buffer = |is_needed: bool, count: usize| vec![0.0; if is_needed { count } else { 0 }];
    let ScanOptions { projection, norm, dropout, .. } = from.variant;
    let mut d_recurrent = buffer(C::SEPARATE_RECURRENT_GRAD, rows * gates);
    let mut d_product = buffer(norm.is_some(), rows * gates);
    let mut d_projected = buffer(projection.is_some(), rows * output);
    let mut candidate_input = buffer(C::CANDIDATE_GATES > 0, rows * hidden);
    let mut d_output = buffer(projection.is_some() || C::CANDIDATE_GATES > 0, batch * hidden);
    let mut d_dropped_state = buffer(dropout.is_some(), batch * output);

    let weights = pack::<C>(isa, &from);
    {
        let d_input = SharedPtr::new(into.input);
        let d_recurrent = if C::SEPARATE_RECURRENT_GRAD { SharedPtr::new(&mut d_recurrent) } else { d_input };
        let buffers = Buffers {
            d_input,
            d_recurrent,
            d_product: if norm.is_some() { SharedPtr::new(&mut d_product) } else { d_recurrent },
            d_projected: SharedPtr::new(&mut d_projected),
            candidate_input: SharedPtr::new(&mut candidate_input),
            d_output: SharedPtr::new(&mut d_output),
            d_dropped_state: SharedPtr::new(&mut d_dropped_state),
            d_state: SharedPtr::new(into.state),
        };
        let plan = plan(spec, threads, sequences, isa.run(BlockRows(weights.gates.tile)));
        plan.run_after_product(|thread, barrier| {
            let task = task(&weights, plan, thread, sequences);
            isa.run(Scan { cell, isa, from, layout, weights: &weights, buffers, task, barrier });
        });
    }

    let d_recurrent = if C::SEPARATE_RECURRENT_GRAD { &d_recurrent[..] } else { into.input };
    let d_product = if norm.is_some() { &d_product[..] } else { d_recurrent };
    if let Some(into) = into.weights.take() {
        weight_grads::recurrent_weights(spec, &from, d_product, &candidate_input, into);
    }
    if let Some(into) = into.bias.take() {
        assert_eq!(into.len(), gates, "gradient of the bias: [G·H]");
        sum_of_rows(d_recurrent, None, into, false);
    }
    if let Some(into) = into.gain.take() {
        let normalized = layout.normalized.expect("a gradient of the gain needs layer normalization");
        assert_eq!(into.len(), gates, "gradient of the gain: [G·H]");
        sum_of_rows(d_recurrent, Some(&from.saved[normalized..][..rows * gates]), into, false);
    }
    if let (Some(into), Some(start)) = (into.projection.take(), layout.output) {
        weight_grads::projection(&from, &d_projected, &from.saved[start..][..rows * hidden], into);
    }
}

fn pack<C: Pointwise>(isa: Isa, from: &Backward<'_>) -> TransposedWeights {
    let Sequences { hidden, output, .. } = from.sequences;
    let tile = isa.run(PlainTile);
    let candidate_start = (C::GATES - C::CANDIDATE_GATES) * hidden;
    let transposed = |weights: &[f32], depth: usize, columns: usize| {
        let column = |column: usize| Column { start: column, stride: columns, bias: 0 };
        Panels::plain(tile, WeightDtype::F32, depth, columns, weights, None, column)
    };
    TransposedWeights {
        // empty without a recurrent product
        gates: match C::RECURRENT {
            true => transposed(&from.weights[..candidate_start * output], candidate_start, output),
            false => transposed(&[], 0, 0),
        },
        candidate: (C::CANDIDATE_GATES > 0)
            .then(|| transposed(&from.weights[candidate_start * output..], C::CANDIDATE_GATES * hidden, hidden)),
        projection: from.variant.projection.map(|projection| transposed(projection, output, hidden)),
    }
}

/// The work of a thread.
fn task(weights: &TransposedWeights, plan: Plan, thread: usize, sequences: &Sequences<'_>) -> ThreadTask {
    let Sequences { batch, hidden, output, .. } = *sequences;
    let (index, chunks) = plan.unit_chunk(thread);
    let lanes = weights.gates.tile.lanes;
    let registers = chunk_range(hidden.div_ceil(lanes), index, chunks);
    let tiles = weights.gates.chunk(index, chunks);
    let chunk = |panels: &Option<Panels>| panels.as_ref().map_or(0..0, |panels| panels.chunk(index, chunks));
    ThreadTask {
        rows: plan.rows(thread, batch, sequences.lengths),
        units: hidden.min(registers.start * lanes)..hidden.min(registers.end * lanes),
        columns: weights.gates.columns(&tiles, output),
        tiles,
        candidate: chunk(&weights.candidate),
        projection: chunk(&weights.projection),
    }
}
