use cubecl::prelude::*;

use crate::{
    indexing::{read_or, step_index},
    product::{Source, Vec4},
};

/// The buffers of the forward scan. `T` time, `B` batch, of both directions, `D` directions with their own weights, one
/// or two, `G` gates, `H` hidden units, `P` output width.
#[derive(CubeType, CubeLaunch)]
pub(crate) struct Forward<N: Float> {
    /// The input projection, `[T, B, G, H]`.
    pub input: Box<[N]>,
    /// `[D, P/4, G, H]`
    pub weights: Box<[Vec4<N>]>,
    /// `[D, G, H]`
    pub bias: ComptimeOption<Box<[f32]>>,
    /// The initial states: `[B, P]`, `[B, H]`.
    pub initial: Box<[f32]>,
    /// Time steps of each row, `[B]`.
    pub lengths: ComptimeOption<Box<[u32]>>,
    /// The mask of recurrent dropout, `[B, P]`.
    pub dropout: ComptimeOption<Box<[f32]>>,
    /// The masks of zoneout, in the layout of the states.
    pub masks: ComptimeOption<Box<[f32]>>,
    /// `[D, H/4, P]`
    pub projection: ComptimeOption<Box<[Vec4<N>]>>,
    /// The gain of layer normalization, `[D, G, H]`.
    pub gain: ComptimeOption<Box<[f32]>>,
    /// `[T, B, P]`, `[T, B, H]`
    pub states: Box<[f32]>,
    /// The values that the cell saves, `[T, B, V, H]`, if backward follows.
    pub saved: Box<[N]>,
    /// The auxiliary buffer: see [`AuxLayout`](crate::layout::AuxLayout).
    pub aux: Box<[f32]>,
    pub unprojected_offset: usize,
    pub products_offset: usize,
    pub statistics_offset: usize,
    pub candidate_input_offset: usize,
    pub time: usize,
    pub batch: usize,
    pub hidden: usize,
    pub output: usize,
    /// Rows from this one on are scanned in reverse.
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
    /// Whether backward follows.
    pub saves: bool,
    /// Whether the hidden state that the cell returns is stored, before projection and zoneout.
    pub stores_unprojected: bool,
    /// Whether zoneout uses the rates.
    pub rates: bool,
    /// Whether the hidden state is projected.
    pub projection: bool,
    /// Whether the recurrent product is normalized.
    pub norm: bool,
    /// Whether there are rows of both directions, and two sets of weights.
    pub bidirectional: bool,
}

/// The time index in the auxiliary buffer, which has a single step if backward does not follow.
#[cube]
pub(crate) fn aux_time(t: usize, #[comptime] saves: bool) -> usize {
    if comptime!(saves) { t } else { 0usize.runtime() }
}

/// The hidden state before a step, times the mask of recurrent dropout.
pub(crate) struct Hidden;

#[cube]
impl<N: Float> Source<Forward<N>> for Hidden {
    fn read(b: &Forward<N>, step: usize, row: usize, unit: usize) -> f32 {
        let offset = row * b.output + unit;
        let index = step_index(step, b.time, row >= b.first_reverse_row);
        let value = if index.is_first { b.initial[offset] } else { b.states[index.prev * b.batch * b.output + offset] };
        value * read_or(&b.dropout, offset, 1.0f32.runtime())
    }
}

/// The input of the candidate gates' recurrent product.
pub(crate) struct CandidateInputs;

#[cube]
impl<N: Float> Source<Forward<N>> for CandidateInputs {
    fn read(b: &Forward<N>, _step: usize, row: usize, unit: usize) -> f32 {
        b.aux[b.candidate_input_offset + row * b.hidden + unit]
    }
}

/// The hidden state before its projection.
pub(crate) struct Unprojected;

#[cube]
impl<N: Float> Source<Forward<N>> for Unprojected {
    fn read(b: &Forward<N>, step: usize, row: usize, unit: usize) -> f32 {
        let t = aux_time(step_index(step, b.time, row >= b.first_reverse_row).t, comptime!(b.flags.saves));
        b.aux[b.unprojected_offset + (t * b.batch + row) * b.hidden + unit]
    }
}
