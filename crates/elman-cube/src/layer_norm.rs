//! Layer normalization (Ba et al. 2016) of a row by all threads of a cube.

use cubecl::prelude::*;

use crate::product::Tile;

/// Added to the variance; PyTorch's default.
const EPSILON: f32 = 1e-5;

/// The statistics of a row.
#[derive(CubeType, Clone, Copy)]
pub(crate) struct Statistics {
    pub mean: f32,
    /// `1 / √(variance + ε)`
    pub inv_std: f32,
}

/// The statistics of `len` values from `start` on. All threads of the cube must call it together, and each gets the
/// result.
#[cube]
pub(crate) fn statistics(
    values: &[f32],
    start: usize,
    len: usize,
    scratch: &mut Shared<[f32]>,
    #[comptime] tile: Tile,
) -> Statistics {
    let threads = comptime!(tile.threads * tile.split);
    let mut sum = 0.0f32.runtime();
    let mut k = UNIT_POS as usize;
    while k < len {
        sum += values[start + k];
        k += threads;
    }
    let count = f32::cast_from(len);
    let mean = cube_sum(sum, scratch, tile) / count;
    let mut squares = 0.0f32.runtime();
    let mut k = UNIT_POS as usize;
    while k < len {
        let deviation = values[start + k] - mean;
        squares += deviation * deviation;
        k += threads;
    }
    let variance = cube_sum(squares, scratch, tile) / count;
    Statistics { mean, inv_std: 1.0f32 / (variance + EPSILON).sqrt() }
}

#[cube]
pub(crate) fn normalized(value: f32, mean: f32, inv_std: f32) -> f32 {
    (value - mean) * inv_std
}

/// The sum of one value per thread of the cube, returned to all of them: a tree reduction that also supports numbers of
/// threads that are not powers of two.
#[cube]
pub(crate) fn cube_sum(value: f32, values: &mut Shared<[f32]>, #[comptime] tile: Tile) -> f32 {
    let threads = comptime!(tile.threads * tile.split);
    let thread = UNIT_POS as usize;
    sync_cube();
    values[thread] = value;
    sync_cube();
    let mut distance = comptime!(threads.next_power_of_two() / 2).runtime();
    while distance > 0 {
        if thread < distance && thread + distance < threads {
            values[thread] = values[thread] + values[thread + distance];
        }
        distance /= 2;
        sync_cube();
    }
    values[0]
}
