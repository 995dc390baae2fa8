//! The walk back.

mod buffers;
mod persistent;
mod phases;

use cubecl::{ir::ElemType, prelude::*};

use crate::{
    Buffer, Direction, Driver, ScanArgs, ScanOutput, Sequences,
    cell::Pointwise,
    driver::{PER_UNIT, Plan},
    kernel::Counted,
    layout::AuxLayout,
    pack::{Packing, pack},
    persistent::spoil,
    place::first_row,
    product::{Tile, scratch},
};
use buffers::Flags;
pub(crate) use buffers::{Backward, BackwardLaunch};
pub(crate) use phases::Phase;

/// What comes of a walk back. `T` time, `B` batch, `G` gates, `H` hidden units, `P` output width. The gradients by weights,
/// biases and gain are sums of these over all rows and steps. They are stored as the input product is, but for that by the state.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// By the input product, `[T, B, G·H]`.
    pub input: Buffer,
    /// By the recurrent product with its bias, `[T, B, G·H]`; as by the input product without.
    pub recurrent: Option<Buffer>,
    /// By the recurrent product before it was normalised, `[T, B, G·H]`; as with its bias without.
    pub product: Option<Buffer>,
    /// By the gain, of each row and step, `[T, B, G·H]`.
    pub gain: Option<Buffer>,
    /// By the initial state: `[B, P]`, `[B, H]`.
    pub state: Buffer,
    /// By the hidden state after its projection and before zoneout, `[T, B, P]`.
    pub projected: Option<Buffer>,
    /// What the late gates' weights were multiplied with, `[T, B, H]`.
    pub late: Option<Buffer>,
}

/// One phase of one step.
#[cube(launch_unchecked)]
pub(crate) fn step<N: Float, C: Pointwise>(
    mut b: Backward<N>,
    walked: usize,
    #[comptime] phase: Phase,
    #[comptime] tile: Tile,
    #[define(N)] _number: ElemType,
) {
    let mut scratch = scratch(PER_UNIT, tile);
    let row = first_row(CUBE_POS_Y as usize, b.turn, comptime!(tile.rows));
    phases::run::<N, C>(&mut b, &mut scratch, walked, row, CUBE_POS_X as usize, CUBE_COUNT_X as usize, phase, tile);
}

/// The walk of the rows of a cube, from before step `end` back to `first`.
#[cube(launch_unchecked)]
pub(crate) fn resident<N: Float, C: Pointwise>(
    mut b: Backward<N>,
    first: usize,
    end: usize,
    #[comptime] tile: Tile,
    #[define(N)] _number: ElemType,
) {
    let mut scratch = scratch(PER_UNIT, tile);
    let row = first_row(CUBE_POS_X as usize, b.turn, comptime!(tile.rows));
    let phases = comptime!(Phase::of(b.flags));
    let column = 0usize.runtime();
    let step = 1usize.runtime();
    for n in first..end {
        let walked = first + end - 1 - n;
        #[unroll]
        for n in 0..comptime!(phases.len()) {
            phases::run::<N, C>(&mut b, &mut scratch, walked, row, column, step, comptime!(phases[n]), tile);
            sync_storage();
        }
    }
}

/// What the launches of a walk back read and write.
struct Args<'a> {
    walk: ScanArgs<'a>,
    gradient: &'a Buffer,
    walked: &'a ScanOutput,
    weights: Buffer,
    late_weights: Option<Buffer>,
    projection: Option<Buffer>,
    by: Gradients,
    kept: AuxLayout,
    flags: Flags,
}

impl Args<'_> {
    fn of<N: Float>(&self) -> BackwardLaunch<N> {
        let Self { walk, gradient, walked, weights, late_weights, projection, by, kept, flags } = self;
        let Sequences { time, batch, hidden, output, ref lengths, .. } = *walk.sequences;
        let operands = walk.operands;
        let (rates, masks) = operands.zoneout();
        BackwardLaunch::new(
            gradient.arg(),
            weights.fours(),
            late_weights.as_ref().map(Buffer::fours).into(),
            projection.as_ref().map(Buffer::fours).into(),
            Buffer::some(operands.gain.as_ref()),
            operands.state.arg(),
            Buffer::some(lengths.as_ref()),
            Buffer::some(operands.dropout.as_ref()),
            Buffer::some(masks),
            walked.states.arg(),
            walked.saved.arg(),
            walked.kept.arg(),
            by.state.arg(),
            by.input.arg(),
            Buffer::some(by.recurrent.as_ref()),
            Buffer::some(by.product.as_ref()),
            Buffer::some(by.gain.as_ref()),
            Buffer::some(by.projected.as_ref()),
            Buffer::some(by.late.as_ref()),
            kept.raw.unwrap_or(0),
            kept.products.unwrap_or(0),
            kept.statistics.unwrap_or(0),
            time,
            batch,
            hidden,
            output,
            walk.sequences.turn(),
            rates.map_or(0.0, |rates| rates[0]),
            rates.map_or(0.0, |rates| rates[1]),
            *flags,
        )
    }
}

