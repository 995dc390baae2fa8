//! The phases of a time step. A phase reads what the previous one wrote: all threads of a row must synchronize in
//! between.

use cubecl::prelude::*;

use super::{
    buffers::{CandidateInputs, Flags, Forward, Hidden, Unprojected, aux_time},
    units::{cell_step, inputs, state_before, store_state, stored_products, with_bias},
};
use crate::{
    cell::{CandidateInput, MAX_GATES, Pointwise},
    indexing::{direction_of, row_end, step_index},
    layer_norm::statistics,
    product::{Scratch, Source, Tile, TileCoords, product, sum},
};

/// A phase of a time step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// The recurrent product with the cell fused into it, if nothing comes between the two.
    Fused,
    /// The recurrent product of the non-candidate gates.
    Product,
    /// Mean and inverse standard deviation of the products of the candidate gates, or of the non-candidate gates.
    Statistics { candidate: bool },
    /// The input of the candidate gates' recurrent product.
    CandidateInput,
    /// The recurrent product of the candidate gates.
    CandidateProduct,
    /// The cell, given stored products.
    Cell,
    /// The projection of the hidden state.
    Projection,
}

impl Phase {
    /// The phases of a time step, in order.
    pub fn sequence(has_candidate_gates: bool, flags: Flags) -> Vec<Self> {
        let mut phases = if !has_candidate_gates && !flags.norm { vec![Self::Fused] } else { vec![Self::Product] };
        if flags.norm {
            phases.push(Self::Statistics { candidate: false });
        }
        if has_candidate_gates {
            phases.extend([Self::CandidateInput, Self::CandidateProduct]);
            if flags.norm {
                phases.push(Self::Statistics { candidate: true });
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

    /// Number of column tiles of a phase, that is, of cubes side by side that have work.
    pub fn column_tiles(self, hidden: usize, output: usize, tile: Tile) -> usize {
        match self {
            Self::Fused | Self::Product | Self::CandidateProduct => hidden.div_ceil(tile.threads),
            Self::Projection => output.div_ceil(tile.threads),
            Self::CandidateInput | Self::Cell => hidden.div_ceil(tile.threads * tile.split),
            Self::Statistics { .. } => tile.rows,
        }
    }
}

/// Runs one phase on the rows of a tile, for the column tiles `first_tile`, `first_tile + tile_stride`, and so on. All
/// threads of the cube must call it.
#[cube]
pub(crate) fn run<N: Float, C: Pointwise>(
    b: &mut Forward<N>,
    scratch: &mut Scratch,
    step: usize,
    row: usize,
    first_tile: usize,
    tile_stride: usize,
    #[comptime] phase: Phase,
    #[comptime] tile: Tile,
) {
    if comptime!(phase == Phase::Fused) {
        fused::<N, C>(b, scratch, step, row, first_tile, tile_stride, tile);
    } else if comptime!(phase == Phase::Product) {
        recurrent_product::<N, C>(b, scratch, step, row, first_tile, tile_stride, false, tile);
    } else if comptime!(phase == Phase::CandidateProduct) {
        recurrent_product::<N, C>(b, scratch, step, row, first_tile, tile_stride, true, tile);
    } else if comptime!(matches!(phase, Phase::Statistics { .. })) {
        row_statistics::<N, C>(
            b,
            scratch,
            step,
            row,
            first_tile,
            tile_stride,
            comptime!(phase == Phase::Statistics { candidate: true }),
            tile,
        );
    } else if comptime!(phase == Phase::CandidateInput) {
        candidate_input::<N, C>(b, step, row, first_tile, tile_stride, tile);
    } else if comptime!(phase == Phase::Cell) {
        cell::<N, C>(b, step, row, first_tile, tile_stride, tile);
    } else {
        project::<N>(b, scratch, step, row, first_tile, tile_stride, tile);
    }
}

/// [`Phase::Fused`].
#[cube]
fn fused<N: Float, C: Pointwise>(
    b: &mut Forward<N>,
    scratch: &mut Scratch,
    step: usize,
    row: usize,
    first_tile: usize,
    tile_stride: usize,
    #[comptime] tile: Tile,
) {
    let row_end = row_end(row, b.first_reverse_row, b.batch);
    let tiles = b.hidden.div_ceil(comptime!(tile.threads));
    let mut n = first_tile;
    while n < tiles {
        let unit = n * comptime!(tile.threads) + UNIT_POS_X as usize;
        let coords = TileCoords {
            step,
            row,
            row_end,
            direction: direction_of(row, b.first_reverse_row, comptime!(b.flags.bidirectional)),
            column: unit,
            column_stride: b.hidden,
            columns: comptime!(C::GATES) * b.hidden,
            len: b.output,
            column_vecs: b.output.div_ceil(4),
        };
        product::<N, Forward<N>, Hidden>(&*b, &b.weights, coords, scratch, comptime!(C::GATES), tile);
        let mut r = UNIT_POS_Y as usize;
        while unit < b.hidden && r < comptime!(tile.rows) && row + r < row_end {
            let mut recurrent = Array::<f32>::new(MAX_GATES);
            #[unroll]
            for g in 0..comptime!(C::GATES) {
                let product = sum(&*scratch, r, g, comptime!(C::GATES), tile);
                recurrent[g] = with_bias::<N, C>(&*b, product, row, g * b.hidden + unit);
            }
            cell_step::<N, C>(b, step, row + r, unit, &recurrent);
            r += comptime!(tile.split);
        }
        n += tile_stride;
    }
}

/// Stores the recurrent products of the candidate gates, or of the non-candidate gates.
#[cube]
fn recurrent_product<N: Float, C: Pointwise>(
    b: &mut Forward<N>,
    scratch: &mut Scratch,
    step: usize,
    row: usize,
    first_tile: usize,
    tile_stride: usize,
    #[comptime] candidate: bool,
    #[comptime] tile: Tile,
) {
    let row_end = row_end(row, b.first_reverse_row, b.batch);
    let from = comptime!(if candidate { C::GATES - C::CANDIDATE_GATES } else { 0 });
    let gates = comptime!(if candidate { C::CANDIDATE_GATES } else { C::GATES - C::CANDIDATE_GATES });
    let tiles = b.hidden.div_ceil(comptime!(tile.threads));
    let aux_t = aux_time(step_index(step, b.time, row >= b.first_reverse_row).t, comptime!(b.flags.saves));
    let mut n = first_tile;
    while n < tiles {
        let unit = n * comptime!(tile.threads) + UNIT_POS_X as usize;
        let coords = TileCoords {
            step,
            row,
            row_end,
            direction: direction_of(row, b.first_reverse_row, comptime!(b.flags.bidirectional)),
            column: from * b.hidden + unit,
            column_stride: b.hidden,
            columns: comptime!(C::GATES) * b.hidden,
            len: b.output,
            column_vecs: b.output.div_ceil(4),
        };
        if comptime!(candidate) {
            product::<N, Forward<N>, CandidateInputs>(&*b, &b.weights, coords, scratch, gates, tile);
        } else {
            product::<N, Forward<N>, Hidden>(&*b, &b.weights, coords, scratch, gates, tile);
        }
        let mut r = UNIT_POS_Y as usize;
        while unit < b.hidden && r < comptime!(tile.rows) && row + r < row_end {
            #[unroll]
            for g in 0..gates {
                let offset = ((aux_t * b.batch + row + r) * comptime!(C::GATES) + from + g) * b.hidden + unit;
                b.aux[b.products_offset + offset] = sum(&*scratch, r, g, gates, tile);
            }
            r += comptime!(tile.split);
        }
        n += tile_stride;
    }
}

/// [`Phase::Statistics`].
#[cube]
fn row_statistics<N: Float, C: Pointwise>(
    b: &mut Forward<N>,
    scratch: &mut Scratch,
    step: usize,
    row: usize,
    first_tile: usize,
    tile_stride: usize,
    #[comptime] candidate: bool,
    #[comptime] tile: Tile,
) {
    let row_end = row_end(row, b.first_reverse_row, b.batch);
    let from = comptime!(if candidate { C::GATES - C::CANDIDATE_GATES } else { 0 });
    let gates = comptime!(if candidate { C::CANDIDATE_GATES } else { C::GATES - C::CANDIDATE_GATES });
    let aux_t = aux_time(step_index(step, b.time, row >= b.first_reverse_row).t, comptime!(b.flags.saves));
    let mut r = first_tile;
    while r < comptime!(tile.rows) {
        if row + r < row_end {
            let line = aux_t * b.batch + row + r;
            let start = b.products_offset + (line * comptime!(C::GATES) + from) * b.hidden;
            let row_statistics = statistics(&b.aux, start, gates * b.hidden, &mut scratch.sums, tile);
            if UNIT_POS == 0 {
                let into = b.statistics_offset + (line * 2 + comptime!(usize::from(candidate))) * 2;
                b.aux[into] = row_statistics.mean;
                b.aux[into + 1] = row_statistics.inv_std;
            }
        }
        r += tile_stride;
    }
}

/// [`Phase::CandidateInput`].
#[cube]
fn candidate_input<N: Float, C: Pointwise>(
    b: &mut Forward<N>,
    step: usize,
    row: usize,
    first_tile: usize,
    tile_stride: usize,
    #[comptime] tile: Tile,
) {
    let row_end = row_end(row, b.first_reverse_row, b.batch);
    let width = comptime!(tile.threads * tile.split);
    let mut unit = first_tile * width + UNIT_POS as usize;
    while unit < b.hidden {
        for r in 0..comptime!(tile.rows) {
            if row + r < row_end {
                let input = inputs::<N, C>(&*b, step, row + r, unit);
                let recurrent =
                    stored_products::<N, C>(&*b, step, row + r, unit, comptime!(C::GATES - C::CANDIDATE_GATES));
                let hidden = <Hidden as Source<Forward<N>>>::read(&*b, step, row + r, unit);
                let value = C::CandidateInput::forward(&input, &recurrent, hidden);
                let into = b.candidate_input_offset + (row + r) * b.hidden + unit;
                b.aux[into] = value;
            }
        }
        unit += tile_stride * width;
    }
}

/// [`Phase::Cell`].
#[cube]
fn cell<N: Float, C: Pointwise>(
    b: &mut Forward<N>,
    step: usize,
    row: usize,
    first_tile: usize,
    tile_stride: usize,
    #[comptime] tile: Tile,
) {
    let row_end = row_end(row, b.first_reverse_row, b.batch);
    let width = comptime!(tile.threads * tile.split);
    let mut unit = first_tile * width + UNIT_POS as usize;
    while unit < b.hidden {
        for r in 0..comptime!(tile.rows) {
            if row + r < row_end {
                let recurrent = stored_products::<N, C>(&*b, step, row + r, unit, comptime!(C::GATES));
                cell_step::<N, C>(b, step, row + r, unit, &recurrent);
            }
        }
        unit += tile_stride * width;
    }
}

/// [`Phase::Projection`].
#[cube]
fn project<N: Float>(
    b: &mut Forward<N>,
    scratch: &mut Scratch,
    step: usize,
    row: usize,
    first_tile: usize,
    tile_stride: usize,
    #[comptime] tile: Tile,
) {
    let row_end = row_end(row, b.first_reverse_row, b.batch);
    let tiles = b.output.div_ceil(comptime!(tile.threads));
    let mut n = first_tile;
    while n < tiles {
        let unit = n * comptime!(tile.threads) + UNIT_POS_X as usize;
        projection_sums::<N>(&*b, step, row, unit, scratch, tile);
        let mut r = UNIT_POS_Y as usize;
        while unit < b.output && r < comptime!(tile.rows) && row + r < row_end {
            let before = state_before::<N>(&*b, step, row + r, unit, 0usize);
            store_state::<N>(b, step, row + r, unit, before, sum(&*scratch, r, 0usize, 1usize, tile), 0usize);
            r += comptime!(tile.split);
        }
        n += tile_stride;
    }
}

/// The sums of the projection of a tile.
#[cube]
fn projection_sums<N: Float>(
    b: &Forward<N>,
    step: usize,
    row: usize,
    unit: usize,
    scratch: &mut Scratch,
    #[comptime] tile: Tile,
) {
    let row_end = row_end(row, b.first_reverse_row, b.batch);
    #[comptime]
    match &b.projection {
        ComptimeOption::Some(weights) => {
            let column_stride = 0usize.runtime();
            let direction = direction_of(row, b.first_reverse_row, comptime!(b.flags.bidirectional));
            let (columns, len, column_vecs) = (b.output, b.hidden, b.hidden.div_ceil(4));
            let coords =
                TileCoords { step, row, row_end, direction, column: unit, column_stride, columns, len, column_vecs };
            product::<N, Forward<N>, Unprojected>(b, weights, coords, scratch, 1usize, tile);
        }
        ComptimeOption::None => {}
    }
}
