//! The phases of a time step. What one writes, the next reads: between two of them all units of a row must meet.

use cubecl::prelude::*;

use super::{
    buffers::{Flags, Forward, Hidden, Late, Raw, kept_step},
    units::{inputs, put, state_before, step_of, stored, with_bias},
};
use crate::{
    cell::{CandidateInput, MAX_GATES, Pointwise},
    normalise::statistics,
    place::{at, end_of, side_of},
    product::{Place, Scratch, Source, Tile, product, sum},
};

/// What is done of a time step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// The recurrent product and the cell at once: where nothing stands between the two.
    Fused,
    /// The recurrent product of the gates that are not late.
    Product,
    /// Mean and deviation of the products of the gates that are not late, or of those that are.
    Statistics { late: bool },
    /// What the late gates' weights are multiplied with.
    CandidateInput,
    /// The recurrent product of the late gates.
    LateProduct,
    /// The cell, from products that are there.
    Cell,
    /// The projection of the hidden state.
    Projection,
}

impl Phase {
    /// Those of a time step, in their order.
    pub fn of(late: bool, flags: Flags) -> Vec<Self> {
        let mut phases = if !late && !flags.norm { vec![Self::Fused] } else { vec![Self::Product] };
        if flags.norm {
            phases.push(Self::Statistics { late: false });
        }
        if late {
            phases.extend([Self::CandidateInput, Self::LateProduct]);
            if flags.norm {
                phases.push(Self::Statistics { late: true });
            }
        }
        if phases[0] == Self::Product {
            phases.push(Self::Cell);
        }
        if flags.projection {
            phases.push(Self::Projection);
        }
        phases
    }

    /// How many cubes side by side a phase of one step has work for.
    pub fn column_tiles(self, hidden: usize, output: usize, tile: Tile) -> usize {
        match self {
            Self::Fused | Self::Product | Self::LateProduct => hidden.div_ceil(tile.units),
            Self::Projection => output.div_ceil(tile.units),
            Self::CandidateInput | Self::Cell => hidden.div_ceil(tile.units * tile.split),
            Self::Statistics { .. } => tile.rows,
        }
    }
}

/// One phase on the rows of a tile: column tiles `first`, `first + step` and so on. All units of the cube take part.
#[cube]
pub(crate) fn run<N: Float, C: Pointwise>(
    b: &mut Forward<N>,
    scratch: &mut Scratch,
    walked: usize,
    row: usize,
    first: usize,
    step: usize,
    #[comptime] phase: Phase,
    #[comptime] tile: Tile,
) {
    if comptime!(phase == Phase::Fused) {
        fused::<N, C>(b, scratch, walked, row, first, step, tile);
    } else if comptime!(phase == Phase::Product) {
        store::<N, C>(b, scratch, walked, row, first, step, false, tile);
    } else if comptime!(phase == Phase::LateProduct) {
        store::<N, C>(b, scratch, walked, row, first, step, true, tile);
    } else if comptime!(matches!(phase, Phase::Statistics { .. })) {
        rows_statistics::<N, C>(
            b,
            scratch,
            walked,
            row,
            first,
            step,
            comptime!(phase == Phase::Statistics { late: true }),
            tile,
        );
    } else if comptime!(phase == Phase::CandidateInput) {
        candidate_input::<N, C>(b, walked, row, first, step, tile);
    } else if comptime!(phase == Phase::Cell) {
        cell::<N, C>(b, walked, row, first, step, tile);
    } else {
        project::<N>(b, scratch, walked, row, first, step, tile);
    }
}

