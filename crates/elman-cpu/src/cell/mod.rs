//! The pointwise math of cells, forward and backward.

mod gru;
mod gru_reset_before;
mod lstm;
mod min;
mod rnn;

use std::fmt::Debug;

use pulp::Simd;

pub use gru::Gru;
pub use gru_reset_before::GruResetBefore;
pub use lstm::Lstm;
pub use min::{MinGru, MinLstm};
pub use rnn::{Activation, Rnn};

/// Maximum gates, and maximum saved values, per unit of a cell.
pub const MAX_GATES: usize = 4;
/// Maximum states per unit of a cell.
pub const MAX_STATES: usize = 2;

/// The gates of a register of units; those that the cell does not have are zero and cost nothing.
pub type Gates<V> = [V; MAX_GATES];
/// The states of a register of units, the hidden state first.
pub type States<V> = [V; MAX_STATES];

/// The pointwise math of a cell, on one register of units.
///
/// A [`Kernel`](crate::Kernel) is built from it: the scan, its threads and its matrix products are the same for every
/// cell. Each function is compiled for every instruction set, so it should be `#[inline(always)]`.
/// [`math`](crate::math) has `exp`, `sigmoid` and `tanh`.
pub trait Pointwise: Copy + Debug + Send + Sync + 'static {
    /// Gates per unit, at most [`MAX_GATES`].
    const GATES: usize;
    /// States per unit, at most [`MAX_STATES`]. The first is the hidden state, which the recurrent product reads and
    /// the layer returns.
    const STATES: usize;
    /// Saved values per unit and time step that [`backward`](Self::backward) needs in addition to the states, at most
    /// [`MAX_GATES`].
    const SAVED: usize;
    /// Whether the gradient with respect to the recurrent product differs from that with respect to the input
    /// projection.
    const SEPARATE_RECURRENT_GRAD: bool = false;
    /// Whether the cell has a recurrent product. If false, `recurrent` is zero.
    const RECURRENT: bool = true;
    /// Number of candidate gates: the last gates, if their recurrent product is taken of
    /// [`candidate_input`](Self::candidate_input) instead of the hidden state.
    const CANDIDATE_GATES: usize = 0;
    /// Whether the cell uses the previous hidden state other than through the recurrent product. If false, it is passed
    /// as zero. If true, the cell cannot have a projection, which changes the width of the hidden state.
    const USES_PREV_HIDDEN: bool = true;
    /// Whether [`backward`](Self::backward) uses [`Step::output`]. If false, it is passed as zero.
    const USES_OUTPUT: bool = false;

    /// One time step: returns the next states and the saved values.
    fn forward<S: Simd>(
        self,
        s: S,
        input: Gates<S::f32s>,
        recurrent: Gates<S::f32s>,
        state: States<S::f32s>,
    ) -> (States<S::f32s>, Gates<S::f32s>);

    /// The gradients of one time step.
    fn backward<S: Simd>(self, s: S, step: Step<S::f32s>) -> Gradients<S::f32s>;

    /// The input of the recurrent product of the [candidate gates](Self::CANDIDATE_GATES), given the other gates' input
    /// projection and recurrent product, and the hidden state.
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

    /// The backward pass of [`candidate_input`](Self::candidate_input), given the gradient with respect to its result.
    #[inline(always)]
    fn late_backward<S: Simd>(
        self,
        s: S,
        _saved: Gates<S::f32s>,
        hidden: S::f32s,
        d_candidate_input: S::f32s,
    ) -> Late<S::f32s> {
        Late { input: hidden, gates: [s.splat_f32s(0.0); MAX_GATES], hidden: d_candidate_input }
    }
}

/// The arguments of the backward pass of a time step.
#[derive(Clone, Copy, Debug)]
pub struct Step<V> {
    /// The values that forward saved.
    pub saved: Gates<V>,
    /// The previous states.
    pub before: States<V>,
    /// The hidden state that forward returned.
    pub output: V,
    /// The gradient with respect to the states that forward returned.
    pub gradient: States<V>,
}

/// The gradients of a time step.
#[derive(Clone, Copy, Debug)]
pub struct Gradients<V> {
    /// With respect to the input projection.
    pub input: Gates<V>,
    /// With respect to the recurrent product; equal to `input` unless
    /// [`SEPARATE_RECURRENT_GRAD`](Pointwise::SEPARATE_RECURRENT_GRAD) is set.
    pub recurrent: Gates<V>,
    /// With respect to the previous states, without the gradient through the recurrent product.
    pub state: States<V>,
}

/// The recomputed [`candidate_input`](Pointwise::candidate_input), and the gradients through it.
#[derive(Clone, Copy, Debug)]
pub struct Late<V> {
    /// The result of `candidate_input`.
    pub input: V,
    /// The gradient with respect to the input projection, and likewise the recurrent product, of the other gates.
    pub gates: Gates<V>,
    /// The gradient with respect to the hidden state.
    pub hidden: V,
}

/// `g y (1 − y)`: the gradient through a sigmoid with output y.
#[inline(always)]
fn sigmoid_backward<S: Simd>(s: S, gradient: S::f32s, y: S::f32s) -> S::f32s {
    s.mul_f32s(gradient, s.negate_mul_add_f32s(y, y, y))
}

/// `g (1 − y²)`: the gradient through a tanh with output y.
#[inline(always)]
fn tanh_backward<S: Simd>(s: S, gradient: S::f32s, y: S::f32s) -> S::f32s {
    s.mul_f32s(gradient, s.negate_mul_add_f32s(y, y, s.splat_f32s(1.0)))
}
