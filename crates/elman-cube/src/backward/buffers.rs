use cubecl::prelude::*;

use crate::{
    forward::aux_time,
    indexing::{read_or, state_offset, state_width, step_index},
    product::{Source, Vec4},
};

/// The buffers of the backward scan. `T` time, `B` batch, of both directions, `D` directions with their own weights,
/// one or two, `G` gates, `H` hidden units, `P` output width.
#[derive(CubeType, CubeLaunch)]
pub(crate) struct Backward<N: Float> {
    /// The gradient with respect to the states: `[T, B, P]`, `[T, B, H]`.
    pub gradient: Box<[f32]>,
    /// The weights of the non-candidate gates, `[D, gates·H/4, P]`.
    pub weights: Box<[Vec4<N>]>,
    /// The weights of the candidate gates, `[D, gates·H/4, H]`.
    pub candidate_weights: ComptimeOption<Box<[Vec4<N>]>>,
    /// `[D, P/4, H]`
    pub projection: ComptimeOption<Box<[Vec4<N>]>>,
    /// The gain of layer normalization, `[D, G, H]`.
    pub gain: ComptimeOption<Box<[f32]>>,
    /// The initial states: `[B, P]`, `[B, H]`.
    pub initial: Box<[f32]>,
    /// Time steps of each row, `[B]`.
    pub lengths: ComptimeOption<Box<[u32]>>,
    /// The mask of recurrent dropout, `[B, P]`.
    pub dropout: ComptimeOption<Box<[f32]>>,
    /// The masks of zoneout, in the layout of the states.
    pub masks: ComptimeOption<Box<[f32]>>,
    /// `[T, B, P]`, `[T, B, H]`
    pub states: Box<[f32]>,
    /// The values that the cell saved, `[T, B, V, H]`.
    pub saved: Box<[N]>,
    /// The auxiliary buffer: see [`AuxLayout`](crate::layout::AuxLayout).
    pub aux: Box<[f32]>,
    /// The gradient with respect to the states before the last processed step, `[B, P]`, `[B, H]`, without the gradient
    /// through the recurrent product. In the end it is the gradient with respect to the initial states.
    pub d_state: Box<[f32]>,
    /// The gradient with respect to the input projection, `[T, B, G, H]`.
    pub d_input: Box<[N]>,
    /// The gradient with respect to the recurrent product including its bias, `[T, B, G, H]`, if it differs from
    /// `d_input`.
    pub d_recurrent: ComptimeOption<Box<[N]>>,
    /// The gradient with respect to the recurrent product before layer normalization, `[T, B, G, H]`.
    pub d_product: ComptimeOption<Box<[N]>>,
    /// The gradient with respect to the gain, per row and step, `[T, B, G, H]`.
    pub d_gain: ComptimeOption<Box<[N]>>,
    /// The gradient with respect to the projected hidden state, `[T, B, P]`.
    pub d_projected: ComptimeOption<Box<[N]>>,
    /// The recomputed input of the candidate gates' recurrent product, `[T, B, H]`.
    pub candidate_input: ComptimeOption<Box<[N]>>,
    pub unprojected_offset: usize,
    pub products_offset: usize,
    pub statistics_offset: usize,
    pub time: usize,
    pub batch: usize,
    pub hidden: usize,
    pub output: usize,
    /// Rows from this one on were scanned in reverse.
    pub first_reverse_row: usize,
    /// The zoneout rates in inference, of the hidden state and of the second state.
    pub hidden_rate: f32,
    pub other_rate: f32,
    #[cube(comptime)]
    pub flags: Flags,
}

/// Compile-time switches of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Flags {
    /// Gates per unit, and how many of them are candidate gates.
    pub gates: usize,
    pub candidate_gates: usize,
    /// Whether forward stored the hidden state that the cell returned, before projection and zoneout.
    pub has_unprojected: bool,
    /// Whether zoneout uses the rates.
    pub rates: bool,
    /// Whether the hidden state is projected.
    pub projection: bool,
    /// Whether the recurrent product is normalized.
    pub norm: bool,
    /// Whether there are rows of both directions, and two sets of weights.
    pub bidirectional: bool,
}

