//! What a cell does with the gates of some units, forward and backward.

mod gru;
mod lstm;
mod min;
mod rnn;

use pulp::Simd;

use crate::team::Plan;

pub(crate) use gru::Gru;
pub(crate) use lstm::Lstm;
pub(crate) use min::{MinGru, MinLstm};
pub(crate) use rnn::{Activation, Rnn};

/// Most gates, and most saved values, of a cell.
pub(crate) const MOST_GATES: usize = 4;
/// Most states of a cell.
pub(crate) const MOST_STATES: usize = 2;

/// The gates of some units; those that the cell does not have are zero and cost nothing.
pub(crate) type Gates<V> = [V; MOST_GATES];
/// The states of some units, the hidden state first.
pub(crate) type States<V> = [V; MOST_STATES];

/// The cells that there are kernels for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kernel {
    /// `h' = tanh(x + r)` (Elman 1990).
    RnnTanh,
    /// `h' = max(0, x + r)`.
    RnnRelu,
    /// The gated recurrent unit (Cho et al. 2014) with the reset gate after the product; gates r, z, n.
    Gru,
    /// Long short-term memory with forget gate (Hochreiter & Schmidhuber 1997; Gers et al. 2000); gates i, f, g, o.
    Lstm,
    /// minGRU (Feng et al. 2024), which has no recurrent product; gates z, h̃.
    MinGru,
    /// minLSTM (Feng et al. 2024), which has no recurrent product; gates f, i, h̃.
    MinLstm,
}

/// Calls `$body` with the pointwise mathematics of a kernel.
macro_rules! with_cell {
    ($kernel:expr, |$cell:ident| $body:expr) => {
        match $kernel {
            $crate::Kernel::RnnTanh => {
                let $cell = $crate::cell::Rnn($crate::cell::Activation::Tanh);
                $body
            }
            $crate::Kernel::RnnRelu => {
                let $cell = $crate::cell::Rnn($crate::cell::Activation::Relu);
                $body
            }
            $crate::Kernel::Gru => {
                let $cell = $crate::cell::Gru;
                $body
            }
            $crate::Kernel::Lstm => {
                let $cell = $crate::cell::Lstm;
                $body
            }
            $crate::Kernel::MinGru => {
                let $cell = $crate::cell::MinGru;
                $body
            }
            $crate::Kernel::MinLstm => {
                let $cell = $crate::cell::MinLstm;
                $body
            }
        }
    };
}
pub(crate) use with_cell;

impl Kernel {
    /// Gates per unit.
    pub fn gates(self) -> usize {
        with_cell!(self, |cell| counts(cell).gates)
    }

    /// States per unit.
    pub fn states(self) -> usize {
        with_cell!(self, |cell| counts(cell).states)
    }

    /// Numbers per unit and time step that [`backward`](crate::backward()) needs besides the states.
    pub fn saved(self) -> usize {
        with_cell!(self, |cell| counts(cell).saved)
    }

    /// Whether the gradient by the recurrent product differs from that by the input product.
    pub fn is_split(self) -> bool {
        with_cell!(self, |cell| counts(cell).split)
    }

    /// Whether there is a recurrent product. Without one there are no recurrent weights and no recurrent bias.
    pub fn is_recurrent(self) -> bool {
        with_cell!(self, |cell| counts(cell).recurrent)
    }

    /// Rows of the recurrent weights, and of their bias.
    pub fn recurrent_rows(self, hidden: usize) -> usize {
        fn rows<C: Pointwise>(_: C, hidden: usize) -> usize {
            C::recurrent_rows(hidden)
        }
        with_cell!(self, |cell| rows(cell, hidden))
    }
}

struct Counts {
    gates: usize,
    states: usize,
    saved: usize,
    split: bool,
    recurrent: bool,
}

fn counts<C: Pointwise>(_: C) -> Counts {
    Counts { gates: C::GATES, states: C::STATES, saved: C::SAVED, split: C::SPLIT, recurrent: C::RECURRENT }
}

/// The pointwise mathematics of a cell, on as many units at once as a register holds.
pub(crate) trait Pointwise: Copy + Send + Sync + 'static {
    /// Gates per unit.
    const GATES: usize;
    /// States per unit.
    const STATES: usize;
    /// Values per unit and time step that [`backward`](Self::backward) needs besides the states.
    const SAVED: usize;
    /// Whether the gradient by the recurrent product differs from that by the input product.
    const SPLIT: bool;
    /// Whether there is a recurrent product; it is zero without.
    const RECURRENT: bool = true;

    /// Rows of the recurrent weights.
    fn recurrent_rows(hidden: usize) -> usize {
        if Self::RECURRENT { Self::GATES * hidden } else { 0 }
    }

    /// How a walk is shared among threads.
    fn plan(threads: usize, time: usize, batch: usize, hidden: usize) -> Plan {
        if Self::RECURRENT {
            Plan::new(threads, time, batch, Self::GATES * hidden * hidden)
        } else {
            Plan::apart(threads, time, batch, Self::GATES * hidden)
        }
    }

    /// One time step: the next state, and what backward needs.
    fn forward<S: Simd>(
        self,
        s: S,
        input: Gates<S::f32s>,
        recurrent: Gates<S::f32s>,
        state: States<S::f32s>,
    ) -> (States<S::f32s>, Gates<S::f32s>);

    /// The gradients of one time step.
    fn backward<S: Simd>(self, s: S, step: Step<S::f32s>) -> Gradients<S::f32s>;
}

/// What is known of a time step when it is walked back.
#[derive(Clone, Copy)]
pub(crate) struct Step<V> {
    /// What forward saved.
    pub saved: Gates<V>,
    /// The state before.
    pub before: States<V>,
    /// The state after.
    pub after: States<V>,
    /// The gradient by the state after.
    pub gradient: States<V>,
}

/// The gradients of a time step.
#[derive(Clone, Copy)]
pub(crate) struct Gradients<V> {
    /// By the input product.
    pub input: Gates<V>,
    /// By the recurrent product; the same unless the cell is [`SPLIT`](Pointwise::SPLIT).
    pub recurrent: Gates<V>,
    /// By the state before, without what goes through the recurrent product.
    pub state: States<V>,
}

/// `g y (1 − y)`: the gradient through a sigmoid with output y.
#[inline(always)]
fn through_sigmoid<S: Simd>(s: S, gradient: S::f32s, y: S::f32s) -> S::f32s {
    s.mul_f32s(gradient, s.negate_mul_add_f32s(y, y, y))
}

/// `g (1 − y²)`: the gradient through a tanh with output y.
#[inline(always)]
fn through_tanh<S: Simd>(s: S, gradient: S::f32s, y: S::f32s) -> S::f32s {
    s.mul_f32s(gradient, s.negate_mul_add_f32s(y, y, s.splat_f32s(1.0)))
}