/// The walk back of a cell with a recurrent product.
pub(crate) fn walk<C: Pointwise>(walk: ScanArgs<'_>, walked: &ScanOutput, gradient: &Buffer) -> Gradients {
    let ScanArgs { client, sequences, operands, .. } = walk;
    let variant = operands.variant();
    let Sequences { time, batch, hidden, output, .. } = *sequences;
    let kept = AuxLayout::of(Counted::of::<C>(), sequences, variant, true);
    let flags = Flags {
        gates: C::GATES,
        late: C::CANDIDATE_GATES,
        raw: kept.raw.is_some(),
        rates: operands.zoneout().0.is_some(),
        projection: variant.projection,
        norm: variant.norm,
        both: sequences.direction == Direction::Bidirectional,
    };
    let (weights, sides) = (operands.recurrent_weights(), sequences.sides());
    let early = (C::GATES - C::CANDIDATE_GATES) * hidden;
    let packed = |offset: usize, len: usize| {
        pack(client, weights, sides, Packing { offset, columns: output, column_stride: 1, len, stride: output })
    };
    let late_weights = (C::CANDIDATE_GATES > 0).then(|| packed(early * output, C::CANDIDATE_GATES * hidden));
    let weights = packed(0, early);
    let projection = operands.projection.as_ref().map(|projection| {
        let packing = Packing { offset: 0, columns: hidden, column_stride: 1, len: output, stride: hidden };
        pack(client, projection, sides, packing)
    });
    let number = walked.saved.number();
    let lines = |width: usize| Buffer::empty_of(client, time * batch * width, number);
    let gates = || lines(C::GATES * hidden);
    let by = Gradients {
        input: gates(),
        recurrent: (C::SEPARATE_RECURRENT_GRAD || variant.norm).then(gates),
        product: variant.norm.then(gates),
        gain: variant.norm.then(gates),
        state: Buffer::zeros(client, sequences.state_len(C::STATES, 1)),
        projected: variant.projection.then(|| lines(output)),
        late: (C::CANDIDATE_GATES > 0).then(|| lines(hidden)),
    };
    let args = Args { walk, gradient, walked, weights, late_weights, projection, by, kept, flags };
    let mut plan = Plan::of_columns(walk, true);
    let mut counts = None;
    if plan.driver == Driver::Persistent {
        counts = persistent::launched::<C>(&args, plan);
        plan = Plan::of_columns(walk, counts.is_some());
    }
    let (phases, number) = (Phase::of(flags), number.elem());
    let (dim, tile) = (plan.dim(), plan.tile);
    let launch = |walked: usize, phase: Phase| {
        let count = plan.step(phase.column_tiles(hidden, output, tile), sequences);
        // SAFETY: the buffers are as long as the sizes ask for, which `ScanArgs::check` has seen to
        unsafe { step::launch_unchecked::<C>(client, count, dim, args.of(), walked, phase, tile, number) }
    };
    match plan.driver {
        Driver::Persistent => {}
        Driver::Resident => {
            let steps = plan.steps(walk, C::GATES, phases.len());
            for first in (0..time).step_by(steps).rev() {
                let (count, end) = (plan.resident(sequences), time.min(first + steps));
                // SAFETY: as above
                unsafe { resident::launch_unchecked::<C>(client, count, dim, args.of(), first, end, tile, number) }
            }
        }
        Driver::Step => (0..time).rev().for_each(|walked| phases.iter().for_each(|phase| launch(walked, *phase))),
    }
    launch(0, Phase::Initial);
    let by = args.by;
    if let Some(counts) = counts {
        let spoiled = [Some(&by.input), Some(&by.state), by.recurrent.as_ref()];
        spoil(client, &counts, &spoiled.into_iter().flatten().collect::<Vec<_>>());
    }
    by
}
