//! The walk back, and the gradients that are sums over it.

mod stages;
mod sums;
mod walk;

use crate::{
    Isa, Kernel, ScanOptions, Sequences, WeightDtype,
    cell::Pointwise,
    forward::{check, plan},
    kernel::Counts,
    layout::Layout,
    multiply::PlainTile,
    panels::{Column, Panels, share},
    product::RowsThatFit,
    sums::sum_of_rows,
    team::{Plan, Shared},
};

use self::walk::{Buffers, Part, Walk, Weights};

/// What the walk back reads.
#[derive(Clone, Copy, Debug)]
pub struct Backward<'a> {
    /// Sizes, direction, lengths, as forward had them.
    pub sequences: Sequences<'a>,
    /// The recurrent weights, `[G·H, P]`; empty if the cell is not [recurrent](Kernel::is_recurrent).
    pub weights: &'a [f32],
    /// The initial state.
    pub state: &'a [f32],
    /// What was done besides.
    pub variant: ScanOptions<'a>,
    /// The states.
    pub states: &'a [f32],
    /// What forward saved.
    pub saved: &'a [f32],
    /// The gradient by the states.
    pub gradient: &'a [f32],
}

/// What is written: gradients, each of the size of what it is by. Of those that are optional only what is asked for.
#[derive(Debug)]
pub struct BackwardInto<'a> {
    /// By the input product, `[T, B, G·H]`.
    pub input: &'a mut [f32],
    /// By the initial state.
    pub state: &'a mut [f32],
    /// By the recurrent weights, `[G·H, P]`.
    pub weights: Option<&'a mut [f32]>,
    /// By the recurrent bias, `[G·H]`.
    pub bias: Option<&'a mut [f32]>,
    /// By the projection, `[P, H]`.
    pub projection: Option<&'a mut [f32]>,
    /// By the gain of layer normalisation, `[G·H]`.
    pub gain: Option<&'a mut [f32]>,
}

/// Walks a batch of sequences back: backpropagation through time (Werbos 1990). The gradients by weights are then single
/// matrix products over all time steps.
///
/// Needs, while it runs, `T·B·(s·G·H + n·G·H + p·P + l·H)` numbers, where `s` is 1 if the gradients by the two products
/// differ, `n` with layer normalisation, `p` with a projection and `l` with late gates, and `B·(H + P)` at most besides.
///
/// # Panics
/// If a slice has another size, or something is asked for that there is not.
pub fn backward(kernel: &Kernel, isa: Isa, threads: usize, from: Backward<'_>, into: BackwardInto<'_>) {
    kernel.backward(isa, threads, from, into);
}

