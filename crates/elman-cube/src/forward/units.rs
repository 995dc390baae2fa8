//! One unit of one row: what the cell reads there, what it makes of it, and where that goes.

use cubecl::prelude::*;

use super::buffers::{Forward, kept_step};
use crate::{
    cell::{MAX_GATES, MAX_STATES, Pointwise},
    normalise::standardised,
    place::{at, is_active, number, side_of, state_at, width_of},
};

#[cube]
pub(super) fn with_bias<N: Float, C: Pointwise>(b: &Forward<N>, sum: f32, row: usize, column: usize) -> f32 {
    sum + number(&b.bias, of_side::<N, C>(b, row, column), 0.0f32.runtime())
}

/// The place of a column's number in those of all sides.
#[cube]
fn of_side<N: Float, C: Pointwise>(b: &Forward<N>, row: usize, column: usize) -> usize {
    side_of(row, b.turn, comptime!(b.flags.both)) * comptime!(C::GATES) * b.hidden + column
}

/// The input product of a unit.
#[cube]
pub(super) fn inputs<N: Float, C: Pointwise>(b: &Forward<N>, walked: usize, row: usize, unit: usize) -> Array<f32> {
    let t = at(walked, b.time, row >= b.turn).t;
    let mut input = Array::<f32>::new(MAX_GATES);
    #[unroll]
    for g in 0..comptime!(C::GATES) {
        input[g] = f32::cast_from(b.input[((t * b.batch + row) * comptime!(C::GATES) + g) * b.hidden + unit]);
    }
    input
}

/// The first gates' recurrent products of a unit, normalised where there is a gain, with their bias.
#[cube]
pub(super) fn stored<N: Float, C: Pointwise>(
    b: &Forward<N>,
    walked: usize,
    row: usize,
    unit: usize,
    #[comptime] gates: usize,
) -> Array<f32> {
    let step = kept_step(at(walked, b.time, row >= b.turn).t, comptime!(b.flags.saves));
    let line = step * b.batch + row;
    let mut recurrent = Array::<f32>::new(MAX_GATES);
    #[unroll]
    for g in 0..gates {
        let column = g * b.hidden + unit;
        let product = b.kept[b.products_at + line * comptime!(C::GATES) * b.hidden + column];
        #[comptime]
        let product = match &b.gain {
            ComptimeOption::Some(gain) => {
                let of = b.statistics_at + (line * 2 + comptime!(usize::from(g >= C::GATES - C::CANDIDATE_GATES))) * 2;
                standardised(product, b.kept[of], b.kept[of + 1]) * gain[of_side::<N, C>(b, row, column)]
            }
            ComptimeOption::None => product,
        };
        recurrent[g] = with_bias::<N, C>(b, product, row, column);
    }
    recurrent
}

#[cube]
pub(super) fn state_before<N: Float>(
    b: &Forward<N>,
    walked: usize,
    row: usize,
    unit: usize,
    #[comptime] n: usize,
) -> f32 {
    let at = at(walked, b.time, row >= b.turn);
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
pub(super) fn step_of<N: Float, C: Pointwise>(
    b: &mut Forward<N>,
    walked: usize,
    row: usize,
    unit: usize,
    recurrent: &Array<f32>,
) {
    let t = at(walked, b.time, row >= b.turn).t;
    let mut before = Array::<f32>::new(MAX_STATES);
    // a projected hidden state has other units, and no cell that has one reads them
    let is_projected = comptime!(b.flags.projection);
    #[unroll]
    for n in 0..comptime!(C::STATES) {
        before[n] = 0.0f32.runtime();
        if comptime!(n > 0 || !is_projected) {
            before[n] = state_before::<N>(&*b, walked, row, unit, n);
        }
    }
    let mut next = Array::<f32>::new(MAX_STATES);
    #[unroll]
    for n in 0..comptime!(C::STATES) {
        next[n] = before[n];
    }
    if is_active(&b.lengths, t, row) {
        let input = inputs::<N, C>(&*b, walked, row, unit);
        let mut saved = Array::<f32>::new(MAX_GATES);
        C::forward(&input, recurrent, &before, &mut next, &mut saved);
        if comptime!(b.flags.saves) {
            #[unroll]
            for v in 0..comptime!(C::SAVED) {
                b.saved[((t * b.batch + row) * comptime!(C::SAVED) + v) * b.hidden + unit] = N::cast_from(saved[v]);
            }
        }
    }
    if comptime!(b.flags.raw) {
        let step = kept_step(t, comptime!(b.flags.saves));
        b.kept[b.unprojected_offset + (step * b.batch + row) * b.hidden + unit] = next[0];
    }
    #[unroll]
    for n in 0..comptime!(C::STATES) {
        if comptime!(n > 0 || !is_projected) {
            put::<N>(b, walked, row, unit, before[n], next[n], n);
        }
    }
}

/// Stores state `n` of a unit: `next`, with zoneout, or what it was `before` where the row has ended.
#[cube]
pub(super) fn put<N: Float>(
    b: &mut Forward<N>,
    walked: usize,
    row: usize,
    unit: usize,
    before: f32,
    next: f32,
    #[comptime] n: usize,
) {
    let t = at(walked, b.time, row >= b.turn).t;
    let width = width_of(n, b.hidden, b.output);
    let place = state_at(n, b.time, b.batch, b.output) + (t * b.batch + row) * width + unit;
    let mut value = before;
    if is_active(&b.lengths, t, row) {
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
