use std::{fmt::Debug, marker::PhantomData};

use cubecl::prelude::*;

use super::{Counts, NoCandidateInput, Pointwise, through_tanh};

/// What the simple recurrent cell does with its sum.
#[cube]
pub trait Activation: Copy + Debug + Send + Sync + 'static {
    /// The value.
    fn apply(sum: f32) -> f32;
    /// The gradient through it, where its output was `y`.
    fn through(gradient: f32, y: f32) -> f32;
}

/// The hyperbolic tangent.
#[derive(Clone, Copy, Debug)]
pub struct Tanh;

#[cube]
impl Activation for Tanh {
    fn apply(sum: f32) -> f32 {
        sum.tanh()
    }

    fn through(gradient: f32, y: f32) -> f32 {
        through_tanh(gradient, y)
    }
}

/// `max(0, x)`; what is no number stays none.
#[derive(Clone, Copy, Debug)]
pub struct Relu;

#[cube]
impl Activation for Relu {
    fn apply(sum: f32) -> f32 {
        select(sum < 0.0f32, 0.0f32, sum)
    }

    fn through(gradient: f32, y: f32) -> f32 {
        select(y > 0.0f32, gradient, 0.0f32)
    }
}

/// `h' = f(x + r)` (Elman 1990). Saves nothing: backward reads the hidden state.
#[derive(Clone, Copy, Debug)]
pub struct Rnn<A: Activation>(PhantomData<A>);

impl<A: Activation> Counts for Rnn<A> {
    const GATES: usize = 1;
    const STATES: usize = 1;
    const SAVED: usize = 0;
    const USES_PREV_HIDDEN: bool = false;
    const USES_OUTPUT: bool = true;
    type Late = NoCandidateInput;
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
        next[0] = A::apply(input[0] + recurrent[0]);
    }

    fn backward(
        _saved: &Array<f32>,
        _before: &Array<f32>,
        output: f32,
        gradient: &Array<f32>,
        by_input: &mut Array<f32>,
        _by_recurrent: &mut Array<f32>,
        by_state: &mut Array<f32>,
    ) {
        by_input[0] = A::through(gradient[0], output);
        by_state[0] = 0.0f32.runtime();
    }
}
