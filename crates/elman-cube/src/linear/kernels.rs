//! Forward and backward kernels.

use cubecl::{ir::ElemType, prelude::*};

use crate::{
    cell::{Linear, MAX_GATES, MAX_STATES},
    indexing::{is_active, read_or, step_index},
};

/// Channels (hidden units) per cube, one per thread in x.
pub(super) const CHANNELS: usize = 32;

/// The buffers of a scan, forward or backward.
#[derive(CubeType, CubeLaunch)]
pub(super) struct Buffers<N: Float> {
    /// Forward: the input projection, `[T, B, G, H]`.
    input: ComptimeOption<Box<[N]>>,
    /// Backward: the gradient with respect to the states, `[T, B, H]`.
    gradient: ComptimeOption<Box<[f32]>>,
    /// The initial states, `[B, H]`.
    initial: Box<[f32]>,
    /// Time steps of each row, `[B]`.
    lengths: ComptimeOption<Box<[u32]>>,
    /// The masks of zoneout, `[T, B, H]`.
    masks: ComptimeOption<Box<[f32]>>,
    /// `[T, B, H]`
    states: Box<[f32]>,
    /// The values that the cell saves, `[T, B, V, H]`.
    saved: Box<[N]>,
    /// Backward: the gradient with respect to the input projection, `[T, B, G, H]`.
    d_input: ComptimeOption<Box<[N]>>,
    /// Backward: the gradient with respect to the initial states, `[B, H]`.
    d_state: ComptimeOption<Box<[f32]>>,
    time: usize,
    batch: usize,
    hidden: usize,
    /// Rows from this one on are scanned in reverse.
    first_reverse_row: usize,
    /// The steps `first..end` of this launch, and the steps per segment.
    first: usize,
    end: usize,
    segment_len: usize,
    /// The zoneout rate in inference.
    rate: f32,
    #[cube(comptime)]
    has_rates: bool,
    #[cube(comptime)]
    saves: bool,
    /// Number of segments.
    #[cube(comptime)]
    segments: usize,
}

/// The row, channel and segment that a thread processes.
#[derive(CubeType)]
struct ThreadTask {
    row: usize,
    channel: usize,
    /// Whether the channel exists.
    in_bounds: bool,
    /// The steps `first..end` of its segment.
    first: usize,
    end: usize,
}

#[cube]
fn thread_task<N: Float>(b: &Buffers<N>) -> ThreadTask {
    let channel = CUBE_POS_X as usize * CHANNELS + UNIT_POS_X as usize;
    let first = min(b.first + UNIT_POS_Y as usize * b.segment_len, b.end);
    let end = min(first + b.segment_len, b.end);
    ThreadTask { row: CUBE_POS_Y as usize, channel, in_bounds: channel < b.hidden, first, end }
}

#[cube]
fn zoneout<N: Float>(b: &Buffers<N>, offset: usize) -> f32 {
    if comptime!(b.has_rates) { b.rate } else { read_or(&b.masks, offset, 0.0f32.runtime()) }
}

/// The state before a step.
#[cube]
fn state_before<N: Float>(b: &Buffers<N>, step: usize, task: &ThreadTask) -> f32 {
    let index = step_index(step, b.time, task.row >= b.first_reverse_row);
    if index.is_first {
        b.initial[task.row * b.hidden + task.channel]
    } else {
        b.states[(index.prev * b.batch + task.row) * b.hidden + task.channel]
    }
}

/// The input projection of a step.
#[cube]
fn inputs<N: Float, C: Linear>(b: &Buffers<N>, t: usize, task: &ThreadTask) -> Array<f32> {
    let mut input = Array::<f32>::new(MAX_GATES);
    #[unroll]
    for g in 0..comptime!(C::GATES) {
        let offset = ((t * b.batch + task.row) * comptime!(C::GATES) + g) * b.hidden + task.channel;
        input[g] = read_or(&b.input, offset, 0.0f32.runtime());
    }
    input
}

