//! The matrix product of a tile: some rows of the batch times some columns of packed weights.

use cubecl::prelude::*;

/// Four weights that lie one after the other along the sum.
pub(crate) type Four<N> = Vector<N, Const<4>>;

/// How a product is divided: a cube has `units` × `split` units, and makes `rows` rows of `units` × (columns per unit)
/// columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Rows of the batch.
    pub rows: usize,
    /// Units side by side, each with columns of its own.
    pub units: usize,
    /// Units that share the sum of the same columns.
    pub split: usize,
    /// Fours of a row that are staged in shared memory at once, a multiple of `split`. The loop over them is unrolled.
    pub staged: usize,
}

/// What is multiplied: rows of `len` numbers, read from the buffers `B` of a walk.
#[cube]
pub(crate) trait Source<B: CubeType>: 'static + Send + Sync {
    /// A number of a row at step `walked`.
    fn read(buffers: &B, walked: usize, row: usize, at: usize) -> f32;
}

/// Where a tile lies.
#[derive(CubeType, Clone, Copy)]
pub(crate) struct Place {
    /// The step of the walk.
    pub walked: usize,
    /// The first row of the tile.
    pub row: usize,
    /// Where the rows end.
    pub rows: usize,
    /// Which of the sets of weights.
    pub side: usize,
    /// This unit's first column, which need not be one.
    pub column: usize,
    /// From one of its columns to the next.
    pub stride: usize,
    /// Columns there are.
    pub columns: usize,
    /// Numbers that are summed over.
    pub len: usize,
    /// Fours of weights that each column has.
    pub fours: usize,
}

/// Shared memory: allocated once in a kernel, and used by one phase after the other.
#[derive(CubeType)]
pub(crate) struct Scratch {
    /// Sums, for each of the units that share one: `[rows, per unit, units]`.
    pub sums: Shared<[f32]>,
    /// What is multiplied, `[rows, staged]`.
    staged: Shared<[Four<f32>]>,
}

/// For products with up to `per_unit` columns for each unit.
#[cube]
pub(crate) fn scratch(#[comptime] per_unit: usize, #[comptime] tile: Tile) -> Scratch {
    Scratch {
        sums: Shared::<[f32]>::new_slice(comptime!(tile.split * tile.rows * per_unit * tile.units)),
        staged: Shared::<[Four<f32>]>::new_slice(comptime!(tile.rows * tile.staged)),
    }
}

impl Tile {
    /// Bytes of shared memory that products with up to `per_unit` columns for each unit take.
    pub(crate) fn shared(&self, per_unit: usize) -> usize {
        let Self { rows, units, split, staged } = *self;
        4 * split * rows * per_unit * units + 16 * rows * staged
    }
}

/// Column `j` of this unit, in row `row` of the tile.
#[cube]
pub(crate) fn sum(of: &Scratch, row: usize, j: usize, #[comptime] per_unit: usize, #[comptime] tile: Tile) -> f32 {
    let place = (row * per_unit + j) * comptime!(tile.units) + UNIT_POS_X as usize;
    let mut sum = of.sums[place];
    #[unroll]
    for part in 1..comptime!(tile.split) {
        sum += of.sums[comptime!(part * tile.rows * per_unit * tile.units) + place];
    }
    sum
}

/// The sums of a tile, into `scratch`. All units of the cube must call it together; each then takes care of every
/// [`split`](Tile::split)-th row, from `UNIT_POS_Y` on.
#[cube]
pub(crate) fn product<N: Float, B: CubeType, S: Source<B>>(
    buffers: &B,
    weights: &[Four<N>],
    place: Place,
    scratch: &mut Scratch,
    #[comptime] per_unit: usize,
    #[comptime] tile: Tile,
) {
    let x = UNIT_POS_X as usize;
    let y = UNIT_POS_Y as usize;
    let fours = place.len.div_ceil(4);
    let side = place.side * place.fours * place.columns;
    let mut columns = Array::<usize>::new(per_unit);
    #[unroll]
    for j in 0..per_unit {
        columns[j] = min(place.column + j * place.stride, place.columns - 1);
    }
    let mut sums = Array::<f32>::new(comptime!(tile.rows * per_unit));
    #[unroll]
    for n in 0..comptime!(tile.rows * per_unit) {
        sums[n] = 0.0f32.runtime();
    }

    let units = comptime!(tile.units * tile.split);
    let mut start = 0usize;
    while start < fours {
        sync_cube();
        let mut at = UNIT_POS as usize;
        while at < comptime!(tile.rows * tile.staged) {
            let row = place.row + at / comptime!(tile.staged);
            let four = start + at % comptime!(tile.staged);
            let mut values = Four::<f32>::new(0.0f32);
            if row < place.rows && four < fours {
                #[unroll]
                for j in 0..4usize {
                    if four * 4 + j < place.len {
                        values.insert(j, S::read(buffers, place.walked, row, four * 4 + j));
                    }
                }
            }
            scratch.staged[at] = values;
            at += units;
        }
        sync_cube();
        #[unroll]
        for n in 0..comptime!(tile.staged / tile.split) {
            let four = if comptime!(tile.split > 1) { n * comptime!(tile.split) + y } else { n.runtime() };
            // beyond the end the staged numbers are zero, and any weights do
            let first = side + min(start + four, fours - 1) * place.columns;
            let mut of = Array::<Four<f32>>::new(per_unit);
            #[unroll]
            for j in 0..per_unit {
                of[j] = Four::<f32>::cast_from(weights[first + columns[j]]);
            }
            #[unroll]
            for row in 0..comptime!(tile.rows) {
                let by = scratch.staged[row * comptime!(tile.staged) + four];
                #[unroll]
                for j in 0..per_unit {
                    sums[row * per_unit + j] += of[j].dot(by);
                }
            }
        }
        start += comptime!(tile.staged);
    }

    // where nothing was staged, others may still read what was left here before
    sync_cube();
    #[unroll]
    for n in 0..comptime!(tile.rows * per_unit) {
        scratch.sums[(y * comptime!(tile.rows * per_unit) + n) * comptime!(tile.units) + x] = sums[n];
    }
    sync_cube();
}
