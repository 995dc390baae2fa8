use std::{fmt::Debug, marker::PhantomData};

use cubecl::prelude::*;

use super::{CellConstants, NoCandidateInput, Pointwise, tanh_backward};

/// The activation of the Elman RNN cell.
#[cube]
pub trait Activation: Copy + Debug + Send + Sync + 'static {
    /// The activation of a sum.
    fn forward(sum: f32) -> f32;
    /// The gradient through the activation with output `y`.
    fn backward(gradient: f32, y: f32) -> f32;
}

/// The hyperbolic tangent.
#[derive(Clone, Copy, Debug)]
pub struct Tanh;

#[cube]
impl Activation for Tanh {
    fn forward(sum: f32) -> f32 {
        sum.tanh()
    }

    fn backward(gradient: f32, y: f32) -> f32 {
        tanh_backward(gradient, y)
    }
}

/// `max(0, x)`; propagates NaN.
#[derive(Clone, Copy, Debug)]
pub struct Relu;

#[cube]
impl Activation for Relu {
    fn forward(sum: f32) -> f32 {
        select(sum < 0.0f32, 0.0f32, sum)
    }

    fn backward(gradient: f32, y: f32) -> f32 {
        select(y > 0.0f32, gradient, 0.0f32)
    }
}

/// The Elman RNN: `h' = f(x + r)` (Elman 1990). Saves nothing; backward uses the hidden state.
#[derive(Clone, Copy, Debug)]
pub struct Rnn<A: Activation>(PhantomData<A>);

impl<A: Activation> CellConstants for Rnn<A> {
    const GATES: usize = 1;
    const STATES: usize = 1;
    const SAVED: usize = 0;
    const USES_PREV_HIDDEN: bool = false;
    const USES_OUTPUT: bool = true;
    type CandidateInput = NoCandidateInput;
}

#[cube]
impl<A: Activation> Pointwise for Rnn<A> {
    fn forward(
        input: &Array<f32>,
        recurrent: &Array<f32>,
        _state: &Array<f32>,
        next: &mut Array<f32>,
        _saved: &mut Array<f32>,
    ) {
        next[0] = A::forward(input[0] + recurrent[0]);
    }

    fn backward(
        _saved: &Array<f32>,
        _before: &Array<f32>,
        output: f32,
        gradient: &Array<f32>,
        d_input: &mut Array<f32>,
        _d_recurrent: &mut Array<f32>,
        d_state: &mut Array<f32>,
    ) {
        d_input[0] = A::backward(gradient[0], output);
        d_state[0] = 0.0f32.runtime();
    }
}
