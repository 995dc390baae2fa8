//! The phases of a time step that is walked back. What one writes, the next reads.

use cubecl::prelude::*;

use super::buffers::{
    Backward, ByLateProduct, ByProduct, ByProjected, Flags, by_recurrent, dropout, output, state_before, zoneout,
};
use crate::{
    cell::{CandidateInput, MAX_GATES, MAX_STATES, Pointwise},
    driver::PER_UNIT,
    normalise::{standardised, total},
    place::{at, end_of, is_active, side_of, state_at, width_of},
    product::{Place, Scratch, Tile, product, sum},
};

/// What is done of a time step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// The gradient that comes through the recurrent product of the step walked after this one, and the cell.
    Fused,
    /// The same, without the cell: for a hidden state that is projected.
    Projected,
    /// The gradient through the projection, and the cell.
    Cell,
    /// Through the normalisation of the products that are late, or of those that are not.
    Normalisation { late: bool },
    /// The gradient through the late product and its input.
    CandidateInput,
    /// Of the first step only: the gradient that comes through its recurrent product.
    Initial,
}

impl Phase {
    /// Those of a time step, in their order; after the last step comes [`Initial`](Self::Initial).
    pub fn of(flags: Flags) -> Vec<Self> {
        let mut phases = if flags.projection { vec![Self::Projected, Self::Cell] } else { vec![Self::Fused] };
        if flags.late > 0 {
            if flags.norm {
                phases.push(Self::Normalisation { late: true });
            }
            phases.push(Self::CandidateInput);
        }
        if flags.norm {
            phases.push(Self::Normalisation { late: false });
        }
        phases
    }

    /// How many cubes side by side a phase of one step has work for.
    pub fn column_tiles(self, hidden: usize, output: usize, tile: Tile) -> usize {
        match self {
            Self::Fused | Self::Projected | Self::Initial => output.div_ceil(tile.units * PER_UNIT),
            Self::Cell | Self::CandidateInput => hidden.div_ceil(tile.units * PER_UNIT),
            Self::Normalisation { .. } => tile.rows,
        }
    }
}

/// One phase on the rows of a tile: column tiles `first`, `first + step` and so on. All units of the cube take part.
#[cube]
pub(crate) fn run<N: Float, C: Pointwise>(
    b: &mut Backward<N>,
    scratch: &mut Scratch,
    walked: usize,
    row: usize,
    first: usize,
    step: usize,
    #[comptime] phase: Phase,
    #[comptime] tile: Tile,
) {
    if comptime!(matches!(phase, Phase::Normalisation { .. })) {
        normalisation::<N, C>(
            b,
            scratch,
            walked,
            row,
            first,
            step,
            comptime!(phase == Phase::Normalisation { late: true }),
            tile,
        );
    } else {
        let columns = if comptime!(matches!(phase, Phase::Cell | Phase::CandidateInput)) { b.hidden } else { b.output };
        let tiles = columns.div_ceil(comptime!(tile.units * PER_UNIT));
        let mut n = first;
        while n < tiles {
            let column = n * comptime!(tile.units * PER_UNIT) + UNIT_POS_X as usize;
            sums_of::<N>(&*b, walked, row, column, scratch, phase, tile);
            let mut r = UNIT_POS_Y as usize;
            while r < comptime!(tile.rows) && row + r < end_of(row, b.turn, b.batch) {
                for j in 0..PER_UNIT {
                    let unit = column + j * comptime!(tile.units);
                    if unit < columns {
                        with_sum::<N, C>(b, walked, row + r, unit, sum(&*scratch, r, j, PER_UNIT, tile), phase);
                    }
                }
                r += comptime!(tile.split);
            }
            n += step;
        }
    }
}

