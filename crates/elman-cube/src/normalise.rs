//! Layer normalisation (Ba et al. 2016) of a row, by all units of a cube.

use cubecl::prelude::*;

use crate::product::Tile;

/// What is added to the variance; PyTorch's.
const EPSILON: f32 = 1e-5;

/// What a row is normalised with.
#[derive(CubeType, Clone, Copy)]
pub(crate) struct Statistics {
    pub mean: f32,
    /// `1 / √(variance + ε)`
    pub inverse_deviation: f32,
}

/// Of `len` numbers from `start` on. All units of the cube must call it together, and all get it.
#[cube]
pub(crate) fn statistics(
    of: &[f32],
    start: usize,
    len: usize,
    scratch: &mut Shared<[f32]>,
    #[comptime] tile: Tile,
) -> Statistics {
    let step = comptime!(tile.units * tile.split);
    let mut sum = 0.0f32.runtime();
    let mut at = UNIT_POS as usize;
    while at < len {
        sum += of[start + at];
        at += step;
    }
    let count = f32::cast_from(len);
    let mean = total(sum, scratch, tile) / count;
    let mut squares = 0.0f32.runtime();
    let mut at = UNIT_POS as usize;
    while at < len {
        let off = of[start + at] - mean;
        squares += off * off;
        at += step;
    }
    let variance = total(squares, scratch, tile) / count;
    Statistics { mean, inverse_deviation: 1.0f32 / (variance + EPSILON).sqrt() }
}

#[cube]
pub(crate) fn standardised(value: f32, mean: f32, inverse_deviation: f32) -> f32 {
    (value - mean) * inverse_deviation
}

/// The sum of a value of each unit of the cube, for all of them: halved again and again, from a power of two on.
#[cube]
pub(crate) fn total(value: f32, values: &mut Shared<[f32]>, #[comptime] tile: Tile) -> f32 {
    let units = comptime!(tile.units * tile.split);
    let unit = UNIT_POS as usize;
    sync_cube();
    values[unit] = value;
    sync_cube();
    let mut reach = comptime!(units.next_power_of_two() / 2).runtime();
    while reach > 0 {
        if unit < reach && unit + reach < units {
            values[unit] = values[unit] + values[unit + reach];
        }
        reach /= 2;
        sync_cube();
    }
    values[0]
}
