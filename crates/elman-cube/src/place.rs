//! Where the numbers of a walk lie, and numbers that need not be there.

use cubecl::prelude::*;

/// Where the values of a time step lie, and those of the step that was walked before it.
#[derive(CubeType, Clone, Copy)]
pub(crate) struct At {
    /// The time step.
    pub t: usize,
    /// The one before.
    pub before: usize,
    /// Whether there was none.
    pub is_first: bool,
}

#[cube]
pub(crate) fn at(walked: usize, time: usize, reverse: bool) -> At {
    let is_first = walked == 0;
    let t = if reverse { time - 1 - walked } else { walked };
    let before = if is_first {
        t
    } else if reverse {
        t + 1
    } else {
        t - 1
    };
    At { t, before, is_first }
}

/// The first row of a tile, of those that tiles of `rows` rows each divide the batch into: rows from `turn` on walk in the other
/// direction, so no tile has rows of both.
#[cube]
pub(crate) fn first_row(tile: usize, turn: usize, #[comptime] rows: usize) -> usize {
    let before = turn.div_ceil(rows);
    if tile < before { tile * rows } else { turn + (tile - before) * rows }
}

/// Where the rows end that walk in the direction of a row.
#[cube]
pub(crate) fn end_of(row: usize, turn: usize, batch: usize) -> usize {
    if row < turn { turn } else { batch }
}

/// Which of two sets of weights a row has.
#[cube]
pub(crate) fn side_of(row: usize, turn: usize, #[comptime] both: bool) -> usize {
    if comptime!(both) { usize::cast_from(row >= turn) } else { 0usize.runtime() }
}

/// Where state `n` begins in the states of `time` steps, and how wide it is.
#[cube]
pub(crate) fn state_at(#[comptime] n: usize, time: usize, batch: usize, output: usize) -> usize {
    if comptime!(n == 0) { 0usize.runtime() } else { time * batch * output }
}

#[cube]
pub(crate) fn width_of(#[comptime] n: usize, hidden: usize, output: usize) -> usize {
    if comptime!(n == 0) { output } else { hidden }
}

/// Whether a row has not ended at a time step.
#[cube]
pub(crate) fn is_active(lengths: &ComptimeOption<Box<[u32]>>, t: usize, row: usize) -> bool {
    #[comptime]
    let active = match lengths {
        ComptimeOption::Some(lengths) => t < lengths[row] as usize,
        ComptimeOption::None => true.runtime(),
    };
    active
}

/// The number at a place of numbers that need not be there.
#[cube]
pub(crate) fn number<N: Float>(of: &ComptimeOption<Box<[N]>>, place: usize, without: f32) -> f32 {
    #[comptime]
    let number = match of {
        ComptimeOption::Some(numbers) => f32::cast_from(numbers[place]),
        ComptimeOption::None => without,
    };
    number
}
