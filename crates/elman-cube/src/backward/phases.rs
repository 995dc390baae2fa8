//! The phases of a time step of the backward scan. A phase reads what the previous one wrote.

use cubecl::prelude::*;

use super::buffers::{
    Backward, CandidateProductGrad, ProductGrad, ProjectedGrad, d_recurrent, dropout, output, state_before, zoneout,
};
use super::phase::Phase;
use crate::{
    cell::{CandidateInput, MAX_GATES, MAX_STATES, Pointwise},
    driver::COLUMNS_PER_THREAD,
    indexing::{direction_of, is_active, row_end, state_offset, state_width, step_index},
    layer_norm::{cube_sum, normalized},
    product::{Scratch, Tile, TileCoords, product, sum},
};

/// Runs one phase on the rows of a tile, for the column tiles `first_tile`, `first_tile + tile_stride`, and so on. All
/// threads of the cube must call it.
#[cube]
pub(crate) fn run<N: Float, C: Pointwise>(
    b: &mut Backward<N>,
    scratch: &mut Scratch,
    step: usize,
    row: usize,
    first_tile: usize,
    tile_stride: usize,
    #[comptime] phase: Phase,
    #[comptime] tile: Tile,
) {
    if comptime!(matches!(phase, Phase::LayerNorm { .. })) {
        layer_norm::<N, C>(
            b,
            scratch,
            step,
            row,
            first_tile,
            tile_stride,
            comptime!(phase == Phase::LayerNorm { candidate: true }),
            tile,
        );
    } else {
        let columns = if comptime!(matches!(phase, Phase::Cell | Phase::CandidateInput)) { b.hidden } else { b.output };
        let tiles = columns.div_ceil(comptime!(tile.threads * COLUMNS_PER_THREAD));
        let mut n = first_tile;
        while n < tiles {
            let column = n * comptime!(tile.threads * COLUMNS_PER_THREAD) + UNIT_POS_X as usize;
            product_sums::<N>(&*b, step, row, column, scratch, phase, tile);
            let mut r = UNIT_POS_Y as usize;
            while r < comptime!(tile.rows) && row + r < row_end(row, b.first_reverse_row, b.batch) {
                for j in 0..COLUMNS_PER_THREAD {
                    let unit = column + j * comptime!(tile.threads);
                    if unit < columns {
                        apply_sum::<N, C>(
                            b,
                            step,
                            row + r,
                            unit,
                            sum(&*scratch, r, j, COLUMNS_PER_THREAD, tile),
                            phase,
                        );
                    }
                }
                r += comptime!(tile.split);
            }
            n += tile_stride;
        }
    }
}

/// The sums of the product of a phase.
#[cube]
fn product_sums<N: Float>(
    b: &Backward<N>,
    step: usize,
    row: usize,
    column: usize,
    scratch: &mut Scratch,
    #[comptime] phase: Phase,
    #[comptime] tile: Tile,
) {
    let column_stride = comptime!(tile.threads).runtime();
    let row_end = row_end(row, b.first_reverse_row, b.batch);
    let direction = direction_of(row, b.first_reverse_row, comptime!(b.flags.bidirectional));
    if comptime!(phase == Phase::Cell) {
        let (columns, len, column_vecs) = (b.hidden, b.output, b.output.div_ceil(4));
        let coords = TileCoords { step, row, row_end, direction, column, column_stride, columns, len, column_vecs };
        #[comptime]
        match &b.projection {
            ComptimeOption::Some(weights) => {
                product::<N, Backward<N>, ProjectedGrad>(b, weights, coords, scratch, COLUMNS_PER_THREAD, tile);
            }
            ComptimeOption::None => {}
        }
    } else if comptime!(phase == Phase::CandidateInput) {
        let len = comptime!(b.flags.candidate_gates) * b.hidden;
        let (columns, column_vecs) = (b.hidden, len.div_ceil(4));
        let coords = TileCoords { step, row, row_end, direction, column, column_stride, columns, len, column_vecs };
        #[comptime]
        match &b.candidate_weights {
            ComptimeOption::Some(weights) => {
                product::<N, Backward<N>, CandidateProductGrad>(b, weights, coords, scratch, COLUMNS_PER_THREAD, tile);
            }
            ComptimeOption::None => {}
        }
    } else {
        // the product of the next step, which the last step does not have; in `Initial` that of the first step
        let full = comptime!(b.flags.gates - b.flags.candidate_gates) * b.hidden;
        let is_last = comptime!(phase != Phase::Initial).runtime() && step + 1 == b.time;
        let len = if is_last { 0usize } else { full };
        let step = if comptime!(phase == Phase::Initial) { step } else { step + 1 };
        let (columns, column_vecs) = (b.output, full.div_ceil(4));
        let coords = TileCoords { step, row, row_end, direction, column, column_stride, columns, len, column_vecs };
        product::<N, Backward<N>, ProductGrad>(b, &b.weights, coords, scratch, COLUMNS_PER_THREAD, tile);
    }
}

