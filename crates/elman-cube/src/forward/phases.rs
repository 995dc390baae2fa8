//! The phases of a time step. What one writes, the next reads: between two of them all units of a row must meet.

use cubecl::prelude::*;

use super::buffers::{Flags, Forward, Hidden, Late, Raw, at, kept_step, state_at, width_of};
use crate::{
    cell::{LateInput, MOST_GATES, MOST_STATES, Pointwise},
    normalise::{standardised, statistics},
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
    LateInput,
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
            phases.extend([Self::LateInput, Self::LateProduct]);
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
            Self::LateInput | Self::Cell => hidden.div_ceil(tile.units * tile.split),
            Self::Statistics { .. } => tile.rows,
        }
    }
}

/// One phase on the rows of a tile: column tiles `first`, `first + step` and so on. All units of the cube take part.
#[cube]
pub(crate) fn run<C: Pointwise>(
    b: &mut Forward,
    scratch: &mut Scratch,
    walked: usize,
    row: usize,
    first: usize,
    step: usize,
    #[comptime] phase: Phase,
    #[comptime] tile: Tile,
) {
    if comptime!(phase == Phase::Fused) {
        fused::<C>(b, scratch, walked, row, first, step, tile);
    } else if comptime!(phase == Phase::Product) {
        store::<C>(b, scratch, walked, row, first, step, false, tile);
    } else if comptime!(phase == Phase::LateProduct) {
        store::<C>(b, scratch, walked, row, first, step, true, tile);
    } else if comptime!(matches!(phase, Phase::Statistics { .. })) {
        rows_statistics::<C>(
            b,
            scratch,
            walked,
            row,
            first,
            step,
            comptime!(phase == Phase::Statistics { late: true }),
            tile,
        );
    } else if comptime!(phase == Phase::LateInput) {
        late_input::<C>(b, walked, row, first, step, tile);
    } else if comptime!(phase == Phase::Cell) {
        cell::<C>(b, walked, row, first, step, tile);
    } else {
        project(b, scratch, walked, row, first, step, tile);
    }
}

#[cube]
fn fused<C: Pointwise>(
    b: &mut Forward,
    scratch: &mut Scratch,
    walked: usize,
    row: usize,
    first: usize,
    step: usize,
    #[comptime] tile: Tile,
) {
    let tiles = b.hidden.div_ceil(comptime!(tile.units));
    let mut n = first;
    while n < tiles {
        let unit = n * comptime!(tile.units) + UNIT_POS_X as usize;
        let place = Place {
            walked,
            row,
            rows: b.batch,
            column: unit,
            stride: b.hidden,
            columns: comptime!(C::GATES) * b.hidden,
            len: b.output,
        };
        product::<Forward, Hidden>(&*b, &b.weights, place, scratch, comptime!(C::GATES), tile);
        let mut r = UNIT_POS_Y as usize;
        while unit < b.hidden && r < comptime!(tile.rows) && row + r < b.batch {
            let mut recurrent = Array::<f32>::new(MOST_GATES);
            #[unroll]
            for g in 0..comptime!(C::GATES) {
                recurrent[g] = with_bias(&*b, sum(&*scratch, r, g, comptime!(C::GATES), tile), g * b.hidden + unit);
            }
            step_of::<C>(b, walked, row + r, unit, &recurrent);
            r += comptime!(tile.split);
        }
        n += step;
    }
}

