use cubecl::prelude::*;

use crate::{
    place::{at, number},
    product::{Four, Source},
};

/// What a walk reads and writes. `T` time, `B` batch, of both directions, `G` gates, `H` hidden units, `P` output width; sides are
/// directions with weights of their own, one or two.
#[derive(CubeType, CubeLaunch)]
pub(crate) struct Forward<N: Float> {
    /// `[T, B, G, H]`
    pub input: Box<[N]>,
    /// `[sides, P/4, G, H]`
    pub weights: Box<[Four<N>]>,
    /// `[sides, G, H]`
    pub bias: ComptimeOption<Box<[f32]>>,
    /// The initial state: `[B, P]`, `[B, H]`.
    pub initial: Box<[f32]>,
    /// Steps of each row, `[B]`.
    pub lengths: ComptimeOption<Box<[u32]>>,
    /// Of recurrent dropout, `[B, P]`.
    pub dropout: ComptimeOption<Box<[f32]>>,
    /// Of zoneout, shaped as the states.
    pub masks: ComptimeOption<Box<[f32]>>,
    /// `[sides, H/4, P]`
    pub projection: ComptimeOption<Box<[Four<N>]>>,
    /// Of layer normalisation, `[sides, G, H]`.
    pub gain: ComptimeOption<Box<[f32]>>,
    /// `[T, B, P]`, `[T, B, H]`
    pub states: Box<[f32]>,
    /// What the cell saves, `[T, B, V, H]`, where the walk is walked back later.
    pub saved: Box<[N]>,
    /// As [`AuxLayout`](crate::layout::AuxLayout) says.
    pub kept: Box<[f32]>,
    pub unprojected_offset: usize,
    pub products_at: usize,
    pub statistics_at: usize,
    pub late_at: usize,
    pub time: usize,
    pub batch: usize,
    pub hidden: usize,
    pub output: usize,
    /// Rows from here on are walked from the last time step to the first.
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
    /// Whether the walk is walked back later.
    pub saves: bool,
    /// Whether the hidden state that the cell returns is kept.
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

/// The time step of what is kept: there is but one where the walk is not walked back later.
#[cube]
pub(crate) fn kept_step(t: usize, #[comptime] saves: bool) -> usize {
    if comptime!(saves) { t } else { 0usize.runtime() }
}

/// The hidden state before a step, times the mask of recurrent dropout.
pub(crate) struct Hidden;

#[cube]
impl<N: Float> Source<Forward<N>> for Hidden {
    fn read(b: &Forward<N>, walked: usize, row: usize, at_unit: usize) -> f32 {
        let place = row * b.output + at_unit;
        let at = at(walked, b.time, row >= b.turn);
        let value = if at.is_first { b.initial[place] } else { b.states[at.before * b.batch * b.output + place] };
        value * number(&b.dropout, place, 1.0f32.runtime())
    }
}

/// The late input.
pub(crate) struct Late;

#[cube]
impl<N: Float> Source<Forward<N>> for Late {
    fn read(b: &Forward<N>, _walked: usize, row: usize, at: usize) -> f32 {
        b.kept[b.late_at + row * b.hidden + at]
    }
}

/// The hidden state that is to be projected.
pub(crate) struct Raw;

#[cube]
impl<N: Float> Source<Forward<N>> for Raw {
    fn read(b: &Forward<N>, walked: usize, row: usize, unit: usize) -> f32 {
        let step = kept_step(at(walked, b.time, row >= b.turn).t, comptime!(b.flags.saves));
        b.kept[b.unprojected_offset + (step * b.batch + row) * b.hidden + unit]
    }
}