/// Processes a sum of the product of a phase.
#[cube]
pub(super) fn apply_sum<N: Float, C: Pointwise>(
    b: &mut Backward<N>,
    step: usize,
    row: usize,
    unit: usize,
    sum: f32,
    #[comptime] phase: Phase,
) {
    if comptime!(phase == Phase::Fused) {
        let d_hidden = d_hidden::<N>(&*b, step, row, unit, sum);
        cell::<N, C>(b, step, row, unit, d_hidden);
    } else if comptime!(phase == Phase::Projected) {
        projected::<N>(b, step, row, unit, sum);
    } else if comptime!(phase == Phase::Cell) {
        cell::<N, C>(b, step, row, unit, sum);
    } else if comptime!(phase == Phase::CandidateInput) {
        candidate_input::<N, C>(b, step, row, unit, sum);
    } else {
        let offset = row * b.output + unit;
        b.d_state[offset] = b.d_state[offset] + dropout::<N>(&*b, row, unit) * sum;
    }
}

/// The complete gradient with respect to the hidden state after a step.
#[cube]
fn d_hidden<N: Float>(b: &Backward<N>, step: usize, row: usize, unit: usize, sum: f32) -> f32 {
    let t = step_index(step, b.time, row >= b.first_reverse_row).t;
    let d_output = b.gradient[(t * b.batch + row) * b.output + unit];
    d_output + b.d_state[row * b.output + unit] + dropout::<N>(b, row, unit) * sum
}

/// [`Phase::Projected`] for one element of the hidden state; `sum` is the gradient through the next step's product.
#[cube]
fn projected<N: Float>(b: &mut Backward<N>, step: usize, row: usize, unit: usize, sum: f32) {
    let t = step_index(step, b.time, row >= b.first_reverse_row).t;
    let offset = (t * b.batch + row) * b.output + unit;
    let d_hidden = d_hidden::<N>(&*b, step, row, unit, sum);
    let mut d_before = d_hidden;
    let mut d_projected = 0.0f32.runtime();
    if is_active(&b.lengths, t, row) {
        let z = zoneout::<N>(&*b, offset, 0usize);
        d_before = z * d_hidden;
        d_projected = (1.0f32 - z) * d_hidden;
    }
    b.d_state[row * b.output + unit] = d_before;
    #[comptime]
    match &mut b.d_projected {
        ComptimeOption::Some(into) => into[offset] = N::cast_from(d_projected),
        ComptimeOption::None => {}
    }
}