#[cube]
fn fused<N: Float, C: Pointwise>(
    b: &mut Forward<N>,
    scratch: &mut Scratch,
    walked: usize,
    row: usize,
    first: usize,
    step: usize,
    #[comptime] tile: Tile,
) {
    let end = end_of(row, b.turn, b.batch);
    let tiles = b.hidden.div_ceil(comptime!(tile.units));
    let mut n = first;
    while n < tiles {
        let unit = n * comptime!(tile.units) + UNIT_POS_X as usize;
        let place = Place {
            walked,
            row,
            rows: end,
            side: side_of(row, b.turn, comptime!(b.flags.both)),
            column: unit,
            stride: b.hidden,
            columns: comptime!(C::GATES) * b.hidden,
            len: b.output,
            fours: b.output.div_ceil(4),
        };
        product::<N, Forward<N>, Hidden>(&*b, &b.weights, place, scratch, comptime!(C::GATES), tile);
        let mut r = UNIT_POS_Y as usize;
        while unit < b.hidden && r < comptime!(tile.rows) && row + r < end {
            let mut recurrent = Array::<f32>::new(MAX_GATES);
            #[unroll]
            for g in 0..comptime!(C::GATES) {
                let product = sum(&*scratch, r, g, comptime!(C::GATES), tile);
                recurrent[g] = with_bias::<N, C>(&*b, product, row, g * b.hidden + unit);
            }
            step_of::<N, C>(b, walked, row + r, unit, &recurrent);
            r += comptime!(tile.split);
        }
        n += step;
    }
}

/// The products of the gates that are late, or of those that are not.
#[cube]
fn store<N: Float, C: Pointwise>(
    b: &mut Forward<N>,
    scratch: &mut Scratch,
    walked: usize,
    row: usize,
    first: usize,
    step: usize,
    #[comptime] late: bool,
    #[comptime] tile: Tile,
) {
    let end = end_of(row, b.turn, b.batch);
    let from = comptime!(if late { C::GATES - C::CANDIDATE_GATES } else { 0 });
    let gates = comptime!(if late { C::CANDIDATE_GATES } else { C::GATES - C::CANDIDATE_GATES });
    let tiles = b.hidden.div_ceil(comptime!(tile.units));
    let kept = kept_step(at(walked, b.time, row >= b.turn).t, comptime!(b.flags.saves));
    let mut n = first;
    while n < tiles {
        let unit = n * comptime!(tile.units) + UNIT_POS_X as usize;
        let place = Place {
            walked,
            row,
            rows: end,
            side: side_of(row, b.turn, comptime!(b.flags.both)),
            column: from * b.hidden + unit,
            stride: b.hidden,
            columns: comptime!(C::GATES) * b.hidden,
            len: b.output,
            fours: b.output.div_ceil(4),
        };
        if comptime!(late) {
            product::<N, Forward<N>, Late>(&*b, &b.weights, place, scratch, gates, tile);
        } else {
            product::<N, Forward<N>, Hidden>(&*b, &b.weights, place, scratch, gates, tile);
        }
        let mut r = UNIT_POS_Y as usize;
        while unit < b.hidden && r < comptime!(tile.rows) && row + r < end {
            #[unroll]
            for g in 0..gates {
                let at = ((kept * b.batch + row + r) * comptime!(C::GATES) + from + g) * b.hidden + unit;
                b.kept[b.products_at + at] = sum(&*scratch, r, g, gates, tile);
            }
            r += comptime!(tile.split);
        }
        n += step;
    }
}

#[cube]
fn rows_statistics<N: Float, C: Pointwise>(
    b: &mut Forward<N>,
    scratch: &mut Scratch,
    walked: usize,
    row: usize,
    first: usize,
    step: usize,
    #[comptime] late: bool,
    #[comptime] tile: Tile,
) {
    let end = end_of(row, b.turn, b.batch);
    let from = comptime!(if late { C::GATES - C::CANDIDATE_GATES } else { 0 });
    let gates = comptime!(if late { C::CANDIDATE_GATES } else { C::GATES - C::CANDIDATE_GATES });
    let kept = kept_step(at(walked, b.time, row >= b.turn).t, comptime!(b.flags.saves));
    let mut r = first;
    while r < comptime!(tile.rows) {
        if row + r < end {
            let line = kept * b.batch + row + r;
            let start = b.products_at + (line * comptime!(C::GATES) + from) * b.hidden;
            let found = statistics(&b.kept, start, gates * b.hidden, &mut scratch.sums, tile);
            if UNIT_POS == 0 {
                let into = b.statistics_at + (line * 2 + comptime!(usize::from(late))) * 2;
                b.kept[into] = found.mean;
                b.kept[into + 1] = found.inverse_deviation;
            }
        }
        r += step;
    }
}