/// The gradient with respect to the recurrent products of the non-candidate gates at a step.
pub(crate) struct ProductGrad;

#[cube]
impl<N: Float> Source<Backward<N>> for ProductGrad {
    fn read(b: &Backward<N>, step: usize, row: usize, k: usize) -> f32 {
        let t = step_index(step, b.time, row >= b.first_reverse_row).t;
        d_product::<N>(b, (t * b.batch + row) * comptime!(b.flags.gates) * b.hidden + k)
    }
}

/// The gradient with respect to the recurrent products of the candidate gates at a step.
pub(crate) struct CandidateProductGrad;

#[cube]
impl<N: Float> Source<Backward<N>> for CandidateProductGrad {
    fn read(b: &Backward<N>, step: usize, row: usize, k: usize) -> f32 {
        let t = step_index(step, b.time, row >= b.first_reverse_row).t;
        let candidate_start = comptime!(b.flags.gates - b.flags.candidate_gates);
        d_product::<N>(b, ((t * b.batch + row) * comptime!(b.flags.gates) + candidate_start) * b.hidden + k)
    }
}

/// The gradient with respect to the projected hidden state.
pub(crate) struct ProjectedGrad;

#[cube]
impl<N: Float> Source<Backward<N>> for ProjectedGrad {
    fn read(b: &Backward<N>, step: usize, row: usize, unit: usize) -> f32 {
        let t = step_index(step, b.time, row >= b.first_reverse_row).t;
        read_or(&b.d_projected, (t * b.batch + row) * b.output + unit, 0.0f32.runtime())
    }
}

/// The gradient with respect to a recurrent product, from the buffer that holds it.
#[cube]
fn d_product<N: Float>(b: &Backward<N>, offset: usize) -> f32 {
    #[comptime]
    let value = match &b.d_product {
        ComptimeOption::Some(d_product) => f32::cast_from(d_product[offset]),
        ComptimeOption::None => d_recurrent::<N>(b, offset),
    };
    value
}

/// The gradient with respect to a recurrent product including its bias.
#[cube]
pub(crate) fn d_recurrent<N: Float>(b: &Backward<N>, offset: usize) -> f32 {
    #[comptime]
    let value = match &b.d_recurrent {
        ComptimeOption::Some(d_recurrent) => f32::cast_from(d_recurrent[offset]),
        ComptimeOption::None => f32::cast_from(b.d_input[offset]),
    };
    value
}

/// State `n` before a step.
#[cube]
pub(crate) fn state_before<N: Float>(
    b: &Backward<N>,
    step: usize,
    row: usize,
    unit: usize,
    #[comptime] n: usize,
) -> f32 {
    let index = step_index(step, b.time, row >= b.first_reverse_row);
    let width = state_width(n, b.hidden, b.output);
    let offset = row * width + unit;
    if index.is_first {
        b.initial[state_offset(n, 1usize.runtime(), b.batch, b.output) + offset]
    } else {
        b.states[state_offset(n, b.time, b.batch, b.output) + index.prev * b.batch * width + offset]
    }
}

/// The mask of recurrent dropout; 1 without dropout.
#[cube]
pub(crate) fn dropout<N: Float>(b: &Backward<N>, row: usize, unit: usize) -> f32 {
    read_or(&b.dropout, row * b.output + unit, 1.0f32.runtime())
}

/// The zoneout rate or mask of state `n` at `offset` of the states.
#[cube]
pub(crate) fn zoneout<N: Float>(b: &Backward<N>, offset: usize, #[comptime] n: usize) -> f32 {
    if comptime!(b.flags.rates) {
        if comptime!(n == 0) { b.hidden_rate } else { b.other_rate }
    } else {
        read_or(&b.masks, offset, 0.0f32.runtime())
    }
}

/// The hidden state that the cell returned.
#[cube]
pub(crate) fn output<N: Float>(b: &Backward<N>, t: usize, row: usize, unit: usize) -> f32 {
    if comptime!(b.flags.has_unprojected) {
        b.aux[b.unprojected_offset + (aux_time(t, true) * b.batch + row) * b.hidden + unit]
    } else {
        b.states[(t * b.batch + row) * b.output + unit]
    }
}
