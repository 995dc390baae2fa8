//! The walk back by cubes that run side by side and meet after each step.

use cubecl::{ir::ElemType, prelude::*};

use super::{
    Args, Phase,
    buffers::{Backward, by_recurrent},
    phases::with_sum,
};
use crate::{
    Buffer, Plan, Sequences,
    cell::Pointwise,
    driver::PER_UNIT,
    persistent::{Launches, Meeting, meet, met},
    place::{at, end_of, first_row, side_of},
    product::{Place, Source, Tile, product, scratch, sum},
};

/// What such a walk reads and writes.
#[derive(CubeType, CubeLaunch)]
pub(crate) struct Exchange<N: Float> {
    pub walk: Backward<N>,
    /// The bits of the gradient by the recurrent product of the step walked after this one and of this one, by turns:
    /// `[2, B, G, H]`. All else that a unit reads it has written itself.
    pub bits: Box<[Atomic<u32>]>,
    pub meeting: Meeting,
}

/// The gradient by the recurrent product at a step, from whichever cube it is.
struct Exchanged;

#[cube]
impl<N: Float> Source<Exchange<N>> for Exchanged {
    fn read(b: &Exchange<N>, walked: usize, row: usize, k: usize) -> f32 {
        let gates = comptime!(b.walk.flags.gates) * b.walk.hidden;
        f32::reinterpret(b.bits[(walked % 2 * b.walk.batch + row) * gates + k].load())
    }
}

/// The walk of all rows from before step `end` back to `first`. Cubes meet before each step, and once more in the end.
#[cube(launch_unchecked)]
pub(crate) fn persistent<N: Float, C: Pointwise>(
    mut b: Exchange<N>,
    first: usize,
    end: usize,
    #[comptime] tile: Tile,
    #[define(N)] _number: ElemType,
) {
    let mut scratch = scratch(PER_UNIT, tile);
    let mut met = met();
    let row = first_row(CUBE_POS_Y as usize, b.walk.turn, comptime!(tile.rows));
    let rows = end_of(row, b.walk.turn, b.walk.batch);
    let side = side_of(row, b.walk.turn, comptime!(b.walk.flags.both));
    let width = comptime!(tile.units * PER_UNIT);
    let columns = b.walk.output;
    let tiles = columns.div_ceil(width);
    let full = comptime!(b.walk.flags.gates) * b.walk.hidden;
    let begin = b.meeting.idle;
    let last = begin + end - first;
    let mut turn = 0usize;
    let mut together = true.runtime();
    while together && turn <= last {
        together = meet(&b.meeting, &mut met, &mut scratch);
        let mut n = if together && turn >= begin && turn < last { CUBE_POS_X as usize } else { tiles };
        while n < tiles {
            let walked = end - 1 - (turn - begin);
            let column = n * width + UNIT_POS_X as usize;
            let stride = comptime!(tile.units).runtime();
            let len = if walked + 1 == b.walk.time { 0usize } else { full };
            let fours = full.div_ceil(4);
            let place = Place { walked: walked + 1, row, rows, side, column, stride, columns, len, fours };
            product::<N, Exchange<N>, Exchanged>(&b, &b.walk.weights, place, &mut scratch, PER_UNIT, tile);
            let mut r = UNIT_POS_Y as usize;
            while r < comptime!(tile.rows) && row + r < rows {
                for j in 0..PER_UNIT {
                    let unit = column + j * comptime!(tile.units);
                    if unit < columns {
                        let sum = sum(&scratch, r, j, PER_UNIT, tile);
                        with_sum::<N, C>(&mut b.walk, walked, row + r, unit, sum, Phase::Fused);
                        pass_on::<N, C>(&b, walked, row + r, unit);
                    }
                }
                r += comptime!(tile.split);
            }
            n += CUBE_COUNT_X as usize;
        }
        turn += 1;
    }
}

/// Lets the other cubes have the gradient by the recurrent product of a unit at a step.
#[cube]
fn pass_on<N: Float, C: Pointwise>(b: &Exchange<N>, walked: usize, row: usize, unit: usize) {
    let t = at(walked, b.walk.time, row >= b.walk.turn).t;
    let from = (t * b.walk.batch + row) * comptime!(C::GATES);
    let into = (walked % 2 * b.walk.batch + row) * comptime!(C::GATES);
    #[unroll]
    for g in 0..comptime!(C::GATES) {
        let value = by_recurrent::<N>(&b.walk, (from + g) * b.walk.hidden + unit);
        b.bits[(into + g) * b.walk.hidden + unit].store(u32::reinterpret(value));
    }
}

/// Launches a walk back, or nothing where its steps have more phases than one or the device cannot do it. Returns what
/// [`spoil`](crate::persistent::spoil) needs.
pub(super) fn launched<C: Pointwise>(args: &Args<'_>, plan: Plan) -> Option<Buffer> {
    let Args { walk, flags, .. } = *args;
    let number = args.walked.saved.number();
    let Sequences { time, batch, hidden, output, .. } = *walk.sequences;
    if Phase::of(flags) != [Phase::Fused] {
        return None;
    }
    let bits = Buffer::empty(walk.client, 2 * batch * C::GATES * hidden);
    let launches = Launches {
        walk,
        plan,
        columns: Phase::Fused.column_tiles(hidden, output, plan.tile),
        kernel: format!("backward {} {flags:?} {number:?}", std::any::type_name::<C>()),
    };
    let steps = launches.steps(C::GATES);
    let pieces = (0..time).step_by(steps).map(|first| first..time.min(first + steps)).rev();
    launches.go(pieces.collect(), |count, meeting, piece| {
        let buffers = ExchangeLaunch::new(args.of(), bits.arg(), meeting);
        // SAFETY: the buffers are as long as the sizes ask for, which `ScanArgs::check` has seen to; the exchange is as long as the
        // gates of two steps, and there is a count for each row of cubes
        unsafe {
            persistent::launch_unchecked::<C>(
                walk.client,
                count,
                plan.dim(),
                buffers,
                piece.start,
                piece.end,
                plan.tile,
                number.elem(),
            );
        }
    })
}
