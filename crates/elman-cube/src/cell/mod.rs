//! What a cell does with the gates of a unit, forward and backward: the mathematics of `elman_cpu::cell`, once more for
//! graphics cards.

#![allow(missing_docs)] // of what `#[cube]` makes of these traits

mod gru;
mod gru_before;
mod lstm;
mod min;
mod rnn;

use std::fmt::Debug;

use cubecl::prelude::*;

pub use gru::Gru;
pub use gru_before::GruResetBefore;
pub use lstm::Lstm;
pub use min::{MinGru, MinLstm};
pub use rnn::{Activation, Relu, Rnn, Tanh};

/// Most gates, and most saved values, of a cell.
pub const MAX_GATES: usize = 4;
/// Most states of a cell.
pub const MAX_STATES: usize = 2;

/// How much a cell has of what.
pub trait Counts {
    /// Gates per unit, at most [`MAX_GATES`].
    const GATES: usize;
    /// States per unit, at most [`MAX_STATES`]; the first is the hidden state, which is multiplied and given out.
    const STATES: usize;
    /// Values per unit and time step that backward needs besides the states, at most [`MAX_GATES`].
    const SAVED: usize;
    /// Whether the gradient by the recurrent product differs from that by the input product.
    const SEPARATE_RECURRENT_GRAD: bool = false;
    /// How many of the last gates have their recurrent product taken of [`Late`](Self::Late) instead of the hidden state.
    const CANDIDATE_GATES: usize = 0;
    /// Whether the hidden state before is used beside the recurrent product. It is zero where this is false, and a cell of
    /// which it is true can have no projection.
    const USES_PREV_HIDDEN: bool = true;
    /// Whether [`Pointwise::backward`] uses the hidden state that forward returned; it is zero where this is false.
    const USES_OUTPUT: bool = false;
    /// What the late gates' weights are multiplied with; [`NoCandidateInput`] where there are none.
    type Late: CandidateInput;
}

/// The pointwise mathematics of a cell, on one unit of one row. Arrays are registers: each has room for what any cell has,
/// and what a cell does not have is neither read nor written.
#[cube]
pub trait Pointwise: Counts + Copy + Debug + Send + Sync + 'static {
    /// One time step: from both products and the state, the next state and what backward needs.
    fn forward(
        input: &Array<f32>,
        recurrent: &Array<f32>,
        state: &Array<f32>,
        next: &mut Array<f32>,
        saved: &mut Array<f32>,
    );

    /// The gradients of one time step: from what was saved, the state before, the hidden state that forward returned and
    /// the gradient by the states that it returned, those by the input product, by the recurrent product (of cells that
    /// are [split](Counts::SEPARATE_RECURRENT_GRAD)) and by the state before, without what goes through the recurrent product.
    fn backward(
        saved: &Array<f32>,
        before: &Array<f32>,
        output: f32,
        gradient: &Array<f32>,
        by_input: &mut Array<f32>,
        by_recurrent: &mut Array<f32>,
        by_state: &mut Array<f32>,
    );
}

/// What the late gates of a cell are multiplied with.
#[cube]
pub trait CandidateInput: 'static + Send + Sync {
    /// From the products of the other gates and the hidden state.
    fn forward(input: &Array<f32>, recurrent: &Array<f32>, hidden: f32) -> f32;

    /// The same once more, from what was saved.
    fn again(saved: &Array<f32>, hidden: f32) -> f32;

    /// The gradients through it, where its own is `by`: by both products of the gates that are not late, added to
    /// `by_gates`, and by the hidden state, returned.
    fn backward(saved: &Array<f32>, hidden: f32, by: f32, by_gates: &mut Array<f32>) -> f32;
}

/// Of cells without late gates.
#[derive(Clone, Copy, Debug)]
pub struct NoCandidateInput;

#[cube]
impl CandidateInput for NoCandidateInput {
    fn forward(_input: &Array<f32>, _recurrent: &Array<f32>, hidden: f32) -> f32 {
        hidden
    }

    fn again(_saved: &Array<f32>, hidden: f32) -> f32 {
        hidden
    }

    fn backward(_saved: &Array<f32>, _hidden: f32, by: f32, _by_gates: &mut Array<f32>) -> f32 {
        by
    }
}

/// A cell without a recurrent product: its next state is linear in the one before.
#[cube]
pub trait Linear: Pointwise {
    /// What the state before is multiplied with, from what was saved.
    fn decay(saved: &Array<f32>) -> f32;
}

/// The logistic function.
#[cube]
pub fn sigmoid(x: f32) -> f32 {
    1.0f32 / (1.0f32 + (-x).exp())
}

/// `g y (1 − y)`: the gradient through a sigmoid with output y.
#[cube]
pub fn through_sigmoid(gradient: f32, y: f32) -> f32 {
    gradient * y * (1.0f32 - y)
}

/// `g (1 − y²)`: the gradient through a tanh with output y.
#[cube]
pub fn through_tanh(gradient: f32, y: f32) -> f32 {
    gradient * (1.0f32 - y * y)
}
