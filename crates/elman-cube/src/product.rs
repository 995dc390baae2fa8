//! The matrix product of a tile: some rows of the batch times some columns of packed weights.

use cubecl::prelude::*;

/// Four consecutive weights of a column.
pub(crate) type Vec4<N> = Vector<N, Const<4>>;

/// The tiling of a product: a cube has `threads` × `split` threads, and computes `rows` rows of `threads` × (columns
/// per thread) columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Rows of the batch.
    pub rows: usize,
    /// Threads side by side, each with its own columns.
    pub threads: usize,
    /// Threads that share the sums of the same columns (split-k).
    pub split: usize,
    /// Vectors of four elements per row that are staged in shared memory at a time, a multiple of `split`. The loop
    /// over them is unrolled.
    pub staged: usize,
}

/// The left operand: rows of `len` values, read from the buffers `B` of a scan.
#[cube]
pub(crate) trait Source<B: CubeType>: 'static + Send + Sync {
    /// Element `k` of a row at step `step` of the scan.
    fn read(buffers: &B, step: usize, row: usize, k: usize) -> f32;
}

/// The position of a tile in the product.
#[derive(CubeType, Clone, Copy)]
pub(crate) struct TileCoords {
    /// The step of the scan.
    pub step: usize,
    /// The first row of the tile.
    pub row: usize,
    /// The end of the rows.
    pub row_end: usize,
    /// The index of the set of weights.
    pub direction: usize,
    /// This thread's first column, which may be beyond the last one.
    pub column: usize,
    /// From one of this thread's columns to the next.
    pub column_stride: usize,
    /// Number of columns.
    pub columns: usize,
    /// Length of the dot product.
    pub len: usize,
    /// Vectors of four weights per column.
    pub column_vecs: usize,
}

/// Shared memory, allocated once in a kernel and reused by its phases.
#[derive(CubeType)]
pub(crate) struct Scratch {
    /// Partial sums: `[split, rows, columns per thread, threads]`.
    pub sums: Shared<[f32]>,
    /// The staged left operand, `[rows, staged]`.
    staged: Shared<[Vec4<f32>]>,
}

/// Shared memory for products with at most `per_thread` columns per thread.
#[cube]
pub(crate) fn scratch(#[comptime] per_thread: usize, #[comptime] tile: Tile) -> Scratch {
    Scratch {
        sums: Shared::<[f32]>::new_slice(comptime!(tile.split * tile.rows * per_thread * tile.threads)),
        staged: Shared::<[Vec4<f32>]>::new_slice(comptime!(tile.rows * tile.staged)),
    }
}

impl Tile {
    /// Bytes of shared memory for products with at most `per_thread` columns per thread.
    pub(crate) fn shared_bytes(&self, per_thread: usize) -> usize {
        let Self { rows, threads, split, staged } = *self;
        4 * split * rows * per_thread * threads + 16 * rows * staged
    }
}

/// The sum of this thread's column `j` in row `row` of the tile.
#[cube]
pub(crate) fn sum(
    scratch: &Scratch,
    row: usize,
    j: usize,
    #[comptime] per_thread: usize,
    #[comptime] tile: Tile,
) -> f32 {
    let offset = (row * per_thread + j) * comptime!(tile.threads) + UNIT_POS_X as usize;
    let mut sum = scratch.sums[offset];
    #[unroll]
    for part in 1..comptime!(tile.split) {
        sum += scratch.sums[comptime!(part * tile.rows * per_thread * tile.threads) + offset];
    }
    sum
}

/// Computes the sums of a tile into `scratch`. All threads of the cube must call it together. Afterwards each thread
/// processes every [`split`](Tile::split)-th row, from `UNIT_POS_Y` on.
#[cube]
pub(crate) fn product<N: Float, B: CubeType, S: Source<B>>(
    buffers: &B,
    weights: &[Vec4<N>],
    coords: TileCoords,
    scratch: &mut Scratch,
    #[comptime] per_thread: usize,
    #[comptime] tile: Tile,
) {
    let x = UNIT_POS_X as usize;
    let y = UNIT_POS_Y as usize;
    let vecs = coords.len.div_ceil(4);
    let direction_offset = coords.direction * coords.column_vecs * coords.columns;
    let mut columns = Array::<usize>::new(per_thread);
    #[unroll]
    for j in 0..per_thread {
        columns[j] = min(coords.column + j * coords.column_stride, coords.columns - 1);
    }
    let mut sums = Array::<f32>::new(comptime!(tile.rows * per_thread));
    #[unroll]
    for n in 0..comptime!(tile.rows * per_thread) {
        sums[n] = 0.0f32.runtime();
    }

    let threads = comptime!(tile.threads * tile.split);
    let mut start = 0usize;
    while start < vecs {
        sync_cube();
        let mut n = UNIT_POS as usize;
        while n < comptime!(tile.rows * tile.staged) {
            let row = coords.row + n / comptime!(tile.staged);
            let vec = start + n % comptime!(tile.staged);
            let mut values = Vec4::<f32>::new(0.0f32);
            if row < coords.row_end && vec < vecs {
                #[unroll]
                for j in 0..4usize {
                    if vec * 4 + j < coords.len {
                        values.insert(j, S::read(buffers, coords.step, row, vec * 4 + j));
                    }
                }
            }
            scratch.staged[n] = values;
            n += threads;
        }
        sync_cube();
        #[unroll]
        for n in 0..comptime!(tile.staged / tile.split) {
            let vec = if comptime!(tile.split > 1) { n * comptime!(tile.split) + y } else { n.runtime() };
            // beyond the end the staged values are zero, so it does not matter which weights are read
            let first = direction_offset + min(start + vec, vecs - 1) * coords.columns;
            let mut column_weights = Array::<Vec4<f32>>::new(per_thread);
            #[unroll]
            for j in 0..per_thread {
                column_weights[j] = Vec4::<f32>::cast_from(weights[first + columns[j]]);
            }
            #[unroll]
            for row in 0..comptime!(tile.rows) {
                let values = scratch.staged[row * comptime!(tile.staged) + vec];
                #[unroll]
                for j in 0..per_thread {
                    sums[row * per_thread + j] += column_weights[j].dot(values);
                }
            }
        }
        start += comptime!(tile.staged);
    }

    // if nothing was staged, other threads may still be reading the previous sums
    sync_cube();
    #[unroll]
    for n in 0..comptime!(tile.rows * per_thread) {
        scratch.sums[(y * comptime!(tile.rows * per_thread) + n) * comptime!(tile.threads) + x] = sums[n];
    }
    sync_cube();
}
