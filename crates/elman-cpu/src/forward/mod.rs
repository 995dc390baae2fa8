//! The walk forward.

mod scratch;
mod stages;
mod walk;
mod weights;

use crate::{
    Isa, Kernel, ScanOptions, Sequences, WeightDtype, Zoneout,
    kernel::Counts,
    layout::Layout,
    product::RowsThatFit,
    team::{Plan, Shared},
};

pub(crate) use self::{
    scratch::Scratch,
    walk::{Walk, Walking, registers},
    weights::{Part, Unpacked, Weights},
};

/// What the walk reads.
#[derive(Clone, Copy, Debug)]
pub struct Forward<'a> {
    /// Sizes, direction, lengths.
    pub sequences: Sequences<'a>,
    /// The input product with its bias, `[T, B, G·H]`.
    pub input: &'a [f32],
    /// The recurrent weights, `[G·H, P]`; empty if the cell is not [recurrent](Kernel::is_recurrent).
    pub weights: &'a [f32],
    /// The recurrent bias, `[G·H]`; empty as the weights.
    pub bias: Option<&'a [f32]>,
    /// The initial state; its [size](Sequences::state_len) is that of one time step.
    pub state: &'a [f32],
    /// What is done besides.
    pub variant: ScanOptions<'a>,
}

/// Walks a batch of sequences: `s_t = cell(input_t, U h_{t-1} + b, s_{t-1})`, and what the [`ScanOptions`] asks for.
///
/// Writes every state to `states` (its size: [`Sequences::state_len`] of all time steps), and what
/// [`backward`](crate::backward()) needs to `saved` ([`saved_len`](crate::saved_len)), if it is given. A row that has ended
/// keeps its state.
///
/// With the same arguments, number of threads and instruction set the result is the same, bit for bit.
///
/// # Panics
/// If a slice has another size, or the cell has no such variant.
pub fn forward(
    kernel: &Kernel,
    isa: Isa,
    threads: usize,
    from: Forward<'_>,
    states: &mut [f32],
    saved: Option<&mut [f32]>,
) {
    let counts = kernel.counts();
    let sequences = &from.sequences;
    let Sequences { time, batch, hidden, output, .. } = *sequences;
    let ScanOptions { projection, norm, .. } = from.variant;
    check(counts, sequences, from.weights, from.state, states, &from.variant);
    assert_eq!(from.input.len(), time * batch * counts.gates * hidden, "input: [T, B, G·H]");
    let rows = kernel.recurrent_rows(hidden);
    assert_eq!(from.bias.map_or(rows, <[f32]>::len), rows, "bias: [G·H]");
    let layout = Layout::new(counts, sequences, &from.variant);
    if let Some(saved) = &saved {
        assert_eq!(saved.len(), layout.len, "saved: as many as saved_len says");
    }

    let (weights, bias, is_normalised) = (from.weights, from.bias, norm.is_some());
    let weights = Unpacked { hidden, output, weights, bias, projection, is_normalised };
    let weights = Weights::pack(counts, isa, WeightDtype::F32, weights);
    let mut scratch =
        Scratch::new(counts, sequences, &weights, saved.is_some()).with_dropout(&from.variant, from.state);
    let (states, saved) = (Shared::new(states), saved.map(|saved| (Shared::new(saved), layout)));
    let plan = plan(counts, threads, sequences, isa.run(RowsThatFit(weights.early.tile)));
    let memory = scratch.shared();
    plan.run_after_product(|thread, barrier| {
        let part = &mut weights.part(counts, plan, thread, sequences);
        kernel.walk(Walking { isa, from, weights: &weights, memory, states, saved, part, barrier });
    });
}

/// How a walk is shared among threads, if so many rows are multiplied with a panel at a time.
pub(crate) fn plan(counts: Counts, threads: usize, sequences: &Sequences<'_>, at_once: usize) -> Plan {
    let Sequences { time, batch, hidden, output, .. } = *sequences;
    if counts.recurrent {
        Plan::new(threads, time, batch, counts.gates * hidden * output, at_once)
    } else {
        Plan::apart(threads, time, batch, counts.gates * hidden)
    }
}

/// Checks what both walks are given.
pub(crate) fn check(
    counts: Counts,
    sequences: &Sequences<'_>,
    weights: &[f32],
    state: &[f32],
    states: &[f32],
    variant: &ScanOptions<'_>,
) {
    let Sequences { time, batch, hidden, output, .. } = *sequences;
    sequences.check();
    let rows = if counts.recurrent { counts.gates * hidden } else { 0 };
    assert_eq!(weights.len(), rows * output, "weights: [G·H, P]");
    assert_eq!(state.len(), sequences.state_len(counts.states, 1), "state: [B, P] and [B, H]");
    assert_eq!(states.len(), sequences.state_len(counts.states, time), "states: [T, B, P] and [T, B, H]");
    match variant.projection {
        None => assert_eq!(output, hidden, "outputs: as many as hidden units without a projection"),
        Some(projection) => {
            assert!(
                counts.recurrent && !counts.reads_hidden && counts.late == 0,
                "this cell's hidden state cannot be projected"
            );
            assert_eq!(projection.len(), output * hidden, "projection: [P, H]");
        }
    }
    if let Some(norm) = &variant.norm {
        assert!(counts.recurrent, "without a recurrent product there is nothing to normalise");
        assert_eq!(norm.gain.len(), rows, "gain: [G·H]");
    }
    if let Some(dropout) = variant.dropout {
        assert!(counts.recurrent, "without a recurrent product there is nothing to drop");
        assert_eq!(dropout.len(), batch * output, "dropout: [B, P]");
    }
    if let Some(Zoneout::Masks(masks)) = variant.zoneout {
        assert_eq!(masks.len(), states.len(), "zoneout: as the states");
    }
}
