//! The pointwise math of cells, forward and backward: the equations of `elman_cpu::cell`, written for GPUs.

#![allow(missing_docs)] // for the items that `#[cube]` generates from these traits

mod gru;
mod gru_reset_before;
mod lstm;
mod min;
mod rnn;

use std::fmt::Debug;

use cubecl::prelude::*;

pub use gru::Gru;
pub use gru_reset_before::GruResetBefore;
pub use lstm::Lstm;
pub use min::{MinGru, MinLstm};
pub use rnn::{Activation, Relu, Rnn, Tanh};

/// Maximum gates, and maximum saved values, per unit of a cell.
pub const MAX_GATES: usize = 4;
/// Maximum states per unit of a cell.
pub const MAX_STATES: usize = 2;

/// The static sizes and properties of a cell.
pub trait CellConstants {
    /// Gates per unit, at most [`MAX_GATES`].
    const GATES: usize;
    /// States per unit, at most [`MAX_STATES`]. The first is the hidden state, which the recurrent product reads and
    /// the layer returns.
    const STATES: usize;
    /// Saved values per unit and time step that backward needs in addition to the states, at most [`MAX_GATES`].
    const SAVED: usize;
    /// Whether the gradient with respect to the recurrent product differs from that with respect to the input
    /// projection.
    const SEPARATE_RECURRENT_GRAD: bool = false;
    /// Number of candidate gates: the last gates, if their recurrent product is taken of
    /// [`CandidateInput`](Self::CandidateInput) instead of the hidden state.
    const CANDIDATE_GATES: usize = 0;
    /// Whether the cell uses the previous hidden state other than through the recurrent product. If false, it is passed
    /// as zero. If true, the cell cannot have a projection.
    const USES_PREV_HIDDEN: bool = true;
    /// Whether [`Pointwise::backward`] uses the hidden state that forward returned. If false, it is passed as zero.
    const USES_OUTPUT: bool = false;
    /// The input of the candidate gates' recurrent product; [`NoCandidateInput`] without candidate gates.
    type CandidateInput: CandidateInput;
}

/// The pointwise math of a cell, for one unit of one row. Arrays are registers with the maximum size of any cell;
/// elements that a cell does not have are neither read nor written.
#[cube]
pub trait Pointwise: CellConstants + Copy + Debug + Send + Sync + 'static {
    /// One time step: computes the next states and the saved values from the input projection, the recurrent product
    /// and the states.
    fn forward(
        input: &Array<f32>,
        recurrent: &Array<f32>,
        state: &Array<f32>,
        next: &mut Array<f32>,
        saved: &mut Array<f32>,
    );

    /// The gradients of one time step with respect to the input projection, to the recurrent product (only if
    /// [`SEPARATE_RECURRENT_GRAD`](CellConstants::SEPARATE_RECURRENT_GRAD) is set) and to the previous states `before`,
    /// without the gradient through the recurrent product. `output` is the hidden state that forward returned,
    /// `gradient` the gradient with respect to the states that it returned.
    fn backward(
        saved: &Array<f32>,
        before: &Array<f32>,
        output: f32,
        gradient: &Array<f32>,
        d_input: &mut Array<f32>,
        d_recurrent: &mut Array<f32>,
        d_state: &mut Array<f32>,
    );
}

/// The input of the recurrent product of a cell's candidate gates.
#[cube]
pub trait CandidateInput: 'static + Send + Sync {
    /// The candidate input, given the other gates' input projection and recurrent product, and the hidden state.
    fn forward(input: &Array<f32>, recurrent: &Array<f32>, hidden: f32) -> f32;

    /// The candidate input, recomputed from the saved values.
    fn recompute(saved: &Array<f32>, hidden: f32) -> f32;

    /// The backward pass, given the gradient with respect to the candidate input. Adds the gradient with respect to the
    /// input projection, and likewise the recurrent product, of the other gates to `d_gates`, and returns the one with
    /// respect to the hidden state.
    fn backward(saved: &Array<f32>, hidden: f32, gradient: f32, d_gates: &mut Array<f32>) -> f32;
}

/// The [`CandidateInput`] of cells without candidate gates.
#[derive(Clone, Copy, Debug)]
pub struct NoCandidateInput;

#[cube]
impl CandidateInput for NoCandidateInput {
    fn forward(_input: &Array<f32>, _recurrent: &Array<f32>, hidden: f32) -> f32 {
        hidden
    }

    fn recompute(_saved: &Array<f32>, hidden: f32) -> f32 {
        hidden
    }

    fn backward(_saved: &Array<f32>, _hidden: f32, gradient: f32, _d_gates: &mut Array<f32>) -> f32 {
        gradient
    }
}

/// A cell without a recurrent product: its next state is linear in the previous one.
#[cube]
pub trait Linear: Pointwise {
    /// The factor of the previous state in the next one, computed from the saved values.
    fn decay(saved: &Array<f32>) -> f32;
}

/// The logistic function.
#[cube]
pub fn sigmoid(x: f32) -> f32 {
    1.0f32 / (1.0f32 + (-x).exp())
}

/// `g y (1 − y)`: the gradient through a sigmoid with output y.
#[cube]
pub fn sigmoid_backward(gradient: f32, y: f32) -> f32 {
    gradient * y * (1.0f32 - y)
}

/// `g (1 − y²)`: the gradient through a tanh with output y.
#[cube]
pub fn tanh_backward(gradient: f32, y: f32) -> f32 {
    gradient * (1.0f32 - y * y)
}
