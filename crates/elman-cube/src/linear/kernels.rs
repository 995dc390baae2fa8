//! The kernels.

use cubecl::{ir::ElemType, prelude::*};

use crate::{
    cell::{Linear, MAX_GATES, MAX_STATES},
    place::{at, is_active, number},
};

/// Channels that a cube has side by side.
pub(super) const CHANNELS: usize = 32;

/// What a walk reads and writes.
#[derive(CubeType, CubeLaunch)]
pub(super) struct Buffers<N: Float> {
    /// Forward, the input product `[T, B, G, H]`.
    input: ComptimeOption<Box<[N]>>,
    /// Back, the gradient by the states, `[T, B, H]`.
    gradient: ComptimeOption<Box<[f32]>>,
    /// `[B, H]`
    initial: Box<[f32]>,
    /// Steps of each row, `[B]`.
    lengths: ComptimeOption<Box<[u32]>>,
    /// Of zoneout, `[T, B, H]`.
    masks: ComptimeOption<Box<[f32]>>,
    /// `[T, B, H]`
    states: Box<[f32]>,
    /// What the cell saves, `[T, B, V, H]`.
    saved: Box<[N]>,
    /// Back, by the input product, `[T, B, G, H]`.
    by_input: ComptimeOption<Box<[N]>>,
    /// Back, by the initial state, `[B, H]`.
    by_state: ComptimeOption<Box<[f32]>>,
    time: usize,
    batch: usize,
    hidden: usize,
    /// Rows from here on are walked from the last time step to the first.
    turn: usize,
    /// The steps of this launch, in the order of the walk, and those of a stretch of them.
    first: usize,
    end: usize,
    stretch: usize,
    rate: f32,
    #[cube(comptime)]
    has_rates: bool,
    #[cube(comptime)]
    saves: bool,
    /// How many stretches there are.
    #[cube(comptime)]
    stretches: usize,
}

/// Which numbers a unit works on.
#[derive(CubeType)]
struct Own {
    row: usize,
    channel: usize,
    is_there: bool,
    /// Steps of its stretch, in the order of the walk.
    first: usize,
    end: usize,
}

#[cube]
fn own<N: Float>(b: &Buffers<N>) -> Own {
    let channel = CUBE_POS_X as usize * CHANNELS + UNIT_POS_X as usize;
    let first = min(b.first + UNIT_POS_Y as usize * b.stretch, b.end);
    let end = min(first + b.stretch, b.end);
    Own { row: CUBE_POS_Y as usize, channel, is_there: channel < b.hidden, first, end }
}

#[cube]
fn zoneout<N: Float>(b: &Buffers<N>, place: usize) -> f32 {
    if comptime!(b.has_rates) { b.rate } else { number(&b.masks, place, 0.0f32.runtime()) }
}

/// The state before a step.
#[cube]
fn state_before<N: Float>(b: &Buffers<N>, walked: usize, own: &Own) -> f32 {
    let step = at(walked, b.time, own.row >= b.turn);
    if step.is_first {
        b.initial[own.row * b.hidden + own.channel]
    } else {
        b.states[(step.before * b.batch + own.row) * b.hidden + own.channel]
    }
}

/// The gates of a step.
#[cube]
fn inputs<N: Float, C: Linear>(b: &Buffers<N>, t: usize, own: &Own) -> Array<f32> {
    let mut input = Array::<f32>::new(MAX_GATES);
    #[unroll]
    for g in 0..comptime!(C::GATES) {
        let place = ((t * b.batch + own.row) * comptime!(C::GATES) + g) * b.hidden + own.channel;
        input[g] = number(&b.input, place, 0.0f32.runtime());
    }
    input
}

/// What the cell saved of a step.
#[cube]
fn saved_of<N: Float, C: Linear>(b: &Buffers<N>, t: usize, own: &Own) -> Array<f32> {
    let mut saved = Array::<f32>::new(MAX_GATES);
    #[unroll]
    for v in 0..comptime!(C::SAVED) {
        saved[v] =
            f32::cast_from(b.saved[((t * b.batch + own.row) * comptime!(C::SAVED) + v) * b.hidden + own.channel]);
    }
    saved
}

/// The state, or its gradient, that a unit's stretch begins with: `start` goes through the stretches walked before, each
/// `factor · x + offset` as its unit found it. All units of the cube must call it together.
#[cube]
fn through_stretches(
    start: f32,
    factor: f32,
    offset: f32,
    #[comptime] stretches: usize,
    #[comptime] from_the_end: bool,
) -> f32 {
    let mut value = start;
    if comptime!(stretches > 1) {
        let mut factors = Shared::<[f32]>::new_slice(comptime!(CHANNELS * stretches));
        let mut offsets = Shared::<[f32]>::new_slice(comptime!(CHANNELS * stretches));
        factors[UNIT_POS as usize] = factor;
        offsets[UNIT_POS as usize] = offset;
        sync_cube();
        let y = UNIT_POS_Y as usize;
        let before = if comptime!(from_the_end) { comptime!(stretches - 1) - y } else { y };
        for n in 0..before {
            let stretch = if comptime!(from_the_end) { comptime!(stretches - 1) - n } else { n };
            let place = stretch * CHANNELS + UNIT_POS_X as usize;
            value = factors[place] * value + offsets[place];
        }
    }
    value
}