/// The product of a phase.
#[cube]
fn sums_of<N: Float>(
    b: &Backward<N>,
    walked: usize,
    row: usize,
    column: usize,
    scratch: &mut Scratch,
    #[comptime] phase: Phase,
    #[comptime] tile: Tile,
) {
    let stride = comptime!(tile.units).runtime();
    let rows = end_of(row, b.turn, b.batch);
    let side = side_of(row, b.turn, comptime!(b.flags.both));
    if comptime!(phase == Phase::Cell) {
        let (columns, len, fours) = (b.hidden, b.output, b.output.div_ceil(4));
        let place = Place { walked, row, rows, side, column, stride, columns, len, fours };
        #[comptime]
        match &b.projection {
            ComptimeOption::Some(weights) => {
                product::<N, Backward<N>, ByProjected>(b, weights, place, scratch, PER_UNIT, tile);
            }
            ComptimeOption::None => {}
        }
    } else if comptime!(phase == Phase::CandidateInput) {
        let len = comptime!(b.flags.late) * b.hidden;
        let (columns, fours) = (b.hidden, len.div_ceil(4));
        let place = Place { walked, row, rows, side, column, stride, columns, len, fours };
        #[comptime]
        match &b.late_weights {
            ComptimeOption::Some(weights) => {
                product::<N, Backward<N>, ByLateProduct>(b, weights, place, scratch, PER_UNIT, tile);
            }
            ComptimeOption::None => {}
        }
    } else {
        // of the step walked after this one, of which there is none at the end; in the end of the first
        let full = comptime!(b.flags.gates - b.flags.late) * b.hidden;
        let is_last = comptime!(phase != Phase::Initial).runtime() && walked + 1 == b.time;
        let len = if is_last { 0usize } else { full };
        let walked = if comptime!(phase == Phase::Initial) { walked } else { walked + 1 };
        let (columns, fours) = (b.output, full.div_ceil(4));
        let place = Place { walked, row, rows, side, column, stride, columns, len, fours };
        product::<N, Backward<N>, ByProduct>(b, &b.weights, place, scratch, PER_UNIT, tile);
    }
}

/// What a phase does with a sum of its product.
#[cube]
pub(super) fn with_sum<N: Float, C: Pointwise>(
    b: &mut Backward<N>,
    walked: usize,
    row: usize,
    unit: usize,
    sum: f32,
    #[comptime] phase: Phase,
) {
    if comptime!(phase == Phase::Fused) {
        let by_hidden = by_hidden::<N>(&*b, walked, row, unit, sum);
        cell::<N, C>(b, walked, row, unit, by_hidden);
    } else if comptime!(phase == Phase::Projected) {
        projected::<N>(b, walked, row, unit, sum);
    } else if comptime!(phase == Phase::Cell) {
        cell::<N, C>(b, walked, row, unit, sum);
    } else if comptime!(phase == Phase::CandidateInput) {
        candidate_input::<N, C>(b, walked, row, unit, sum);
    } else {
        let place = row * b.output + unit;
        b.carried[place] = b.carried[place] + dropout::<N>(&*b, row, unit) * sum;
    }
}

/// All of the gradient by the hidden state after a step.
#[cube]
fn by_hidden<N: Float>(b: &Backward<N>, walked: usize, row: usize, unit: usize, sum: f32) -> f32 {
    let t = at(walked, b.time, row >= b.turn).t;
    let by_output = b.gradient[(t * b.batch + row) * b.output + unit];
    by_output + b.carried[row * b.output + unit] + dropout::<N>(b, row, unit) * sum
}

/// The hidden state after its projection.
#[cube]
fn projected<N: Float>(b: &mut Backward<N>, walked: usize, row: usize, unit: usize, sum: f32) {
    let t = at(walked, b.time, row >= b.turn).t;
    let place = (t * b.batch + row) * b.output + unit;
    let by = by_hidden::<N>(&*b, walked, row, unit, sum);
    let mut carried = by;
    let mut through = 0.0f32.runtime();
    if is_active(&b.lengths, t, row) {
        let z = zoneout::<N>(&*b, place, 0usize);
        carried = z * by;
        through = (1.0f32 - z) * by;
    }
    b.carried[row * b.output + unit] = carried;
    #[comptime]
    match &mut b.by_projected {
        ComptimeOption::Some(into) => into[place] = N::cast_from(through),
        ComptimeOption::None => {}
    }
}