/// The cell of a unit. `d_hidden` is the gradient with respect to its hidden state: after zoneout, or before the
/// projection if there is one.
#[cube]
fn cell<N: Float, C: Pointwise>(b: &mut Backward<N>, step: usize, row: usize, unit: usize, d_hidden: f32) {
    let t = step_index(step, b.time, row >= b.first_reverse_row).t;
    let line = t * b.batch + row;
    let is_projected = comptime!(b.flags.projection);
    let mut d_input = Array::<f32>::new(MAX_GATES);
    let mut d_recurrent = Array::<f32>::new(MAX_GATES);
    #[unroll]
    for g in 0..comptime!(C::GATES) {
        d_input[g] = 0.0f32.runtime();
        d_recurrent[g] = 0.0f32.runtime();
    }
    let mut gradient = Array::<f32>::new(MAX_STATES);
    let mut d_before = Array::<f32>::new(MAX_STATES);
    gradient[0] = d_hidden;
    if comptime!(C::STATES > 1) {
        let offset = state_offset(1usize, b.time, b.batch, b.output) + line * b.hidden + unit;
        let state = state_offset(1usize, 1usize.runtime(), b.batch, b.output) + row * b.hidden + unit;
        gradient[1] = b.gradient[offset] + b.d_state[state];
    }
    #[unroll]
    for n in 0..comptime!(C::STATES) {
        d_before[n] = gradient[n];
    }
    if is_active(&b.lengths, t, row) {
        let mut before = Array::<f32>::new(MAX_STATES);
        let mut d_state = Array::<f32>::new(MAX_STATES);
        #[unroll]
        for n in 0..comptime!(C::STATES) {
            if comptime!(n > 0 || !is_projected) {
                before[n] = state_before::<N>(&*b, step, row, unit, n);
                let width = state_width(n, b.hidden, b.output);
                let offset = state_offset(n, b.time, b.batch, b.output) + line * width + unit;
                let z = zoneout::<N>(&*b, offset, n);
                d_before[n] = z * gradient[n];
                gradient[n] = (1.0f32 - z) * gradient[n];
            }
        }
        let mut saved = Array::<f32>::new(MAX_GATES);
        #[unroll]
        for v in 0..comptime!(C::SAVED) {
            saved[v] = f32::cast_from(b.saved[(line * comptime!(C::SAVED) + v) * b.hidden + unit]);
        }
        let mut cell_output = 0.0f32.runtime();
        if comptime!(C::USES_OUTPUT) {
            cell_output = output::<N>(&*b, t, row, unit);
        }
        C::backward(&saved, &before, cell_output, &gradient, &mut d_input, &mut d_recurrent, &mut d_state);
        #[unroll]
        for n in 0..comptime!(C::STATES) {
            if comptime!(n > 0 || !is_projected) {
                d_before[n] = d_before[n] + d_state[n];
            }
        }
    }
    #[unroll]
    for n in 0..comptime!(C::STATES) {
        if comptime!(n > 0 || !is_projected) {
            let width = state_width(n, b.hidden, b.output);
            b.d_state[state_offset(n, 1usize.runtime(), b.batch, b.output) + row * width + unit] = d_before[n];
        }
    }
    #[unroll]
    for g in 0..comptime!(C::GATES) {
        let offset = (line * comptime!(C::GATES) + g) * b.hidden + unit;
        b.d_input[offset] = N::cast_from(d_input[g]);
        let recurrent_grad = if comptime!(C::SEPARATE_RECURRENT_GRAD) { d_recurrent[g] } else { d_input[g] };
        #[comptime]
        match &mut b.d_recurrent {
            ComptimeOption::Some(into) => into[offset] = N::cast_from(recurrent_grad),
            ComptimeOption::None => {}
        }
    }
}

/// [`Phase::CandidateInput`] for one unit; `sum` is the gradient with respect to the candidate input.
#[cube]
fn candidate_input<N: Float, C: Pointwise>(b: &mut Backward<N>, step: usize, row: usize, unit: usize, sum: f32) {
    let t = step_index(step, b.time, row >= b.first_reverse_row).t;
    let line = t * b.batch + row;
    let mut value = 0.0f32.runtime();
    if is_active(&b.lengths, t, row) {
        let mask = dropout::<N>(&*b, row, unit);
        let hidden = mask * state_before::<N>(&*b, step, row, unit, 0usize);
        let mut saved = Array::<f32>::new(MAX_GATES);
        #[unroll]
        for v in 0..comptime!(C::SAVED) {
            saved[v] = f32::cast_from(b.saved[(line * comptime!(C::SAVED) + v) * b.hidden + unit]);
        }
        let mut d_gates = Array::<f32>::new(MAX_GATES);
        #[unroll]
        for g in 0..comptime!(C::GATES - C::CANDIDATE_GATES) {
            d_gates[g] = 0.0f32.runtime();
        }
        value = C::CandidateInput::recompute(&saved, hidden);
        let d_hidden = C::CandidateInput::backward(&saved, hidden, sum, &mut d_gates);
        let state = row * b.output + unit;
        b.d_state[state] = b.d_state[state] + mask * d_hidden;
        #[unroll]
        for g in 0..comptime!(C::GATES - C::CANDIDATE_GATES) {
            let offset = (line * comptime!(C::GATES) + g) * b.hidden + unit;
            b.d_input[offset] = N::cast_from(f32::cast_from(b.d_input[offset]) + d_gates[g]);
            #[comptime]
            match &mut b.d_recurrent {
                ComptimeOption::Some(into) => into[offset] = N::cast_from(f32::cast_from(into[offset]) + d_gates[g]),
                ComptimeOption::None => {}
            }
        }
    }
    #[comptime]
    match &mut b.candidate_input {
        ComptimeOption::Some(into) => into[line * b.hidden + unit] = N::cast_from(value),
        ComptimeOption::None => {}
    }
}

