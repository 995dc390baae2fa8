//! The walk forward by cubes that run side by side and meet after each step.

use cubecl::{ir::ElemType, prelude::*};

use super::{
    Args, Phase,
    buffers::Forward,
    units::{step_of, with_bias},
};
use crate::{
    Buffer, Plan, Sequences,
    cell::{MAX_GATES, Pointwise},
    persistent::{Launches, Meeting, meet, met},
    place::{at, end_of, first_row, number, side_of},
    product::{Place, Source, Tile, product, scratch, sum},
};

/// What such a walk reads and writes.
#[derive(CubeType, CubeLaunch)]
pub(crate) struct Exchange<N: Float> {
    pub walk: Forward<N>,
    /// The bits of the hidden state after the step before and after this one, by turns: `[2, B, P]`. All else that a unit reads
    /// it has written itself.
    pub bits: Box<[Atomic<u32>]>,
    pub meeting: Meeting,
}

/// The hidden state before a step, times the mask of recurrent dropout, from whichever cube it is.
struct Exchanged;

#[cube]
impl<N: Float> Source<Exchange<N>> for Exchanged {
    fn read(b: &Exchange<N>, walked: usize, row: usize, unit: usize) -> f32 {
        let place = row * b.walk.output + unit;
        let value = if walked == 0 {
            b.walk.initial[place]
        } else {
            f32::reinterpret(b.bits[walked % 2 * b.walk.batch * b.walk.output + place].load())
        };
        value * number(&b.walk.dropout, place, 1.0f32.runtime())
    }
}

/// The walk of all rows from step `first` to before `end`. Cubes meet before each step, and once more in the end.
#[cube(launch_unchecked)]
pub(crate) fn persistent<N: Float, C: Pointwise>(
    mut b: Exchange<N>,
    first: usize,
    end: usize,
    #[comptime] tile: Tile,
    #[define(N)] _number: ElemType,
) {
    let mut scratch = scratch(comptime!(C::GATES), tile);
    let mut met = met();
    let row = first_row(CUBE_POS_Y as usize, b.walk.turn, comptime!(tile.rows));
    let rows = end_of(row, b.walk.turn, b.walk.batch);
    let side = side_of(row, b.walk.turn, comptime!(b.walk.flags.both));
    let tiles = b.walk.hidden.div_ceil(comptime!(tile.units));
    let begin = b.meeting.idle;
    let last = begin + end - first;
    let mut turn = 0usize;
    let mut together = true.runtime();
    while together && turn <= last {
        together = meet(&b.meeting, &mut met, &mut scratch);
        let mut n = if together && turn >= begin && turn < last { CUBE_POS_X as usize } else { tiles };
        while n < tiles {
            let walked = first + turn - begin;
            let unit = n * comptime!(tile.units) + UNIT_POS_X as usize;
            let place = Place {
                walked,
                row,
                rows,
                side,
                column: unit,
                stride: b.walk.hidden,
                columns: comptime!(C::GATES) * b.walk.hidden,
                len: b.walk.output,
                fours: b.walk.output.div_ceil(4),
            };
            product::<N, Exchange<N>, Exchanged>(&b, &b.walk.weights, place, &mut scratch, comptime!(C::GATES), tile);
            let mut r = UNIT_POS_Y as usize;
            while unit < b.walk.hidden && r < comptime!(tile.rows) && row + r < rows {
                let mut recurrent = Array::<f32>::new(MAX_GATES);
                #[unroll]
                for g in 0..comptime!(C::GATES) {
                    let sum = sum(&scratch, r, g, comptime!(C::GATES), tile);
                    recurrent[g] = with_bias::<N, C>(&b.walk, sum, row, g * b.walk.hidden + unit);
                }
                step_of::<N, C>(&mut b.walk, walked, row + r, unit, &recurrent);
                pass_on::<N>(&b, walked, row + r, unit);
                r += comptime!(tile.split);
            }
            n += CUBE_COUNT_X as usize;
        }
        turn += 1;
    }
}

/// Lets the other cubes have the hidden state of a unit after a step.
#[cube]
fn pass_on<N: Float>(b: &Exchange<N>, walked: usize, row: usize, unit: usize) {
    let t = at(walked, b.walk.time, row >= b.walk.turn).t;
    let value = b.walk.states[(t * b.walk.batch + row) * b.walk.output + unit];
    let into = ((walked + 1) % 2 * b.walk.batch + row) * b.walk.output + unit;
    b.bits[into].store(u32::reinterpret(value));
}

/// Launches a walk, or nothing where its steps have more phases than one or the device cannot do it. Returns what
/// [`spoil`](crate::persistent::spoil) needs.
pub(super) fn launched<C: Pointwise>(args: &Args<'_>, plan: Plan) -> Option<Buffer> {
    let Args { walk, flags, .. } = *args;
    let number = args.input.number();
    let Sequences { time, batch, hidden, output, .. } = *walk.sequences;
    if Phase::of(C::CANDIDATE_GATES > 0, flags) != [Phase::Fused] {
        return None;
    }
    let bits = Buffer::empty(walk.client, 2 * batch * output);
    let launches = Launches {
        walk,
        plan,
        columns: Phase::Fused.column_tiles(hidden, output, plan.tile),
        kernel: format!("forward {} {flags:?} {number:?}", std::any::type_name::<C>()),
    };
    let steps = launches.steps(C::GATES);
    let pieces = (0..time).step_by(steps).map(|first| first..time.min(first + steps));
    launches.go(pieces.collect(), |count, meeting, piece| {
        let buffers = ExchangeLaunch::new(args.of(), bits.arg(), meeting);
        // SAFETY: the buffers are as long as the sizes ask for, which `ScanArgs::check` has seen to; the exchange is as long as two
        // hidden states, and there is a count for each row of cubes
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