/// The cell of a unit, where `by_first` is the gradient by its hidden state: after zoneout where this is not projected.
#[cube]
fn cell<N: Float, C: Pointwise>(b: &mut Backward<N>, walked: usize, row: usize, unit: usize, by_first: f32) {
    let t = at(walked, b.time, row >= b.turn).t;
    let line = t * b.batch + row;
    let is_projected = comptime!(b.flags.projection);
    let mut by_input = Array::<f32>::new(MAX_GATES);
    let mut by_recurrent = Array::<f32>::new(MAX_GATES);
    #[unroll]
    for g in 0..comptime!(C::GATES) {
        by_input[g] = 0.0f32.runtime();
        by_recurrent[g] = 0.0f32.runtime();
    }
    let mut gradient = Array::<f32>::new(MAX_STATES);
    let mut carried = Array::<f32>::new(MAX_STATES);
    gradient[0] = by_first;
    if comptime!(C::STATES > 1) {
        let place = state_at(1usize, b.time, b.batch, b.output) + line * b.hidden + unit;
        let last = state_at(1usize, 1usize.runtime(), b.batch, b.output) + row * b.hidden + unit;
        gradient[1] = b.gradient[place] + b.carried[last];
    }
    #[unroll]
    for n in 0..comptime!(C::STATES) {
        carried[n] = gradient[n];
    }
    if is_active(&b.lengths, t, row) {
        let mut before = Array::<f32>::new(MAX_STATES);
        let mut by_state = Array::<f32>::new(MAX_STATES);
        #[unroll]
        for n in 0..comptime!(C::STATES) {
            if comptime!(n > 0 || !is_projected) {
                before[n] = state_before::<N>(&*b, walked, row, unit, n);
                let width = width_of(n, b.hidden, b.output);
                let place = state_at(n, b.time, b.batch, b.output) + line * width + unit;
                let z = zoneout::<N>(&*b, place, n);
                carried[n] = z * gradient[n];
                gradient[n] = (1.0f32 - z) * gradient[n];
            }
        }
        let mut saved = Array::<f32>::new(MAX_GATES);
        #[unroll]
        for v in 0..comptime!(C::SAVED) {
            saved[v] = f32::cast_from(b.saved[(line * comptime!(C::SAVED) + v) * b.hidden + unit]);
        }
        let mut output_of = 0.0f32.runtime();
        if comptime!(C::USES_OUTPUT) {
            output_of = output::<N>(&*b, t, row, unit);
        }
        C::backward(&saved, &before, output_of, &gradient, &mut by_input, &mut by_recurrent, &mut by_state);
        #[unroll]
        for n in 0..comptime!(C::STATES) {
            if comptime!(n > 0 || !is_projected) {
                carried[n] = carried[n] + by_state[n];
            }
        }
    }
    #[unroll]
    for n in 0..comptime!(C::STATES) {
        if comptime!(n > 0 || !is_projected) {
            let width = width_of(n, b.hidden, b.output);
            b.carried[state_at(n, 1usize.runtime(), b.batch, b.output) + row * width + unit] = carried[n];
        }
    }
    #[unroll]
    for g in 0..comptime!(C::GATES) {
        let place = (line * comptime!(C::GATES) + g) * b.hidden + unit;
        b.by_input[place] = N::cast_from(by_input[g]);
        let of_recurrent = if comptime!(C::SEPARATE_RECURRENT_GRAD) { by_recurrent[g] } else { by_input[g] };
        #[comptime]
        match &mut b.by_recurrent {
            ComptimeOption::Some(into) => into[place] = N::cast_from(of_recurrent),
            ComptimeOption::None => {}
        }
    }
}

