use cubecl::prelude::*;

use crate::{
    forward::kept_step,
    place::{at, number, state_at, width_of},
    product::{Four, Source},
};

/// What a walk back reads and writes. `T` time, `B` batch, of both directions, `G` gates, `H` hidden units, `P` output width; sides
/// are directions with weights of their own, one or two.
#[derive(CubeType, CubeLaunch)]
pub(crate) struct Backward<N: Float> {
    /// By the states: `[T, B, P]`, `[T, B, H]`.
    pub gradient: Box<[f32]>,
    /// Of the gates that are not late, `[sides, gates·H/4, P]`.
    pub weights: Box<[Four<N>]>,
    /// Of those that are, `[sides, gates·H/4, H]`.
    pub late_weights: ComptimeOption<Box<[Four<N>]>>,
    /// `[sides, P/4, H]`
    pub projection: ComptimeOption<Box<[Four<N>]>>,
    /// Of layer normalisation, `[sides, G, H]`.
    pub gain: ComptimeOption<Box<[f32]>>,
    /// The initial state: `[B, P]`, `[B, H]`.
    pub initial: Box<[f32]>,
    /// Steps of each row, `[B]`.
    pub lengths: ComptimeOption<Box<[u32]>>,
    /// Of recurrent dropout, `[B, P]`.
    pub dropout: ComptimeOption<Box<[f32]>>,
    /// Of zoneout, shaped as the states.
    pub masks: ComptimeOption<Box<[f32]>>,
    /// `[T, B, P]`, `[T, B, H]`
    pub states: Box<[f32]>,
    /// What the cell saved, `[T, B, V, H]`.
    pub saved: Box<[N]>,
    /// As [`AuxLayout`](crate::layout::AuxLayout) says.
    pub kept: Box<[f32]>,
    /// By the state before the step that was walked back last, `[B, P]`, `[B, H]`, without what goes through the recurrent
    /// product: in the end by the initial state.
    pub carried: Box<[f32]>,
    /// By the input product, `[T, B, G, H]`.
    pub by_input: Box<[N]>,
    /// By the recurrent product with its bias, `[T, B, G, H]`, where it differs from that by the input product.
    pub by_recurrent: ComptimeOption<Box<[N]>>,
    /// By the recurrent product before it is normalised, `[T, B, G, H]`.
    pub by_product: ComptimeOption<Box<[N]>>,
    /// By the gain, of each row and step, `[T, B, G, H]`.
    pub by_gain: ComptimeOption<Box<[N]>>,
    /// By the hidden state after its projection, `[T, B, P]`.
    pub by_projected: ComptimeOption<Box<[N]>>,
    /// What the late gates' weights were multiplied with, `[T, B, H]`.
    pub late: ComptimeOption<Box<[N]>>,
    pub unprojected_offset: usize,
    pub products_at: usize,
    pub statistics_at: usize,
    pub time: usize,
    pub batch: usize,
    pub hidden: usize,
    pub output: usize,
    /// Rows from here on were walked from the last time step to the first.
    pub turn: usize,
    /// Of zoneout in inference: of the hidden state and of the other.
    pub hidden_rate: f32,
    pub other_rate: f32,
    #[cube(comptime)]
    pub flags: Flags,
}

/// What there is besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Flags {
    /// Gates per unit, and how many of them are late.
    pub gates: usize,
    pub late: usize,
    /// Whether the hidden state that the cell returned was kept.
    pub raw: bool,
    /// Whether zoneout takes the rates.
    pub rates: bool,
    /// Whether the hidden state is projected.
    pub projection: bool,
    /// Whether the recurrent product is normalised.
    pub norm: bool,
    /// Whether there are rows of both directions, and two sets of weights.
    pub both: bool,
}

/// The gradient by the products of the gates that are not late, at a step.
pub(crate) struct ByProduct;

#[cube]
impl<N: Float> Source<Backward<N>> for ByProduct {
    fn read(b: &Backward<N>, walked: usize, row: usize, k: usize) -> f32 {
        let t = at(walked, b.time, row >= b.turn).t;
        by_product::<N>(b, (t * b.batch + row) * comptime!(b.flags.gates) * b.hidden + k)
    }
}

/// The gradient by the products of the late gates at this step.
pub(crate) struct ByLateProduct;

#[cube]
impl<N: Float> Source<Backward<N>> for ByLateProduct {
    fn read(b: &Backward<N>, walked: usize, row: usize, k: usize) -> f32 {
        let t = at(walked, b.time, row >= b.turn).t;
        let early = comptime!(b.flags.gates - b.flags.late);
        by_product::<N>(b, ((t * b.batch + row) * comptime!(b.flags.gates) + early) * b.hidden + k)
    }
}

/// The gradient by the projected hidden state.
pub(crate) struct ByProjected;

#[cube]
impl<N: Float> Source<Backward<N>> for ByProjected {
    fn read(b: &Backward<N>, walked: usize, row: usize, unit: usize) -> f32 {
        let t = at(walked, b.time, row >= b.turn).t;
        number(&b.by_projected, (t * b.batch + row) * b.output + unit, 0.0f32.runtime())
    }
}

/// The gradient by a recurrent product, wherever it is.
#[cube]
fn by_product<N: Float>(b: &Backward<N>, place: usize) -> f32 {
    #[comptime]
    let value = match &b.by_product {
        ComptimeOption::Some(by) => f32::cast_from(by[place]),
        ComptimeOption::None => by_recurrent::<N>(b, place),
    };
    value
}

/// The gradient by a recurrent product with its bias.
#[cube]
pub(crate) fn by_recurrent<N: Float>(b: &Backward<N>, place: usize) -> f32 {
    #[comptime]
    let value = match &b.by_recurrent {
        ComptimeOption::Some(by) => f32::cast_from(by[place]),
        ComptimeOption::None => f32::cast_from(b.by_input[place]),
    };
    value
}

/// State `n` before a step.
#[cube]
pub(crate) fn state_before<N: Float>(
    b: &Backward<N>,
    walked: usize,
    row: usize,
    unit: usize,
    #[comptime] n: usize,
) -> f32 {
    let at = at(walked, b.time, row >= b.turn);
    let width = width_of(n, b.hidden, b.output);
    let place = row * width + unit;
    if at.is_first {
        b.initial[state_at(n, 1usize.runtime(), b.batch, b.output) + place]
    } else {
        b.states[state_at(n, b.time, b.batch, b.output) + at.before * b.batch * width + place]
    }
}

/// The mask of recurrent dropout, 1 without.
#[cube]
pub(crate) fn dropout<N: Float>(b: &Backward<N>, row: usize, unit: usize) -> f32 {
    number(&b.dropout, row * b.output + unit, 1.0f32.runtime())
}

/// How much of state `n` stayed as it was, at `place` of it.
#[cube]
pub(crate) fn zoneout<N: Float>(b: &Backward<N>, place: usize, #[comptime] n: usize) -> f32 {
    if comptime!(b.flags.rates) {
        if comptime!(n == 0) { b.hidden_rate } else { b.other_rate }
    } else {
        number(&b.masks, place, 0.0f32.runtime())
    }
}

/// The hidden state that the cell returned.
#[cube]
pub(crate) fn output<N: Float>(b: &Backward<N>, t: usize, row: usize, unit: usize) -> f32 {
    if comptime!(b.flags.raw) {
        b.kept[b.unprojected_offset + (kept_step(t, true) * b.batch + row) * b.hidden + unit]
    } else {
        b.states[(t * b.batch + row) * b.output + unit]
    }
}