/// The values that the cell saved at a step.
#[cube]
fn saved_of<N: Float, C: Linear>(b: &Buffers<N>, t: usize, task: &ThreadTask) -> Array<f32> {
    let mut saved = Array::<f32>::new(MAX_GATES);
    #[unroll]
    for v in 0..comptime!(C::SAVED) {
        saved[v] =
            f32::cast_from(b.saved[((t * b.batch + task.row) * comptime!(C::SAVED) + v) * b.hidden + task.channel]);
    }
    saved
}

/// The state, or its gradient, with which a thread's segment starts: applies to `start` the maps `x → factor · x +
/// addend` of the segments that precede it in the scan, each computed by that segment's thread. All threads of the cube
/// must call it together.
#[cube]
fn compose_segments(
    start: f32,
    factor: f32,
    addend: f32,
    #[comptime] segments: usize,
    #[comptime] reverse: bool,
) -> f32 {
    let mut value = start;
    if comptime!(segments > 1) {
        let mut factors = Shared::<[f32]>::new_slice(comptime!(CHANNELS * segments));
        let mut addends = Shared::<[f32]>::new_slice(comptime!(CHANNELS * segments));
        factors[UNIT_POS as usize] = factor;
        addends[UNIT_POS as usize] = addend;
        sync_cube();
        let y = UNIT_POS_Y as usize;
        let before = if comptime!(reverse) { comptime!(segments - 1) - y } else { y };
        for n in 0..before {
            let segment = if comptime!(reverse) { comptime!(segments - 1) - n } else { n };
            let offset = segment * CHANNELS + UNIT_POS_X as usize;
            value = factors[offset] * value + addends[offset];
        }
    }
    value
}

#[cube(launch_unchecked)]
pub(super) fn forward_kernel<N: Float, C: Linear>(mut b: Buffers<N>, #[define(N)] _dtype: ElemType) {
    let task = thread_task::<N>(&b);
    let recurrent = Array::<f32>::new(MAX_GATES);
    let mut before = Array::<f32>::new(MAX_STATES);
    let mut next = Array::<f32>::new(MAX_STATES);
    let mut saved = Array::<f32>::new(MAX_GATES);

    let mut factor = 1.0f32.runtime();
    let mut addend = 0.0f32.runtime();
    if comptime!(b.segments > 1) {
        if task.in_bounds {
            for step in task.first..task.end {
                let t = step_index(step, b.time, task.row >= b.first_reverse_row).t;
                if is_active(&b.lengths, t, task.row) {
                    let input = inputs::<N, C>(&b, t, &task);
                    before[0] = 0.0f32.runtime();
                    C::forward(&input, &recurrent, &before, &mut next, &mut saved);
                    let z = zoneout::<N>(&b, (t * b.batch + task.row) * b.hidden + task.channel);
                    let decay = z + (1.0f32 - z) * C::decay(&saved);
                    factor *= decay;
                    addend = decay * addend + (1.0f32 - z) * next[0];
                }
            }
        }
    }
    let mut initial = 0.0f32.runtime();
    if task.in_bounds {
        initial = state_before::<N>(&b, b.first, &task);
    }
    let mut state = compose_segments(initial, factor, addend, comptime!(b.segments), false);
    if task.in_bounds {
        for step in task.first..task.end {
            let t = step_index(step, b.time, task.row >= b.first_reverse_row).t;
            let line = t * b.batch + task.row;
            if is_active(&b.lengths, t, task.row) {
                let input = inputs::<N, C>(&b, t, &task);
                before[0] = state;
                C::forward(&input, &recurrent, &before, &mut next, &mut saved);
                let z = zoneout::<N>(&b, line * b.hidden + task.channel);
                state = z * state + (1.0f32 - z) * next[0];
                if comptime!(b.saves) {
                    #[unroll]
                    for v in 0..comptime!(C::SAVED) {
                        b.saved[(line * comptime!(C::SAVED) + v) * b.hidden + task.channel] = N::cast_from(saved[v]);
                    }
                }
            }
            b.states[line * b.hidden + task.channel] = state;
        }
    }
}

