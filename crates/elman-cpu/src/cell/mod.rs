//! What a cell does with the gates of some units, forward and backward.

mod gru;
mod gru_before;
mod lstm;
mod min;
mod rnn;

use std::fmt::Debug;

use pulp::Simd;

pub use gru::Gru;
pub use gru_before::GruResetBefore;
pub use lstm::Lstm;
pub use min::{MinGru, MinLstm};
pub use rnn::{Activation, Rnn};

/// Most gates, and most saved values, of a cell.
pub const MAX_GATES: usize = 4;
/// Most states of a cell.
pub const MAX_STATES: usize = 2;

/// The gates of some units; those that the cell does not have are zero and cost nothing.
pub type Gates<V> = [V; MAX_GATES];
/// The states of some units, the hidden state first.
pub type States<V> = [V; MAX_STATES];

/// The pointwise mathematics of a cell, on as many units at once as a register holds.
///
/// A [`Kernel`](crate::Kernel) is made of it: the walk, its threads and its matrix products are the same for every cell. Each
/// function is compiled for every instruction set, so it should be `#[inline(always)]`. [`math`](crate::math) has `exp`,
/// `sigmoid` and `tanh`.
pub trait Pointwise: Copy + Debug + Send + Sync + 'static {
    /// Gates per unit, at most [`MAX_GATES`].
    const GATES: usize;
    /// States per unit, at most [`MAX_STATES`]; the first is the hidden state, which is multiplied and given out.
    const STATES: usize;
    /// Values per unit and time step that [`backward`](Self::backward) needs besides the states, at most [`MAX_GATES`].
    const SAVED: usize;
    /// Whether the gradient by the recurrent product differs from that by the input product.
    const SEPARATE_RECURRENT_GRAD: bool = false;
    /// Whether there is a recurrent product; it is zero without.
    const RECURRENT: bool = true;
    /// How many of the last gates have their recurrent product taken of [`candidate_input`](Self::candidate_input) instead of the
    /// hidden state.
    const CANDIDATE_GATES: usize = 0;
    /// Whether the hidden state before is used beside the recurrent product. It is zero where this is false, and a cell of
    /// which it is true can have no projection, which makes the hidden state as wide as its output.
    const USES_PREV_HIDDEN: bool = true;
    /// Whether [`backward`](Self::backward) uses [`Step::output`]; it is zero where this is false.
    const USES_OUTPUT: bool = false;

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

    /// What the [late](Self::CANDIDATE_GATES) gates' weights are multiplied with, from the products of the other gates and the hidden
    /// state.
    #[inline(always)]
    fn candidate_input<S: Simd>(
        self,
        _: S,
        _input: Gates<S::f32s>,
        _recurrent: Gates<S::f32s>,
        hidden: S::f32s,
    ) -> S::f32s {
        hidden
    }

    /// The gradients through [`candidate_input`](Self::candidate_input), whose gradient is `by`.
    #[inline(always)]
    fn late_backward<S: Simd>(self, s: S, _saved: Gates<S::f32s>, hidden: S::f32s, by: S::f32s) -> Late<S::f32s> {
        Late { input: hidden, gates: [s.splat_f32s(0.0); MAX_GATES], hidden: by }
    }
}

/// What is known of a time step when it is walked back.
#[derive(Clone, Copy, Debug)]
pub struct Step<V> {
    /// What forward saved.
    pub saved: Gates<V>,
    /// The state before.
    pub before: States<V>,
    /// The hidden state that forward returned.
    pub output: V,
    /// The gradient by the state that forward returned.
    pub gradient: States<V>,
}

/// The gradients of a time step.
#[derive(Clone, Copy, Debug)]
pub struct Gradients<V> {
    /// By the input product.
    pub input: Gates<V>,
    /// By the recurrent product; the same unless the cell is [`SEPARATE_RECURRENT_GRAD`](Pointwise::SEPARATE_RECURRENT_GRAD).
    pub recurrent: Gates<V>,
    /// By the state before, without what goes through the recurrent product.
    pub state: States<V>,
}

/// [`candidate_input`](Pointwise::candidate_input) once more, and the gradients through it.
#[derive(Clone, Copy, Debug)]
pub struct Late<V> {
    /// What forward returned.
    pub input: V,
    /// By both products of the gates that are not late.
    pub gates: Gates<V>,
    /// By the hidden state.
    pub hidden: V,
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