/// The products of the gates that are late, or of those that are not.
#[cube]
fn store<C: Pointwise>(
    b: &mut Forward,
    scratch: &mut Scratch,
    walked: usize,
    row: usize,
    first: usize,
    step: usize,
    #[comptime] late: bool,
    #[comptime] tile: Tile,
) {
    let from = comptime!(if late { C::GATES - C::LATE } else { 0 });
    let gates = comptime!(if late { C::LATE } else { C::GATES - C::LATE });
    let tiles = b.hidden.div_ceil(comptime!(tile.units));
    let kept = kept_step(at(walked, b.time, b.reverse).t, comptime!(b.flags.saves));
    let mut n = first;
    while n < tiles {
        let unit = n * comptime!(tile.units) + UNIT_POS_X as usize;
        let place = Place {
            walked,
            row,
            rows: b.batch,
            column: from * b.hidden + unit,
            stride: b.hidden,
            columns: comptime!(C::GATES) * b.hidden,
            len: b.output,
        };
        if comptime!(late) {
            product::<Forward, Late>(&*b, &b.weights, place, scratch, gates, tile);
        } else {
            product::<Forward, Hidden>(&*b, &b.weights, place, scratch, gates, tile);
        }
        let mut r = UNIT_POS_Y as usize;
        while unit < b.hidden && r < comptime!(tile.rows) && row + r < b.batch {
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
fn rows_statistics<C: Pointwise>(
    b: &mut Forward,
    scratch: &mut Scratch,
    walked: usize,
    row: usize,
    first: usize,
    step: usize,
    #[comptime] late: bool,
    #[comptime] tile: Tile,
) {
    let from = comptime!(if late { C::GATES - C::LATE } else { 0 });
    let gates = comptime!(if late { C::LATE } else { C::GATES - C::LATE });
    let kept = kept_step(at(walked, b.time, b.reverse).t, comptime!(b.flags.saves));
    let mut r = first;
    while r < comptime!(tile.rows) {
        if row + r < b.batch {
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
fn late_input<C: Pointwise>(
    b: &mut Forward,
    walked: usize,
    row: usize,
    first: usize,
    step: usize,
    #[comptime] tile: Tile,
) {
    let width = comptime!(tile.units * tile.split);
    let mut unit = first * width + UNIT_POS as usize;
    while unit < b.hidden {
        for r in 0..comptime!(tile.rows) {
            if row + r < b.batch {
                let input = inputs::<C>(&*b, walked, row + r, unit);
                let recurrent = stored::<C>(&*b, walked, row + r, unit, comptime!(C::GATES - C::LATE));
                let hidden = Hidden::read(&*b, walked, row + r, unit);
                let value = C::Late::forward(&input, &recurrent, hidden);
                let into = b.late_at + (row + r) * b.hidden + unit;
                b.kept[into] = value;
            }
        }
        unit += step * width;
    }
}

#[cube]
fn cell<C: Pointwise>(b: &mut Forward, walked: usize, row: usize, first: usize, step: usize, #[comptime] tile: Tile) {
    let width = comptime!(tile.units * tile.split);
    let mut unit = first * width + UNIT_POS as usize;
    while unit < b.hidden {
        for r in 0..comptime!(tile.rows) {
            if row + r < b.batch {
                let recurrent = stored::<C>(&*b, walked, row + r, unit, comptime!(C::GATES));
                step_of::<C>(b, walked, row + r, unit, &recurrent);
            }
        }
        unit += step * width;
    }
}

#[cube]
fn project(
    b: &mut Forward,
    scratch: &mut Scratch,
    walked: usize,
    row: usize,
    first: usize,
    step: usize,
    #[comptime] tile: Tile,
) {
    let tiles = b.output.div_ceil(comptime!(tile.units));
    let mut n = first;
    while n < tiles {
        let unit = n * comptime!(tile.units) + UNIT_POS_X as usize;
        projected(&*b, walked, row, unit, scratch, tile);
        let mut r = UNIT_POS_Y as usize;
        while unit < b.output && r < comptime!(tile.rows) && row + r < b.batch {
            let before = state_before(&*b, walked, row + r, unit, 0usize);
            put(b, walked, row + r, unit, before, sum(&*scratch, r, 0usize, 1usize, tile), 0usize);
            r += comptime!(tile.split);
        }
        n += step;
    }
}

#[cube]
fn projected(b: &Forward, walked: usize, row: usize, unit: usize, scratch: &mut Scratch, #[comptime] tile: Tile) {
    #[comptime]
    match &b.projection {
        ComptimeOption::Some(weights) => {
            let stride = 0usize.runtime();
            let place = Place { walked, row, rows: b.batch, column: unit, stride, columns: b.output, len: b.hidden };
            product::<Forward, Raw>(b, weights, place, scratch, 1usize, tile);
        }
        ComptimeOption::None => {}
    }
}

#[cube]
fn with_bias(b: &Forward, sum: f32, at: usize) -> f32 {
    #[comptime]
    let sum = match &b.bias {
        ComptimeOption::Some(bias) => sum + bias[at],
        ComptimeOption::None => sum,
    };
    sum
}

/// The input product of a unit.
#[cube]
fn inputs<C: Pointwise>(b: &Forward, walked: usize, row: usize, unit: usize) -> Array<f32> {
    let t = at(walked, b.time, b.reverse).t;
    let mut input = Array::<f32>::new(MOST_GATES);
    #[unroll]
    for g in 0..comptime!(C::GATES) {
        input[g] = b.input[((t * b.batch + row) * comptime!(C::GATES) + g) * b.hidden + unit];
    }
    input
}

/// The first gates' recurrent products of a unit, normalised where there is a gain, with their bias.
#[cube]
fn stored<C: Pointwise>(b: &Forward, walked: usize, row: usize, unit: usize, #[comptime] gates: usize) -> Array<f32> {
    let step = kept_step(at(walked, b.time, b.reverse).t, comptime!(b.flags.saves));
    let line = step * b.batch + row;
    let mut recurrent = Array::<f32>::new(MOST_GATES);
    #[unroll]
    for g in 0..gates {
        let column = g * b.hidden + unit;
        let product = b.kept[b.products_at + line * comptime!(C::GATES) * b.hidden + column];
        #[comptime]
        let product = match &b.gain {
            ComptimeOption::Some(gain) => {
                let of = b.statistics_at + (line * 2 + comptime!(usize::from(g >= C::GATES - C::LATE))) * 2;
                standardised(product, b.kept[of], b.kept[of + 1]) * gain[column]
            }
            ComptimeOption::None => product,
        };
        recurrent[g] = with_bias(b, product, column);
    }
    recurrent
}

#[cube]
fn state_before(b: &Forward, walked: usize, row: usize, unit: usize, #[comptime] n: usize) -> f32 {
    let at = at(walked, b.time, b.reverse);
    let width = width_of(n, b.hidden, b.output);
    let place = row * width + unit;
    if at.is_first {
        b.initial[state_at(n, 1usize.runtime(), b.batch, b.output) + place]
    } else {
        b.states[state_at(n, b.time, b.batch, b.output) + at.before * b.batch * width + place]
    }
}

/// One step of the cell of a unit, and the states that follow.
#[cube]
fn step_of<C: Pointwise>(b: &mut Forward, walked: usize, row: usize, unit: usize, recurrent: &Array<f32>) {
    let t = at(walked, b.time, b.reverse).t;
    let mut before = Array::<f32>::new(MOST_STATES);
    // a projected hidden state has other units, and no cell that has one reads them
    let is_projected = comptime!(b.flags.projection);
    #[unroll]
    for n in 0..comptime!(C::STATES) {
        if comptime!(n > 0 || !is_projected) {
            before[n] = state_before(&*b, walked, row, unit, n);
        }
    }
    let mut next = Array::<f32>::new(MOST_STATES);
    #[unroll]
    for n in 0..comptime!(C::STATES) {
        next[n] = before[n];
    }
    if is_active(&*b, t, row) {
        let input = inputs::<C>(&*b, walked, row, unit);
        let mut saved = Array::<f32>::new(MOST_GATES);
        C::forward(&input, recurrent, &before, &mut next, &mut saved);
        if comptime!(b.flags.saves) {
            #[unroll]
            for v in 0..comptime!(C::SAVED) {
                b.kept[((t * b.batch + row) * comptime!(C::SAVED) + v) * b.hidden + unit] = saved[v];
            }
        }
    }
    if comptime!(b.flags.raw) {
        let step = kept_step(t, comptime!(b.flags.saves));
        b.kept[b.raw_at + (step * b.batch + row) * b.hidden + unit] = next[0];
    }
    #[unroll]
    for n in 0..comptime!(C::STATES) {
        if comptime!(n > 0 || !is_projected) {
            put(b, walked, row, unit, before[n], next[n], n);
        }
    }
}

#[cube]
fn is_active(b: &Forward, t: usize, row: usize) -> bool {
    #[comptime]
    let active = match &b.lengths {
        ComptimeOption::Some(lengths) => t < lengths[row] as usize,
        ComptimeOption::None => true.runtime(),
    };
    active
}

/// Stores state `n` of a unit: `next`, with zoneout, or what it was `before` where the row has ended.
#[cube]
fn put(b: &mut Forward, walked: usize, row: usize, unit: usize, before: f32, next: f32, #[comptime] n: usize) {
    let t = at(walked, b.time, b.reverse).t;
    let width = width_of(n, b.hidden, b.output);
    let place = state_at(n, b.time, b.batch, b.output) + (t * b.batch + row) * width + unit;
    let mut value = before;
    if is_active(&*b, t, row) {
        if comptime!(b.flags.rates) {
            let rate = if comptime!(n == 0) { b.hidden_rate } else { b.other_rate };
            value = rate * before + (1.0f32 - rate) * next;
        } else {
            #[comptime]
            match &b.masks {
                ComptimeOption::Some(masks) => {
                    let z = masks[place];
                    value = z * before + (1.0f32 - z) * next;
                }
                ComptimeOption::None => value = next,
            }
        }
    }
    b.states[place] = value;
}