#[cube]
fn candidate_input<N: Float, C: Pointwise>(
    b: &mut Forward<N>,
    walked: usize,
    row: usize,
    first: usize,
    step: usize,
    #[comptime] tile: Tile,
) {
    let end = end_of(row, b.turn, b.batch);
    let width = comptime!(tile.units * tile.split);
    let mut unit = first * width + UNIT_POS as usize;
    while unit < b.hidden {
        for r in 0..comptime!(tile.rows) {
            if row + r < end {
                let input = inputs::<N, C>(&*b, walked, row + r, unit);
                let recurrent = stored::<N, C>(&*b, walked, row + r, unit, comptime!(C::GATES - C::CANDIDATE_GATES));
                let hidden = <Hidden as Source<Forward<N>>>::read(&*b, walked, row + r, unit);
                let value = C::Late::forward(&input, &recurrent, hidden);
                let into = b.late_at + (row + r) * b.hidden + unit;
                b.kept[into] = value;
            }
        }
        unit += step * width;
    }
}

#[cube]
fn cell<N: Float, C: Pointwise>(
    b: &mut Forward<N>,
    walked: usize,
    row: usize,
    first: usize,
    step: usize,
    #[comptime] tile: Tile,
) {
    let end = end_of(row, b.turn, b.batch);
    let width = comptime!(tile.units * tile.split);
    let mut unit = first * width + UNIT_POS as usize;
    while unit < b.hidden {
        for r in 0..comptime!(tile.rows) {
            if row + r < end {
                let recurrent = stored::<N, C>(&*b, walked, row + r, unit, comptime!(C::GATES));
                step_of::<N, C>(b, walked, row + r, unit, &recurrent);
            }
        }
        unit += step * width;
    }
}

#[cube]
fn project<N: Float>(
    b: &mut Forward<N>,
    scratch: &mut Scratch,
    walked: usize,
    row: usize,
    first: usize,
    step: usize,
    #[comptime] tile: Tile,
) {
    let end = end_of(row, b.turn, b.batch);
    let tiles = b.output.div_ceil(comptime!(tile.units));
    let mut n = first;
    while n < tiles {
        let unit = n * comptime!(tile.units) + UNIT_POS_X as usize;
        projected::<N>(&*b, walked, row, unit, scratch, tile);
        let mut r = UNIT_POS_Y as usize;
        while unit < b.output && r < comptime!(tile.rows) && row + r < end {
            let before = state_before::<N>(&*b, walked, row + r, unit, 0usize);
            put::<N>(b, walked, row + r, unit, before, sum(&*scratch, r, 0usize, 1usize, tile), 0usize);
            r += comptime!(tile.split);
        }
        n += step;
    }
}

#[cube]
fn projected<N: Float>(
    b: &Forward<N>,
    walked: usize,
    row: usize,
    unit: usize,
    scratch: &mut Scratch,
    #[comptime] tile: Tile,
) {
    let end = end_of(row, b.turn, b.batch);
    #[comptime]
    match &b.projection {
        ComptimeOption::Some(weights) => {
            let stride = 0usize.runtime();
            let side = side_of(row, b.turn, comptime!(b.flags.both));
            let (columns, len, fours) = (b.output, b.hidden, b.hidden.div_ceil(4));
            let place = Place { walked, row, rows: end, side, column: unit, stride, columns, len, fours };
            product::<N, Forward<N>, Raw>(b, weights, place, scratch, 1usize, tile);
        }
        ComptimeOption::None => {}
    }
}