/// [`backward`] of a cell.
pub(crate) fn walk_back<C: Pointwise>(
    cell: C,
    isa: Isa,
    threads: usize,
    from: Backward<'_>,
    mut into: BackwardInto<'_>,
) {
    let sequences = &from.sequences;
    let Sequences { time, batch, hidden, output, .. } = *sequences;
    let counts = Counts::of::<C>();
    check(counts, sequences, from.weights, from.state, from.states, &from.variant);
    let (rows, gates) = (time * batch, C::GATES * hidden);
    let layout = Layout::new(counts, sequences, &from.variant);
    assert_eq!(from.saved.len(), layout.len, "saved: as many as saved_len says");
    assert_eq!(from.gradient.len(), from.states.len(), "gradient: as the states");
    assert_eq!(into.input.len(), rows * gates, "gradient by the input: [T, B, G·H]");
    assert_eq!(into.state.len(), from.state.len(), "gradient by the state: as the state");

    into.state.fill(0.0);
    let memory = |is_needed: bool, count: usize| vec![0.0; if is_needed { count } else { 0 }];
    let ScanOptions { projection, norm, dropout, .. } = from.variant;
    let mut recurrent = memory(C::SEPARATE_RECURRENT_GRAD, rows * gates);
    let mut product = memory(norm.is_some(), rows * gates);
    let mut projected = memory(projection.is_some(), rows * output);
    let mut late = memory(C::CANDIDATE_GATES > 0, rows * hidden);
    let mut by_output = memory(projection.is_some() || C::CANDIDATE_GATES > 0, batch * hidden);
    let mut by_fed = memory(dropout.is_some(), batch * output);

    let weights = pack::<C>(isa, &from);
    {
        let input = Shared::new(into.input);
        let recurrent = if C::SEPARATE_RECURRENT_GRAD { Shared::new(&mut recurrent) } else { input };
        let buffers = Buffers {
            input,
            recurrent,
            product: if norm.is_some() { Shared::new(&mut product) } else { recurrent },
            projected: Shared::new(&mut projected),
            late: Shared::new(&mut late),
            by_output: Shared::new(&mut by_output),
            by_fed: Shared::new(&mut by_fed),
            state: Shared::new(into.state),
        };
        let plan = plan(counts, threads, sequences, isa.run(RowsThatFit(weights.early.tile)));
        plan.run_after_product(|thread, barrier| {
            let part = part(&weights, plan, thread, sequences);
            isa.run(Walk { cell, isa, from, layout, weights: &weights, buffers, part, barrier });
        });
    }

    let recurrent = if C::SEPARATE_RECURRENT_GRAD { &recurrent[..] } else { into.input };
    let product = if norm.is_some() { &product[..] } else { recurrent };
    if let Some(into) = into.weights.take() {
        sums::by_weights(counts, &from, product, &late, into);
    }
    if let Some(into) = into.bias.take() {
        assert_eq!(into.len(), gates, "gradient by the bias: [G·H]");
        sum_of_rows(recurrent, None, into, false);
    }
    if let Some(into) = into.gain.take() {
        let normal = layout.normal.expect("a gradient by the gain is asked for, so there is layer normalisation");
        assert_eq!(into.len(), gates, "gradient by the gain: [G·H]");
        sum_of_rows(recurrent, Some(&from.saved[normal..][..rows * gates]), into, false);
    }
    if let (Some(into), Some(start)) = (into.projection.take(), layout.output) {
        sums::by_projection(&from, &projected, &from.saved[start..][..rows * hidden], into);
    }
}

fn pack<C: Pointwise>(isa: Isa, from: &Backward<'_>) -> Weights {
    let Sequences { hidden, output, .. } = from.sequences;
    let tile = isa.run(PlainTile);
    let early = (C::GATES - C::CANDIDATE_GATES) * hidden;
    let turned = |weights: &[f32], depth: usize, columns: usize| {
        let column = |column: usize| Column { start: column, step: columns, bias: 0 };
        Panels::plain(tile, WeightDtype::F32, depth, columns, weights, None, column)
    };
    Weights {
        // without a recurrent product there are none
        early: match C::RECURRENT {
            true => turned(&from.weights[..early * output], early, output),
            false => turned(&[], 0, 0),
        },
        late: (C::CANDIDATE_GATES > 0)
            .then(|| turned(&from.weights[early * output..], C::CANDIDATE_GATES * hidden, hidden)),
        projection: from.variant.projection.map(|projection| turned(projection, output, hidden)),
    }
}

/// What a thread computes.
fn part(weights: &Weights, plan: Plan, thread: usize, sequences: &Sequences<'_>) -> Part {
    let Sequences { batch, hidden, output, .. } = *sequences;
    let (part, parts) = plan.part(thread);
    let lanes = weights.early.tile.lanes;
    let registers = share(hidden.div_ceil(lanes), part, parts);
    let tiles = weights.early.share(part, parts);
    let of = |panels: &Option<Panels>| panels.as_ref().map_or(0..0, |panels| panels.share(part, parts));
    Part {
        rows: plan.rows(thread, batch, sequences.lengths),
        units: hidden.min(registers.start * lanes)..hidden.min(registers.end * lanes),
        columns: weights.early.columns(&tiles, output),
        tiles,
        late: of(&weights.late),
        projection: of(&weights.projection),
    }
}