#[cube(launch_unchecked)]
pub(super) fn forward_kernel<N: Float, C: Linear>(mut b: Buffers<N>, #[define(N)] _number: ElemType) {
    let own = own::<N>(&b);
    let nothing = Array::<f32>::new(MAX_GATES);
    let mut before = Array::<f32>::new(MAX_STATES);
    let mut next = Array::<f32>::new(MAX_STATES);
    let mut saved = Array::<f32>::new(MAX_GATES);

    let mut factor = 1.0f32.runtime();
    let mut offset = 0.0f32.runtime();
    if comptime!(b.stretches > 1) {
        if own.is_there {
            for walked in own.first..own.end {
                let t = at(walked, b.time, own.row >= b.turn).t;
                if is_active(&b.lengths, t, own.row) {
                    let input = inputs::<N, C>(&b, t, &own);
                    before[0] = 0.0f32.runtime();
                    C::forward(&input, &nothing, &before, &mut next, &mut saved);
                    let z = zoneout::<N>(&b, (t * b.batch + own.row) * b.hidden + own.channel);
                    let decay = z + (1.0f32 - z) * C::decay(&saved);
                    factor *= decay;
                    offset = decay * offset + (1.0f32 - z) * next[0];
                }
            }
        }
    }
    let mut initial = 0.0f32.runtime();
    if own.is_there {
        initial = state_before::<N>(&b, b.first, &own);
    }
    let mut state = through_stretches(initial, factor, offset, comptime!(b.stretches), false);
    if own.is_there {
        for walked in own.first..own.end {
            let t = at(walked, b.time, own.row >= b.turn).t;
            let line = t * b.batch + own.row;
            if is_active(&b.lengths, t, own.row) {
                let input = inputs::<N, C>(&b, t, &own);
                before[0] = state;
                C::forward(&input, &nothing, &before, &mut next, &mut saved);
                let z = zoneout::<N>(&b, line * b.hidden + own.channel);
                state = z * state + (1.0f32 - z) * next[0];
                if comptime!(b.saves) {
                    #[unroll]
                    for v in 0..comptime!(C::SAVED) {
                        b.saved[(line * comptime!(C::SAVED) + v) * b.hidden + own.channel] = N::cast_from(saved[v]);
                    }
                }
            }
            b.states[line * b.hidden + own.channel] = state;
        }
    }
}

#[cube(launch_unchecked)]
pub(super) fn backward_kernel<N: Float, C: Linear>(mut b: Buffers<N>, #[define(N)] _number: ElemType) {
    let own = own::<N>(&b);
    let mut factor = 1.0f32.runtime();
    let mut offset = 0.0f32.runtime();
    if comptime!(b.stretches > 1) {
        if own.is_there {
            for n in own.first..own.end {
                let t = at(own.first + own.end - 1 - n, b.time, own.row >= b.turn).t;
                let place = (t * b.batch + own.row) * b.hidden + own.channel;
                offset += number(&b.gradient, place, 0.0f32.runtime());
                if is_active(&b.lengths, t, own.row) {
                    let z = zoneout::<N>(&b, place);
                    let saved = saved_of::<N, C>(&b, t, &own);
                    let decay = z + (1.0f32 - z) * C::decay(&saved);
                    factor *= decay;
                    offset *= decay;
                }
            }
        }
    }
    let mut start = 0.0f32.runtime();
    if own.is_there && b.end < b.time {
        // what the launch before has carried to here
        start = number(&b.by_state, own.row * b.hidden + own.channel, 0.0f32.runtime());
    }
    let mut carried = through_stretches(start, factor, offset, comptime!(b.stretches), true);
    if own.is_there {
        for n in own.first..own.end {
            step_back::<N, C>(&mut b, own.first + own.end - 1 - n, &own, &mut carried);
        }
        if UNIT_POS_Y == 0 {
            #[comptime]
            match &mut b.by_state {
                ComptimeOption::Some(into) => into[own.row * b.hidden + own.channel] = carried,
                ComptimeOption::None => {}
            }
        }
    }
}

/// One step of the cell, back; `carried` is the gradient by the state after it, and then by that before.
#[cube]
fn step_back<N: Float, C: Linear>(b: &mut Buffers<N>, walked: usize, own: &Own, carried: &mut f32) {
    let step = at(walked, b.time, own.row >= b.turn);
    let line = step.t * b.batch + own.row;
    let place = line * b.hidden + own.channel;
    let by = *carried + number(&b.gradient, place, 0.0f32.runtime());
    *carried = by;
    let mut by_input = Array::<f32>::new(MAX_GATES);
    let mut by_recurrent = Array::<f32>::new(MAX_GATES);
    #[unroll]
    for g in 0..comptime!(C::GATES) {
        by_input[g] = 0.0f32.runtime();
    }
    if is_active(&b.lengths, step.t, own.row) {
        let mut before = Array::<f32>::new(MAX_STATES);
        before[0] = state_before::<N>(&*b, walked, own);
        let z = zoneout::<N>(&*b, place);
        let mut through = Array::<f32>::new(MAX_STATES);
        through[0] = (1.0f32 - z) * by;
        let mut by_state = Array::<f32>::new(MAX_STATES);
        let saved = saved_of::<N, C>(&*b, step.t, own);
        let output = b.states[place];
        C::backward(&saved, &before, output, &through, &mut by_input, &mut by_recurrent, &mut by_state);
        *carried = z * by + by_state[0];
    }
    #[comptime]
    match &mut b.by_input {
        ComptimeOption::Some(into) =>
        {
            #[unroll]
            for g in 0..comptime!(C::GATES) {
                into[(line * comptime!(C::GATES) + g) * b.hidden + own.channel] = N::cast_from(by_input[g]);
            }
        }
        ComptimeOption::None => {}
    }
}
