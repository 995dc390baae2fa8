//! The cell of one hidden unit of one row: loading its inputs, running it, and storing its results.

use cubecl::prelude::*;

use super::buffers::{Forward, aux_time};
use crate::{
    cell::{MAX_GATES, MAX_STATES, Pointwise},
    indexing::{direction_of, is_active, read_or, state_offset, state_width, step_index},
    layer_norm::normalized,
};

/// A recurrent product with its bias.
#[cube]
pub(super) fn with_bias<N: Float, C: Pointwise>(b: &Forward<N>, sum: f32, row: usize, column: usize) -> f32 {
    sum + read_or(&b.bias, column_offset::<N, C>(b, row, column), 0.0f32.runtime())
}

/// The offset of a column in bias and gain, which contain all directions.
#[cube]
fn column_offset<N: Float, C: Pointwise>(b: &Forward<N>, row: usize, column: usize) -> usize {
    direction_of(row, b.first_reverse_row, comptime!(b.flags.bidirectional)) * comptime!(C::GATES) * b.hidden + column
}

/// The input projection of a unit.
#[cube]
pub(super) fn inputs<N: Float, C: Pointwise>(b: &Forward<N>, step: usize, row: usize, unit: usize) -> Array<f32> {
    let t = step_index(step, b.time, row >= b.first_reverse_row).t;
    let mut input = Array::<f32>::new(MAX_GATES);
    #[unroll]
    for g in 0..comptime!(C::GATES) {
        input[g] = f32::cast_from(b.input[((t * b.batch + row) * comptime!(C::GATES) + g) * b.hidden + unit]);
    }
    input
}

/// The stored recurrent products of a unit's first `gates` gates, normalized if there is a gain, with their bias.
#[cube]
pub(super) fn stored_products<N: Float, C: Pointwise>(
    b: &Forward<N>,
    step: usize,
    row: usize,
    unit: usize,
    #[comptime] gates: usize,
) -> Array<f32> {
    let t = aux_time(step_index(step, b.time, row >= b.first_reverse_row).t, comptime!(b.flags.saves));
    let line = t * b.batch + row;
    let mut recurrent = Array::<f32>::new(MAX_GATES);
    #[unroll]
    for g in 0..gates {
        let column = g * b.hidden + unit;
        let product = b.aux[b.products_offset + line * comptime!(C::GATES) * b.hidden + column];
        #[comptime]
        let product = match &b.gain {
            ComptimeOption::Some(gain) => {
                let offset =
                    b.statistics_offset + (line * 2 + comptime!(usize::from(g >= C::GATES - C::CANDIDATE_GATES))) * 2;
                normalized(product, b.aux[offset], b.aux[offset + 1]) * gain[column_offset::<N, C>(b, row, column)]
            }
            ComptimeOption::None => product,
        };
        recurrent[g] = with_bias::<N, C>(b, product, row, column);
    }
    recurrent
}

/// State `n` of a unit before a step.
#[cube]
pub(super) fn state_before<N: Float>(
    b: &Forward<N>,
    step: usize,
    row: usize,
    unit: usize,
    #[comptime] n: usize,
) -> f32 {
    let index = step_index(step, b.time, row >= b.first_reverse_row);
    let width = state_width(n, b.hidden, b.output);
    let offset = row * width + unit;
    if index.is_first {
        b.initial[state_offset(n, 1usize.runtime(), b.batch, b.output) + offset]
    } else {
        b.states[state_offset(n, b.time, b.batch, b.output) + index.prev * b.batch * width + offset]
    }
}

/// One step of the cell of a unit; stores the next states.
#[cube]
pub(super) fn cell_step<N: Float, C: Pointwise>(
    b: &mut Forward<N>,
    step: usize,
    row: usize,
    unit: usize,
    recurrent: &Array<f32>,
) {
    let t = step_index(step, b.time, row >= b.first_reverse_row).t;
    let mut before = Array::<f32>::new(MAX_STATES);
    // a projected hidden state has a different width; no cell that supports a projection reads it
    let is_projected = comptime!(b.flags.projection);
    #[unroll]
    for n in 0..comptime!(C::STATES) {
        before[n] = 0.0f32.runtime();
        if comptime!(n > 0 || !is_projected) {
            before[n] = state_before::<N>(&*b, step, row, unit, n);
        }
    }
    let mut next = Array::<f32>::new(MAX_STATES);
    #[unroll]
    for n in 0..comptime!(C::STATES) {
        next[n] = before[n];
    }
    if is_active(&b.lengths, t, row) {
        let input = inputs::<N, C>(&*b, step, row, unit);
        let mut saved = Array::<f32>::new(MAX_GATES);
        C::forward(&input, recurrent, &before, &mut next, &mut saved);
        if comptime!(b.flags.saves) {
            #[unroll]
            for v in 0..comptime!(C::SAVED) {
                b.saved[((t * b.batch + row) * comptime!(C::SAVED) + v) * b.hidden + unit] = N::cast_from(saved[v]);
            }
        }
    }
    if comptime!(b.flags.stores_unprojected) {
        let aux_t = aux_time(t, comptime!(b.flags.saves));
        b.aux[b.unprojected_offset + (aux_t * b.batch + row) * b.hidden + unit] = next[0];
    }
    #[unroll]
    for n in 0..comptime!(C::STATES) {
        if comptime!(n > 0 || !is_projected) {
            store_state::<N>(b, step, row, unit, before[n], next[n], n);
        }
    }
}

/// Stores state `n` of a unit: `next` after zoneout, or `before` if the row has ended.
#[cube]
pub(super) fn store_state<N: Float>(
    b: &mut Forward<N>,
    step: usize,
    row: usize,
    unit: usize,
    before: f32,
    next: f32,
    #[comptime] n: usize,
) {
    let t = step_index(step, b.time, row >= b.first_reverse_row).t;
    let width = state_width(n, b.hidden, b.output);
    let offset = state_offset(n, b.time, b.batch, b.output) + (t * b.batch + row) * width + unit;
    let mut value = before;
    if is_active(&b.lengths, t, row) {
        if comptime!(b.flags.rates) {
            let rate = if comptime!(n == 0) { b.hidden_rate } else { b.other_rate };
            value = rate * before + (1.0f32 - rate) * next;
        } else {
            #[comptime]
            match &b.masks {
                ComptimeOption::Some(masks) => {
                    let z = masks[offset];
                    value = z * before + (1.0f32 - z) * next;
                }
                ComptimeOption::None => value = next,
            }
        }
    }
    b.states[offset] = value;
}
