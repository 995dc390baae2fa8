//! Time steps, row ranges and offsets, and reads of optional operands, shared by the kernels.

use cubecl::prelude::*;

/// The times of a step of the scan and of the step before it.
#[derive(CubeType, Clone, Copy)]
pub(crate) struct StepIndex {
    /// The time of this step.
    pub t: usize,
    /// The time of the previous step; `t` if this is the first one.
    pub prev: usize,
    /// Whether this is the first step.
    pub is_first: bool,
}

/// The times of the scan's step number `step`.
#[cube]
pub(crate) fn step_index(step: usize, time: usize, reverse: bool) -> StepIndex {
    let is_first = step == 0;
    let t = if reverse { time - 1 - step } else { step };
    let prev = if is_first {
        t
    } else if reverse {
        t + 1
    } else {
        t - 1
    };
    StepIndex { t, prev, is_first }
}

/// The first row of a tile of `rows` rows. Tiles do not cross `first_reverse_row`, so the rows of a tile have the same
/// direction.
#[cube]
pub(crate) fn first_row(tile: usize, first_reverse_row: usize, #[comptime] rows: usize) -> usize {
    let forward_tiles = first_reverse_row.div_ceil(rows);
    if tile < forward_tiles { tile * rows } else { first_reverse_row + (tile - forward_tiles) * rows }
}

/// The end of the rows that have the same direction as `row`.
#[cube]
pub(crate) fn row_end(row: usize, first_reverse_row: usize, batch: usize) -> usize {
    if row < first_reverse_row { first_reverse_row } else { batch }
}

/// The index of the set of weights that a row uses.
#[cube]
pub(crate) fn direction_of(row: usize, first_reverse_row: usize, #[comptime] bidirectional: bool) -> usize {
    if comptime!(bidirectional) { usize::cast_from(row >= first_reverse_row) } else { 0usize.runtime() }
}

/// The offset of state `n` in the states of `time` steps.
#[cube]
pub(crate) fn state_offset(#[comptime] n: usize, time: usize, batch: usize, output: usize) -> usize {
    if comptime!(n == 0) { 0usize.runtime() } else { time * batch * output }
}

/// The width of state `n`.
#[cube]
pub(crate) fn state_width(#[comptime] n: usize, hidden: usize, output: usize) -> usize {
    if comptime!(n == 0) { output } else { hidden }
}

/// Whether a row has not ended at time `t`.
#[cube]
pub(crate) fn is_active(lengths: &ComptimeOption<Box<[u32]>>, t: usize, row: usize) -> bool {
    #[comptime]
    let active = match lengths {
        ComptimeOption::Some(lengths) => t < lengths[row] as usize,
        ComptimeOption::None => true.runtime(),
    };
    active
}

/// The value of an optional operand at an offset, or `default` if the operand is absent.
#[cube]
pub(crate) fn read_or<N: Float>(operand: &ComptimeOption<Box<[N]>>, offset: usize, default: f32) -> f32 {
    #[comptime]
    let value = match operand {
        ComptimeOption::Some(values) => f32::cast_from(values[offset]),
        ComptimeOption::None => default,
    };
    value
}