/// The late input of a unit, `sum` being the gradient by it.
#[cube]
fn candidate_input<N: Float, C: Pointwise>(b: &mut Backward<N>, walked: usize, row: usize, unit: usize, sum: f32) {
    let t = at(walked, b.time, row >= b.turn).t;
    let line = t * b.batch + row;
    let mut value = 0.0f32.runtime();
    if is_active(&b.lengths, t, row) {
        let mask = dropout::<N>(&*b, row, unit);
        let hidden = mask * state_before::<N>(&*b, walked, row, unit, 0usize);
        let mut saved = Array::<f32>::new(MAX_GATES);
        #[unroll]
        for v in 0..comptime!(C::SAVED) {
            saved[v] = f32::cast_from(b.saved[(line * comptime!(C::SAVED) + v) * b.hidden + unit]);
        }
        let mut by_gates = Array::<f32>::new(MAX_GATES);
        #[unroll]
        for g in 0..comptime!(C::GATES - C::CANDIDATE_GATES) {
            by_gates[g] = 0.0f32.runtime();
        }
        value = C::Late::again(&saved, hidden);
        let by = C::Late::backward(&saved, hidden, sum, &mut by_gates);
        let carried = row * b.output + unit;
        b.carried[carried] = b.carried[carried] + mask * by;
        #[unroll]
        for g in 0..comptime!(C::GATES - C::CANDIDATE_GATES) {
            let place = (line * comptime!(C::GATES) + g) * b.hidden + unit;
            b.by_input[place] = N::cast_from(f32::cast_from(b.by_input[place]) + by_gates[g]);
            #[comptime]
            match &mut b.by_recurrent {
                ComptimeOption::Some(into) => into[place] = N::cast_from(f32::cast_from(into[place]) + by_gates[g]),
                ComptimeOption::None => {}
            }
        }
    }
    #[comptime]
    match &mut b.late {
        ComptimeOption::Some(into) => into[line * b.hidden + unit] = N::cast_from(value),
        ComptimeOption::None => {}
    }
}

/// Through the normalisation `x̂ = (v − mean) / deviation` of a row: `dv = (dx̂ − mean dx̂ − x̂ mean(dx̂ x̂)) / deviation`.
#[cube]
fn normalisation<N: Float, C: Pointwise>(
    b: &mut Backward<N>,
    scratch: &mut Scratch,
    walked: usize,
    row: usize,
    first: usize,
    step: usize,
    #[comptime] late: bool,
    #[comptime] tile: Tile,
) {
    let from = comptime!(if late { C::GATES - C::CANDIDATE_GATES } else { 0 });
    let gates = comptime!(if late { C::CANDIDATE_GATES } else { C::GATES - C::CANDIDATE_GATES });
    let len = gates * b.hidden;
    let units = comptime!(tile.units * tile.split);
    let t = at(walked, b.time, row >= b.turn).t;
    let mut r = first;
    while r < comptime!(tile.rows) {
        if row + r < end_of(row, b.turn, b.batch) {
            let line = t * b.batch + row + r;
            let start = (line * comptime!(C::GATES) + from) * b.hidden;
            let of = b.statistics_at + (line * 2 + comptime!(usize::from(late))) * 2;
            let mean = b.kept[of];
            let inverse_deviation = b.kept[of + 1];
            let mut sum = 0.0f32.runtime();
            let mut along = 0.0f32.runtime();
            let mut k = UNIT_POS as usize;
            while k < len {
                let by = by_standardised::<N, C>(&*b, row, start + k, from * b.hidden + k);
                sum += by;
                along += by * standardised(b.kept[b.products_at + start + k], mean, inverse_deviation);
                k += units;
            }
            let count = f32::cast_from(len);
            let sum = total(sum, &mut scratch.sums, tile) / count;
            let along = total(along, &mut scratch.sums, tile) / count;
            let mut k = UNIT_POS as usize;
            while k < len {
                let by = by_standardised::<N, C>(&*b, row, start + k, from * b.hidden + k);
                let value = standardised(b.kept[b.products_at + start + k], mean, inverse_deviation);
                let of_gain = by_recurrent::<N>(&*b, start + k) * value;
                #[comptime]
                match &mut b.by_gain {
                    ComptimeOption::Some(into) => into[start + k] = N::cast_from(of_gain),
                    ComptimeOption::None => {}
                }
                let by = inverse_deviation * (by - sum - value * along);
                #[comptime]
                match &mut b.by_product {
                    ComptimeOption::Some(into) => into[start + k] = N::cast_from(by),
                    ComptimeOption::None => {}
                }
                k += units;
            }
        }
        r += step;
    }
}

/// The gradient by a product after it is standardised: that by the product with its bias, times the gain.
#[cube]
fn by_standardised<N: Float, C: Pointwise>(b: &Backward<N>, row: usize, place: usize, column: usize) -> f32 {
    let by = by_recurrent::<N>(b, place);
    #[comptime]
    let by = match &b.gain {
        ComptimeOption::Some(gain) => {
            by * gain[side_of(row, b.turn, comptime!(b.flags.both)) * comptime!(C::GATES) * b.hidden + column]
        }
        ComptimeOption::None => by,
    };
    by
}