#[cube(launch_unchecked)]
pub(super) fn backward_kernel<N: Float, C: Linear>(mut b: Buffers<N>, #[define(N)] _dtype: ElemType) {
    let task = thread_task::<N>(&b);
    let mut factor = 1.0f32.runtime();
    let mut addend = 0.0f32.runtime();
    if comptime!(b.segments > 1) {
        if task.in_bounds {
            for n in task.first..task.end {
                let t = step_index(task.first + task.end - 1 - n, b.time, task.row >= b.first_reverse_row).t;
                let offset = (t * b.batch + task.row) * b.hidden + task.channel;
                addend += read_or(&b.gradient, offset, 0.0f32.runtime());
                if is_active(&b.lengths, t, task.row) {
                    let z = zoneout::<N>(&b, offset);
                    let saved = saved_of::<N, C>(&b, t, &task);
                    let decay = z + (1.0f32 - z) * C::decay(&saved);
                    factor *= decay;
                    addend *= decay;
                }
            }
        }
    }
    let mut start = 0.0f32.runtime();
    if task.in_bounds && b.end < b.time {
        // the gradient that the previous launch, of the later steps, left
        start = read_or(&b.d_state, task.row * b.hidden + task.channel, 0.0f32.runtime());
    }
    let mut d_state = compose_segments(start, factor, addend, comptime!(b.segments), true);
    if task.in_bounds {
        for n in task.first..task.end {
            cell_backward::<N, C>(&mut b, task.first + task.end - 1 - n, &task, &mut d_state);
        }
        if UNIT_POS_Y == 0 {
            #[comptime]
            match &mut b.d_state {
                ComptimeOption::Some(into) => into[task.row * b.hidden + task.channel] = d_state,
                ComptimeOption::None => {}
            }
        }
    }
}

/// The backward pass of one step of the cell. `d_state` is the gradient with respect to the state after the step, and
/// is replaced by the one with respect to the state before it.
#[cube]
fn cell_backward<N: Float, C: Linear>(b: &mut Buffers<N>, step: usize, task: &ThreadTask, d_state: &mut f32) {
    let index = step_index(step, b.time, task.row >= b.first_reverse_row);
    let line = index.t * b.batch + task.row;
    let offset = line * b.hidden + task.channel;
    let d_after = *d_state + read_or(&b.gradient, offset, 0.0f32.runtime());
    *d_state = d_after;
    let mut d_input = Array::<f32>::new(MAX_GATES);
    let mut d_recurrent = Array::<f32>::new(MAX_GATES);
    #[unroll]
    for g in 0..comptime!(C::GATES) {
        d_input[g] = 0.0f32.runtime();
    }
    if is_active(&b.lengths, index.t, task.row) {
        let mut before = Array::<f32>::new(MAX_STATES);
        before[0] = state_before::<N>(&*b, step, task);
        let z = zoneout::<N>(&*b, offset);
        let mut gradient = Array::<f32>::new(MAX_STATES);
        gradient[0] = (1.0f32 - z) * d_after;
        let mut d_before = Array::<f32>::new(MAX_STATES);
        let saved = saved_of::<N, C>(&*b, index.t, task);
        let output = b.states[offset];
        C::backward(&saved, &before, output, &gradient, &mut d_input, &mut d_recurrent, &mut d_before);
        *d_state = z * d_after + d_before[0];
    }
    #[comptime]
    match &mut b.d_input {
        ComptimeOption::Some(into) =>
        {
            #[unroll]
            for g in 0..comptime!(C::GATES) {
                into[(line * comptime!(C::GATES) + g) * b.hidden + task.channel] = N::cast_from(d_input[g]);
            }
        }
        ComptimeOption::None => {}
    }
}