/// [`Phase::LayerNorm`]: the gradient through `x̂ = (v − mean) / deviation` of a row is
/// `dv = (dx̂ − mean dx̂ − x̂ mean(dx̂ x̂)) / deviation`.
#[cube]
fn layer_norm<N: Float, C: Pointwise>(
    b: &mut Backward<N>,
    scratch: &mut Scratch,
    step: usize,
    row: usize,
    first_tile: usize,
    tile_stride: usize,
    #[comptime] candidate: bool,
    #[comptime] tile: Tile,
) {
    let from = comptime!(if candidate { C::GATES - C::CANDIDATE_GATES } else { 0 });
    let gates = comptime!(if candidate { C::CANDIDATE_GATES } else { C::GATES - C::CANDIDATE_GATES });
    let len = gates * b.hidden;
    let threads = comptime!(tile.threads * tile.split);
    let t = step_index(step, b.time, row >= b.first_reverse_row).t;
    let mut r = first_tile;
    while r < comptime!(tile.rows) {
        if row + r < row_end(row, b.first_reverse_row, b.batch) {
            let line = t * b.batch + row + r;
            let start = (line * comptime!(C::GATES) + from) * b.hidden;
            let offset = b.statistics_offset + (line * 2 + comptime!(usize::from(candidate))) * 2;
            let mean = b.aux[offset];
            let inv_std = b.aux[offset + 1];
            let mut sum = 0.0f32.runtime();
            let mut dot = 0.0f32.runtime();
            let mut k = UNIT_POS as usize;
            while k < len {
                let d_normalized = d_normalized::<N, C>(&*b, row, start + k, from * b.hidden + k);
                sum += d_normalized;
                dot += d_normalized * normalized(b.aux[b.products_offset + start + k], mean, inv_std);
                k += threads;
            }
            let count = f32::cast_from(len);
            let d_mean = cube_sum(sum, &mut scratch.sums, tile) / count;
            let dot_mean = cube_sum(dot, &mut scratch.sums, tile) / count;
            let mut k = UNIT_POS as usize;
            while k < len {
                let d_normalized = d_normalized::<N, C>(&*b, row, start + k, from * b.hidden + k);
                let value = normalized(b.aux[b.products_offset + start + k], mean, inv_std);
                let d_gain = d_recurrent::<N>(&*b, start + k) * value;
                #[comptime]
                match &mut b.d_gain {
                    ComptimeOption::Some(into) => into[start + k] = N::cast_from(d_gain),
                    ComptimeOption::None => {}
                }
                let d_product = inv_std * (d_normalized - d_mean - value * dot_mean);
                #[comptime]
                match &mut b.d_product {
                    ComptimeOption::Some(into) => into[start + k] = N::cast_from(d_product),
                    ComptimeOption::None => {}
                }
                k += threads;
            }
        }
        r += tile_stride;
    }
}

/// The gradient with respect to a normalized product: that with respect to the product including its bias, times the
/// gain.
#[cube]
fn d_normalized<N: Float, C: Pointwise>(b: &Backward<N>, row: usize, offset: usize, column: usize) -> f32 {
    let value = d_recurrent::<N>(b, offset);
    #[comptime]
    let value = match &b.gain {
        ComptimeOption::Some(gain) => {
            value
                * gain[direction_of(row, b.first_reverse_row, comptime!(b.flags.bidirectional))
                    * comptime!(C::GATES)
                    * b.hidden
                    + column]
        }
        ComptimeOption::None => value,
    };
    value
}
