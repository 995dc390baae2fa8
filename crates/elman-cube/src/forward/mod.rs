//! The walk forward.

mod buffers;
mod persistent;
mod phases;
mod units;

use cubecl::prelude::*;

use crate::{
    Buffer, Driver, Sequences, Walk,
    cell::Pointwise,
    driver::Plan,
    kernel::Counted,
    layout::Kept,
    pack::{Packing, pack},
    persistent::spoil,
    product::{Tile, scratch},
};
use buffers::Flags;
pub(crate) use buffers::{Forward, ForwardLaunch, kept_step};
pub(crate) use phases::Phase;

/// The states of all time steps, and what is kept for the way back.
#[derive(Clone, Debug)]
pub struct Walked {
    /// `[T, B, P]`, `[T, B, H]`
    pub states: Buffer,
    /// Empty unless it was asked for.
    pub kept: Buffer,
}

/// One phase of one step.
#[cube(launch_unchecked)]
pub(crate) fn step<C: Pointwise>(mut b: Forward, walked: usize, #[comptime] phase: Phase, #[comptime] tile: Tile) {
    let mut scratch = scratch(comptime!(C::GATES), tile);
    let row = CUBE_POS_Y as usize * comptime!(tile.rows);
    phases::run::<C>(&mut b, &mut scratch, walked, row, CUBE_POS_X as usize, CUBE_COUNT_X as usize, phase, tile);
}

/// The walk of the rows of a cube, from step `first` to before `end`.
#[cube(launch_unchecked)]
pub(crate) fn resident<C: Pointwise>(mut b: Forward, first: usize, end: usize, #[comptime] tile: Tile) {
    let mut scratch = scratch(comptime!(C::GATES), tile);
    let row = CUBE_POS_X as usize * comptime!(tile.rows);
    let phases = comptime!(Phase::of(C::LATE > 0, b.flags));
    for walked in first..end {
        #[unroll]
        for n in 0..comptime!(phases.len()) {
            phases::run::<C>(
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

/// The walk forward of a cell with a recurrent product.
pub(crate) fn walk<C: Pointwise>(walk: Walk<'_>, input: &Buffer, saves: bool) -> Walked {
    let Walk { client, sequences, operands, .. } = walk;
    let variant = operands.variant();
    let Sequences { time, batch, hidden, output, reverse, ref lengths } = *sequences;
    let kept = Kept::of(Counted::of::<C>(), sequences, variant, saves);
    let (rates, masks) = operands.zoneout();
    let flags = Flags {
        saves,
        raw: kept.raw.is_some(),
        rates: rates.is_some(),
        projection: variant.projection,
        norm: variant.norm,
    };
    let weights = operands.recurrent_weights();
    let columns = C::GATES * hidden;
    let weights = pack(client, weights, Packing { offset: 0, columns, column_stride: output, len: output, stride: 1 });
    let projection = operands.projection.as_ref().map(|projection| {
        let packing = Packing { offset: 0, columns: output, column_stride: hidden, len: hidden, stride: 1 };
        pack(client, projection, packing)
    });
    let states = Buffer::empty(client, sequences.state_len(C::STATES, time));
    let kept_buffer = Buffer::empty(client, kept.len);
    let some = |buffer: Option<&Buffer>| buffer.map(Buffer::arg).into();
    let buffers = || {
        ForwardLaunch::new(
            input.arg(),
            weights.fours(),
            some(operands.bias.as_ref()),
            operands.state.arg(),
            lengths.as_ref().map(Buffer::arg).into(),
            some(operands.dropout.as_ref()),
            some(masks),
            projection.as_ref().map(Buffer::fours).into(),
            some(operands.gain.as_ref()),
            states.arg(),
            kept_buffer.arg(),
            kept.raw.unwrap_or(0),
            kept.products.unwrap_or(0),
            kept.statistics.unwrap_or(0),
            kept.late.unwrap_or(0),
            time,
            batch,
            hidden,
            output,
            usize::from(reverse),
            rates.map_or(0.0, |rates| rates[0]),
            rates.map_or(0.0, |rates| rates[1]),
            flags,
        )
    };
    let mut plan = Plan::of(walk, C::GATES, true);
    let mut counts = None;
    if plan.driver == Driver::Persistent {
        counts = persistent::launched::<C>(walk, plan, flags, buffers);
        plan = Plan::of(walk, C::GATES, counts.is_some());
    }
    match plan.driver {
        Driver::Persistent => {}
        Driver::Resident => {
            let steps = plan.steps(walk, C::GATES, Phase::of(C::LATE > 0, flags).len());
            for first in (0..time).step_by(steps) {
                let (count, end) = (plan.resident(batch), time.min(first + steps));
                // SAFETY: the buffers are as long as the sizes ask for, which `Walk::check` has seen to
                unsafe {
                    resident::launch_unchecked::<C>(client, count, plan.dim(), buffers(), first, end, plan.tile);
                }
            }
        }
        Driver::Step => {
            let phases = Phase::of(C::LATE > 0, flags);
            for walked in 0..time {
                for &phase in &phases {
                    let count = plan.step(phase.column_tiles(hidden, output, plan.tile), batch);
                    // SAFETY: as above
                    unsafe {
                        step::launch_unchecked::<C>(client, count, plan.dim(), buffers(), walked, phase, plan.tile);
                    }
                }
            }
        }
    }
    if let Some(counts) = counts {
        spoil(client, &counts, &[&states]);
    }
    Walked { states, kept: if saves { kept_buffer } else { Buffer::empty(client, 0) } }
}
