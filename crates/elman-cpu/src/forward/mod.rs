//! The forward scan.

mod scan;
mod scratch;
mod stages;
mod weights;

use crate::{
    Isa, Kernel, ScanOptions, Sequences, WeightDtype, Zoneout,
    kernel::CellSpec,
    layout::SavedLayout,
    product::BlockRows,
    threading::{Plan, SharedPtr},
};

pub(crate) use self::{
    scan::{Scan, ScanArgs, registers},
    scratch::Scratch,
    weights::{PackedWeights, ThreadTask, UnpackedWeights},
};

/// The arguments of [`forward()`].
#[derive(Clone, Copy, Debug)]
pub struct Forward<'a> {
    /// Sizes, direction, lengths.
    pub sequences: Sequences<'a>,
    /// The input projection, including its bias, `[T, B, G·H]`.
    pub input: &'a [f32],
    /// The recurrent weights, `[G·H, P]`; empty if the cell is not [recurrent](Kernel::is_recurrent).
    pub weights: &'a [f32],
    /// The recurrent bias, `[G·H]`; empty if the weights are.
    pub bias: Option<&'a [f32]>,
    /// The initial states, of the [size](Sequences::state_len) of one time step.
    pub state: &'a [f32],
    /// Options of the scan.
    pub variant: ScanOptions<'a>,
}

/// Scans a batch of sequences: `s_t = cell(input_t, W_hh h_{t-1} + b, s_{t-1})`, modified by the [`ScanOptions`].
///
/// Writes the states of all time steps to `states` (of size [`Sequences::state_len`]). Writes the values that
/// [`backward`](crate::backward()) needs to `saved` (of size [`saved_len`](crate::saved_len)), if it is given. A row
/// that has ended keeps its state.
///
/// The result is deterministic: the same arguments, number of threads and instruction set give the same bits.
///
/// # Panics
/// If a slice has the wrong size, or the cell does not support an option.
pub fn forward(
    kernel: &Kernel,
    isa: Isa,
    threads: usize,
    from: Forward<'_>,
    states: &mut [f32],
    saved: Option<&mut [f32]>,
) {
    let spec = kernel.spec();
    let sequences = &from.sequences;
    let Sequences { time, batch, hidden, output, .. } = *sequences;
    let ScanOptions { projection, norm, .. } = from.variant;
    check(spec, sequences, from.weights, from.state, states, &from.variant);
    assert_eq!(from.input.len(), time * batch * spec.gates * hidden, "input: [T, B, G·H]");
    let rows = kernel.recurrent_rows(hidden);
    assert_eq!(from.bias.map_or(rows, <[f32]>::len), rows, "bias: [G·H]");
    let layout = SavedLayout::new(spec, sequences, &from.variant);
    if let Some(saved) = &saved {
        assert_eq!(saved.len(), layout.len, "saved: saved_len() values");
    }

    let (weights, bias, is_normalized) = (from.weights, from.bias, norm.is_some());
    let weights = UnpackedWeights { hidden, output, weights, bias, projection, is_normalized };
    let weights = PackedWeights::pack(spec, isa, WeightDtype::F32, weights);
    let mut scratch = Scratch::new(spec, sequences, &weights, saved.is_some()).with_dropout(&from.variant, from.state);
    let (states, saved) = (SharedPtr::new(states), saved.map(|saved| (SharedPtr::new(saved), layout)));
    let plan = plan(spec, threads, sequences, isa.run(BlockRows(weights.gates.tile)));
    let scratch = scratch.shared();
    plan.run_after_product(|thread, barrier| {
        let task = &mut weights.task(spec, plan, thread, sequences);
        kernel.scan(ScanArgs { isa, from, weights: &weights, scratch, states, saved, task, barrier });
    });
}

/// How threads divide a scan, if `block_rows` rows are multiplied by a panel together.
pub(crate) fn plan(spec: CellSpec, threads: usize, sequences: &Sequences<'_>, block_rows: usize) -> Plan {
    let Sequences { time, batch, hidden, output, .. } = *sequences;
    if spec.recurrent {
        Plan::new(threads, time, batch, spec.gates * hidden * output, block_rows)
    } else {
        Plan::without_recurrence(threads, time, batch, spec.gates * hidden)
    }
}

/// Checks the arguments that forward and backward have in common.
pub(crate) fn check(
    spec: CellSpec,
    sequences: &Sequences<'_>,
    weights: &[f32],
    state: &[f32],
    states: &[f32],
    variant: &ScanOptions<'_>,
) {
    let Sequences { time, batch, hidden, output, .. } = *sequences;
    sequences.check();
    let rows = if spec.recurrent { spec.gates * hidden } else { 0 };
    assert_eq!(weights.len(), rows * output, "weights: [G·H, P]");
    assert_eq!(state.len(), sequences.state_len(spec.states, 1), "state: [B, P] and [B, H]");
    assert_eq!(states.len(), sequences.state_len(spec.states, time), "states: [T, B, P] and [T, B, H]");
    match variant.projection {
        None => assert_eq!(output, hidden, "output: equals hidden without a projection"),
        Some(projection) => {
            assert!(
                spec.recurrent && !spec.uses_prev_hidden && spec.candidate_gates == 0,
                "this cell's hidden state cannot be projected"
            );
            assert_eq!(projection.len(), output * hidden, "projection: [P, H]");
        }
    }
    if let Some(norm) = &variant.norm {
        assert!(spec.recurrent, "layer normalization needs a recurrent product");
        assert_eq!(norm.gain.len(), rows, "gain: [G·H]");
    }
    if let Some(dropout) = variant.dropout {
        assert!(spec.recurrent, "recurrent dropout needs a recurrent product");
        assert_eq!(dropout.len(), batch * output, "dropout: [B, P]");
    }
    if let Some(Zoneout::Masks(masks)) = variant.zoneout {
        assert_eq!(masks.len(), states.len(), "zoneout: the size of the states");
    }
}
