//! The walk forward.

mod buffers;
mod persistent;
mod phases;
mod units;

use cubecl::{ir::ElemType, prelude::*};

use crate::{
    Buffer, Direction, Driver, ScanArgs, Sequences,
    cell::Pointwise,
    driver::Plan,
    kernel::Counted,
    layout::AuxLayout,
    pack::{Packing, pack},
    persistent::spoil,
    place::first_row,
    product::{Tile, scratch},
};
use buffers::Flags;
pub(crate) use buffers::{Forward, ForwardLaunch, kept_step};
pub(crate) use phases::Phase;

/// The states of all time steps, and what is kept for the way back: the latter is empty unless it was asked for.
#[derive(Clone, Debug)]
pub struct ScanOutput {
    /// `[T, B, P]`, `[T, B, H]`
    pub states: Buffer,
    /// What the cell saves, stored as the input product is.
    pub saved: Buffer,
    /// What some variants need besides.
    pub kept: Buffer,
}

/// One phase of one step.
#[cube(launch_unchecked)]
pub(crate) fn step<N: Float, C: Pointwise>(
    mut b: Forward<N>,
    walked: usize,
    #[comptime] phase: Phase,
    #[comptime] tile: Tile,
    #[define(N)] _number: ElemType,
) {
    let mut scratch = scratch(comptime!(C::GATES), tile);
    let row = first_row(CUBE_POS_Y as usize, b.turn, comptime!(tile.rows));
    phases::run::<N, C>(&mut b, &mut scratch, walked, row, CUBE_POS_X as usize, CUBE_COUNT_X as usize, phase, tile);
}

/// The walk of the rows of a cube, from step `first` to before `end`.
#[cube(launch_unchecked)]
pub(crate) fn resident<N: Float, C: Pointwise>(
    mut b: Forward<N>,
    first: usize,
    end: usize,
    #[comptime] tile: Tile,
    #[define(N)] _number: ElemType,
) {
    let mut scratch = scratch(comptime!(C::GATES), tile);
    let row = first_row(CUBE_POS_X as usize, b.turn, comptime!(tile.rows));
    let phases = comptime!(Phase::of(C::CANDIDATE_GATES > 0, b.flags));
    for walked in first..end {
        #[unroll]
        for n in 0..comptime!(phases.len()) {
            phases::run::<N, C>(
                &mut b,
                &mut scratch,
                walked,
                row,
                0usize.runtime(),
                1usize.runtime(),
                comptime!(phases[n]),
                tile,
            );
            sync_storage();
        }
    }
}

/// What the launches of a walk read and write.
struct Args<'a> {
    walk: ScanArgs<'a>,
    input: &'a Buffer,
    weights: Buffer,
    projection: Option<Buffer>,
    into: ScanOutput,
    kept: AuxLayout,
    flags: Flags,
}

impl Args<'_> {
    fn of<N: Float>(&self) -> ForwardLaunch<N> {
        let Self { walk, input, weights, projection, into, kept, flags } = self;
        let Sequences { time, batch, hidden, output, ref lengths, .. } = *walk.sequences;
        let operands = walk.operands;
        let (rates, masks) = operands.zoneout();
        ForwardLaunch::new(
            input.arg(),
            weights.fours(),
            Buffer::some(operands.bias.as_ref()),
            operands.state.arg(),
            Buffer::some(lengths.as_ref()),
            Buffer::some(operands.dropout.as_ref()),
            Buffer::some(masks),
            projection.as_ref().map(Buffer::fours).into(),
            Buffer::some(operands.gain.as_ref()),
            into.states.arg(),
            into.saved.arg(),
            into.kept.arg(),
            kept.raw.unwrap_or(0),
            kept.products.unwrap_or(0),
            kept.statistics.unwrap_or(0),
            kept.late.unwrap_or(0),
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

/// The walk forward of a cell with a recurrent product.
pub(crate) fn walk<C: Pointwise>(walk: ScanArgs<'_>, input: &Buffer, saves: bool) -> ScanOutput {
    let ScanArgs { client, sequences, operands, .. } = walk;
    let variant = operands.variant();
    let Sequences { time, hidden, output, .. } = *sequences;
    let counts = Counted::of::<C>();
    let kept = AuxLayout::of(counts, sequences, variant, saves);
    let flags = Flags {
        saves,
        raw: kept.raw.is_some(),
        rates: operands.zoneout().0.is_some(),
        projection: variant.projection,
        norm: variant.norm,
        both: sequences.direction == Direction::Bidirectional,
    };
    let (weights, sides) = (operands.recurrent_weights(), sequences.sides());
    let columns = C::GATES * hidden;
    let weights =
        pack(client, weights, sides, Packing { offset: 0, columns, column_stride: output, len: output, stride: 1 });
    let projection = operands.projection.as_ref().map(|projection| {
        let packing = Packing { offset: 0, columns: output, column_stride: hidden, len: hidden, stride: 1 };
        pack(client, projection, sides, packing)
    });
    let (number, saved) = (input.number(), if saves { sequences.saved_len(counts) } else { 0 });
    let into = ScanOutput {
        states: Buffer::empty(client, sequences.state_len(C::STATES, time)),
        saved: Buffer::empty_of(client, saved, number),
        kept: Buffer::empty(client, kept.len),
    };
    let args = Args { walk, input, weights, projection, into, kept, flags };
    let mut plan = Plan::of(walk, C::GATES, true);
    let mut counts = None;
    if plan.driver == Driver::Persistent {
        counts = persistent::launched::<C>(&args, plan);
        plan = Plan::of(walk, C::GATES, counts.is_some());
    }
    let (phases, number) = (Phase::of(C::CANDIDATE_GATES > 0, flags), number.elem());
    let (dim, tile) = (plan.dim(), plan.tile);
    match plan.driver {
        Driver::Persistent => {}
        Driver::Resident => {
            let steps = plan.steps(walk, C::GATES, phases.len());
            for first in (0..time).step_by(steps) {
                let (count, end) = (plan.resident(sequences), time.min(first + steps));
                // SAFETY: the buffers are as long as the sizes ask for, which `ScanArgs::check` has seen to
                unsafe { resident::launch_unchecked::<C>(client, count, dim, args.of(), first, end, tile, number) }
            }
        }
        Driver::Step => {
            for walked in 0..time {
                for &phase in &phases {
                    let count = plan.step(phase.column_tiles(hidden, output, tile), sequences);
                    // SAFETY: as above
                    unsafe { step::launch_unchecked::<C>(client, count, dim, args.of(), walked, phase, tile, number) }
                }
            }
        }
    }
    let ScanOutput { states, saved, kept } = args.into;
    if let Some(counts) = counts {
        spoil(client, &counts, &[&states]);
    }
    ScanOutput { states, saved, kept: if saves { kept } else { Buffer::empty(client, 0) } }
}
